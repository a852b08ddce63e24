import numpy as np
import pytest

from lutra.hw.isa import LAYOUTS, MAX_PLANES, Opcode, decode, encode
from lutra.hw.program import decode_columns, encode_columns, pack_planes, unpack_planes


def random_fields(opcode: Opcode, rng: np.random.Generator) -> dict[str, int]:
    fields = {}
    for name, field in LAYOUTS[opcode]:
        if name in ("opcode", "reserved", "planes"):
            continue
        top = (1 << field.width) - 1
        fields[name] = int(rng.choice([0, 1, top, int(rng.integers(0, top + 1))]))
    if "coefficient" in fields:
        fields["coefficient"] -= 1 << 15
    return fields


@pytest.mark.parametrize("opcode", list(Opcode))
def test_columns_encode_like_the_isa(opcode: Opcode):
    """A program built from columns has the bits of instructions built one by one."""
    rng = np.random.default_rng(int(opcode))
    rows = [random_fields(opcode, rng) for _ in range(50)]
    columns: dict[str, np.ndarray] = {
        name: np.array([row[name] for row in rows]) for name in rows[0]
    }
    planes = []
    for row in rows:
        planes.append([(int(rng.integers(0, 8)), bool(rng.integers(0, 2))) for _ in range(16)])
        if opcode is Opcode.PLANES:
            row["planes"] = [{"shift": s, "negative": int(n)} for s, n in planes[-1]]
    if opcode is Opcode.PLANES:
        columns["planes"] = np.array([pack_planes(p) for p in planes], np.uint64)
    words = encode_columns(opcode, columns)
    assert [int(low) | int(high) << 64 for low, high in words] == [
        encode(opcode, **row) for row in rows
    ]
    decoded = decode_columns(opcode, words)
    for i, row in enumerate(rows):
        assert decode(encode(opcode, **row)) == (opcode, {**row, "reserved": 0})
        for name in row.keys() - {"planes"}:
            assert decoded[name][i] == row[name]
        if opcode is Opcode.PLANES:
            assert unpack_planes(int(decoded["planes"][i]), MAX_PLANES) == planes[i]


def test_end_has_no_columns():
    assert encode_columns(Opcode.END, {}).tolist() == [[int(Opcode.END), 0]]


def test_wrong_fields_are_named():
    with pytest.raises(ValueError, match="LOAD has no field 'beats'"):
        encode_columns(Opcode.LOAD, {"beats": np.array([1])})
    with pytest.raises(ValueError, match=r"LOAD\.row must be from 0 to 16383, not 16384"):
        encode_columns(Opcode.LOAD, {"row": np.array([0, 16384])})
    with pytest.raises(ValueError, match=r"LMMA\.rows must be from 0 to 127, not -1"):
        encode_columns(Opcode.LMMA, {"rows": np.array([-1])})
    with pytest.raises(ValueError, match="coefficient must be from -32768"):
        encode_columns(Opcode.PLANES, {"coefficient": np.array([1 << 15])})
    with pytest.raises(ValueError, match="planes must be at most 16, not 17"):
        pack_planes([(0, False)] * 17)
