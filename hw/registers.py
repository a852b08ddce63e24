"""The control registers behind the AXI4-Lite port: the only definition of the map."""

from __future__ import annotations

import enum

__all__ = ["COUNTERS", "MAGIC", "Control", "Register", "Status", "built_counters"]

#: What MAGIC reads as: "LUTR" in ASCII.
MAGIC = 0x4C555452


class Register(enum.IntEnum):
    """Byte offsets of the 32-bit registers. Counters cover the last program."""

    MAGIC = 0x00
    ISA_VERSION = 0x04
    CONFIG_HASH_LO = 0x08  #: first 64 bits of the configuration's SHA-256, low half
    CONFIG_HASH_HI = 0x0C
    STATUS = 0x10
    ERROR_CODE = 0x14
    ERROR_ADDRESS_LO = 0x18
    ERROR_ADDRESS_HI = 0x1C
    PROGRAM_LO = 0x20
    PROGRAM_HI = 0x24
    PROGRAM_LENGTH = 0x28  #: instructions
    CONTROL = 0x2C
    CYCLES = 0x40
    ARRAY_BUSY = 0x44  #: cycles in which the array did a lookup
    TABLE_STALL = 0x48  #: cycles in which lookups waited for a table
    WEIGHT_STALL = 0x4C  #: cycles in which COMPUTE waited for a token of LOAD
    STORE_STALL = 0x50  #: cycles in which COMPUTE waited for a token of STORE
    BYTES_READ = 0x54
    BYTES_WRITTEN = 0x58


#: Registers that count during a program, under the names the host reports.
COUNTERS = {
    "cycles": Register.CYCLES,
    "array_busy": Register.ARRAY_BUSY,
    "table_stall": Register.TABLE_STALL,
    "weight_stall": Register.WEIGHT_STALL,
    "store_stall": Register.STORE_STALL,
    "bytes_read": Register.BYTES_READ,
    "bytes_written": Register.BYTES_WRITTEN,
}


class Status(enum.IntFlag):
    """Bits of STATUS."""

    BUSY = 1  #: a program runs, or a reset drains the memory port
    DONE = 2  #: the last program reached END
    ERROR = 4  #: the last program stopped with ERROR_CODE


class Control(enum.IntFlag):
    """Bits of CONTROL; they read as 0."""

    START = 1  #: the doorbell: run the program (ignored while BUSY)
    RESET = 2  #: stop the program, drain the memory port, reset the engines


def built_counters(counters: int) -> dict[str, Register]:
    """Those of `COUNTERS` that are there for a value of `Config.counters`: all, or only cycles."""
    return COUNTERS if counters else {"cycles": Register.CYCLES}
