from lutra.host.program_builder import ProgramBuilder
from lutra.hw.isa import Buffer, Engine, Opcode, decode

LOAD, COMPUTE, STORE = (1 << engine for engine in Engine)
LMMA = (0, 1, 0, 0, 0, 1, 1, 1, 1, 1, 0)


def listing(builder: ProgramBuilder) -> list[tuple[str, int, int]]:
    result = []
    for low, high in builder.encode():
        opcode, fields = decode(int(low) | int(high) << 64)
        result.append((opcode.name, fields["wait"], fields["signal"]))
    return result


def test_waits_that_are_implied_are_left_out():
    """Engines work in order: being behind LOAD 1 is being behind LOAD 0."""
    builder = ProgramBuilder()
    for row in range(2):
        builder.load(Buffer.WEIGHT, row, 1, 64 * row, after_lmma=-1)
    builder.lmma(*LMMA, after_load=1, after_store=-1)
    builder.lmma(*LMMA, after_load=0, after_store=-1)
    builder.load(Buffer.WEIGHT, 0, 1, 0, after_lmma=1)
    builder.load(Buffer.WEIGHT, 1, 1, 0, after_lmma=0)
    assert listing(builder) == [
        ("LOAD", 0, 0),
        ("LOAD", 0, COMPUTE),
        ("LMMA", LOAD, 0),
        ("LMMA", 0, LOAD),
        ("LOAD", COMPUTE, 0),
        ("LOAD", 0, 0),
        ("END", 0, 0),
    ]


def test_an_instruction_gives_tokens_to_several_engines():
    builder = ProgramBuilder()
    builder.planes(((0, False), (1, True)), halve=True, coefficient=-1, act_planes=1)
    builder.load(Buffer.ACT, 0, 1, 0, after_lmma=-1)
    builder.lmma(*LMMA, after_load=0, after_store=-1)
    builder.store(0, 1, 0, after_lmma=0)
    builder.load(Buffer.ACT, 0, 1, 0, after_lmma=0)
    builder.lmma(*LMMA, after_load=1, after_store=0)
    assert listing(builder) == [
        ("PLANES", 0, 0),
        ("LOAD", 0, COMPUTE),
        ("LMMA", LOAD, LOAD | STORE),
        ("STORE", COMPUTE, COMPUTE),
        ("LOAD", COMPUTE, COMPUTE),
        ("LMMA", LOAD | STORE, 0),
        ("END", 0, 0),
    ]


def test_fields_are_those_of_the_isa():
    builder = ProgramBuilder()
    builder.planes(((0, False), (3, True)), halve=True, coefficient=-7, act_planes=5)
    builder.lmma(*range(1, 10), 0, 1, after_load=-1, after_store=-1)
    builder.store(9, 8, 4096, after_lmma=-1)
    words = [int(low) | int(high) << 64 for low, high in builder.encode()]
    opcode, planes = decode(words[0])
    assert opcode is Opcode.PLANES
    assert (planes["count"], planes["halve"], planes["coefficient"]) == (2, 1, -7)
    assert planes["planes"][1] == {"shift": 3, "negative": 1}
    _, lmma = decode(words[1])
    assert [lmma[name] for name in ("act_base", "act_stride", "weight_base", "scale_base",
                                    "psum_base", "psum_stride", "k_blocks", "n_blocks", "rows",
                                    "clear", "group")] == [*range(1, 10), 0, 1]  # fmt: skip
    _, store = decode(words[2])
    assert (store["psum_base"], store["words"], store["address"]) == (9, 8, 4096)


def test_an_empty_program_is_end():
    assert listing(ProgramBuilder()) == [("END", 0, 0)]
