"""The instruction set: the only definition of opcodes, instruction fields and error codes.

Instructions are 128 bits wide and little-endian in memory. Each begins with the same header:
the opcode, the engines whose token it waits for, and the engines it gives a token to when it
has completed. Host, hardware and documents all use the layouts of this file.
"""

from __future__ import annotations

import enum

from amaranth.lib import data

__all__ = [
    "ENGINES",
    "INSTRUCTION_BITS",
    "ISA_VERSION",
    "LAYOUTS",
    "MAX_PLANES",
    "Buffer",
    "Engine",
    "ErrorCode",
    "IllegalOpcodeError",
    "Opcode",
    "decode",
    "encode",
]

#: Raised whenever an instruction, a register or a memory layout changes its meaning.
ISA_VERSION = 1

INSTRUCTION_BITS = 128

#: Planes that one PLANES instruction can list.
MAX_PLANES = 16


class IllegalOpcodeError(ValueError):
    """A word that is no instruction."""


class Engine(enum.IntEnum):
    """Engines, and their bit in the wait and signal masks."""

    LOAD = 0
    COMPUTE = 1
    STORE = 2


ENGINES = tuple(Engine)


class Opcode(enum.IntEnum):
    """Operations. Zero is left illegal so that empty memory is no program."""

    LOAD = 1
    PLANES = 2
    LMMA = 3
    STORE = 4
    END = 5

    @property
    def engine(self) -> Engine | None:
        """The engine that executes it; None for END, which the fetch unit executes."""
        return _ENGINE_OF.get(self)


_ENGINE_OF = {
    Opcode.LOAD: Engine.LOAD,
    Opcode.PLANES: Engine.COMPUTE,
    Opcode.LMMA: Engine.COMPUTE,
    Opcode.STORE: Engine.STORE,
}


class Buffer(enum.IntEnum):
    """On-chip buffers that LOAD fills."""

    ACT = 0
    WEIGHT = 1
    SCALE = 2


class ErrorCode(enum.IntEnum):
    """Why a program stopped. The error address is given in parentheses."""

    NONE = 0
    ILLEGAL_OPCODE = 1  #: unknown opcode (of the instruction)
    ILLEGAL_FIELD = 2  #: a count of 0, a token to oneself, ... (of the instruction)
    BUFFER_RANGE = 3  #: beyond the end of an on-chip buffer (of the instruction)
    ADDRESS = 4  #: memory address unaligned or beyond the address width (of the instruction)
    ILLEGAL_PLANES = 5  #: planes larger than the accumulators hold (of the instruction)
    READ_RESPONSE = 6  #: memory answered a read with an error (memory address of the burst)
    WRITE_RESPONSE = 7  #: memory answered a write with an error (memory address of the burst)
    PSUM_OVERFLOW = 8  #: a partial sum left its range (partial-sum word)
    TOKEN_OVERFLOW = 9  #: more tokens given than a counter holds (0)
    DEADLOCK = 10  #: every engine waits for a token that nobody will give (0)
    NO_END = 11  #: the program's length was reached before END (one past the program)


_HEADER = {"opcode": 4, "wait": 3, "signal": 3}

_PLANE = data.StructLayout({"shift": 3, "negative": 1})


def _instruction(**members: object) -> data.StructLayout:
    layout = {**_HEADER, **members}
    used = data.StructLayout(layout).size  # pyright: ignore[reportArgumentType]
    if used > INSTRUCTION_BITS:
        raise AssertionError(f"an instruction of {used} bits does not fit {INSTRUCTION_BITS}")
    if used < INSTRUCTION_BITS:
        layout["reserved"] = INSTRUCTION_BITS - used
    return data.StructLayout(layout)  # pyright: ignore[reportArgumentType]


#: The fields of every instruction, from bit 0 upwards.
LAYOUTS: dict[Opcode, data.StructLayout] = {
    # buffer[row : row + rows] = memory[address ...]; a row is one word, or one bus beat where
    # several words share a beat.
    Opcode.LOAD: _instruction(buffer=2, row=14, rows=14, address=40),
    # How the planes of the following LMMAs combine: acc = (acc << shift) +- plane, the most
    # significant plane first; then v = (acc + c * sum_x) >> halve, where c is `coefficient`
    # (signed) or comes with the group parameters. `act_planes` activation bits are
    # processed one after the other by a bit-serial element; other elements want 1.
    Opcode.PLANES: _instruction(
        count=5,
        halve=1,
        coefficient=16,
        act_planes=5,
        planes=data.ArrayLayout(_PLANE, MAX_PLANES),
    ),
    # for k in range(k_blocks): for r in range(rows): for n in range(n_blocks): for p in planes:
    #   act = act_base + r * act_stride + k
    #   weight = weight_base + (k * n_blocks + n) * planes + p    (modulo the buffer's depth)
    #   scale = scale_base + n                                    (where `group` is set)
    #   psum = psum_base + r * psum_stride + n                    (overwritten at k = 0 if `clear`)
    Opcode.LMMA: _instruction(
        act_base=14,
        act_stride=14,
        weight_base=14,
        scale_base=14,
        psum_base=14,
        psum_stride=14,
        k_blocks=11,
        n_blocks=11,
        rows=7,
        clear=1,
        group=1,
    ),
    # memory[address ...] = psum[base : base + words], as integers of `Config.out_bits`, or
    # requantised: clip((psum * multiplier + 2**(shift - 1)) >> shift) to `Config.act_bits`.
    Opcode.STORE: _instruction(
        psum_base=14, words=14, address=40, requantise=1, multiplier=16, shift=6
    ),
    Opcode.END: _instruction(),
}


def encode(opcode: Opcode, **values: object) -> int:
    """Instruction word of `opcode` with the given fields; missing fields are 0.

    Raises
    ------
    ValueError
        A field does not exist or its value does not fit its width.
    """
    layout = LAYOUTS[opcode]
    for name, value in values.items():
        if name not in layout.members:
            raise ValueError(f"{opcode.name} has no field {name!r}; it has {list(layout.members)}")
        width = layout[name].width
        if isinstance(value, int) and name != "coefficient" and not 0 <= value < 1 << width:
            raise ValueError(f"{opcode.name}.{name} must be from 0 to {2**width - 1}, not {value}")
    coefficient = values.get("coefficient", 0)
    if not isinstance(coefficient, int) or not -(1 << 15) <= coefficient < 1 << 15:
        raise ValueError(f"coefficient must be from -32768 to 32767, not {coefficient!r}")
    if "coefficient" in values:
        values["coefficient"] = coefficient & 0xFFFF
    return layout.const({"opcode": int(opcode), **values}).as_bits()


def decode(word: int) -> tuple[Opcode, dict[str, object]]:
    """Opcode and fields of an instruction word: the inverse of `encode`.

    Raises
    ------
    IllegalOpcodeError
    """
    raw = word & 0xF
    if raw not in Opcode._value2member_map_:
        raise IllegalOpcodeError(f"opcode must be one of {[int(o) for o in Opcode]}, not {raw}")
    opcode = Opcode(raw)
    values: dict[str, object] = {}
    for name, field in LAYOUTS[opcode]:
        bits = word >> field.offset & (1 << field.width) - 1
        if name == "planes":
            nibbles = [bits >> 4 * i & 0xF for i in range(MAX_PLANES)]
            values[name] = [{"shift": n & 7, "negative": n >> 3} for n in nibbles]
        elif name == "coefficient":
            values[name] = bits - (bits >> 15 << 16)
        else:
            values[name] = bits
    del values["opcode"]
    return opcode, values
