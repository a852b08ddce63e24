"""The C interface of a compiled model (`harness/harness.cpp`), loaded once a process."""

from __future__ import annotations

import ctypes
import enum
import functools
from pathlib import Path

__all__ = ["Outcome", "load_library"]

_HANDLE, _U64, _U32, _INT = ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_int

_FUNCTIONS = {
    "lutra_create": (_HANDLE, [_U64]),
    "lutra_destroy": (None, [_HANDLE]),
    "lutra_memory": (ctypes.c_void_p, [_HANDLE]),
    "lutra_cycles": (_U64, [_HANDLE]),
    "lutra_set_timing": (None, [_HANDLE, _U64, _U64]),
    "lutra_set_stalls": (None, [_HANDLE, _U32, _U32]),
    "lutra_set_fault": (None, [_HANDLE, _U64, _U64]),
    "lutra_violation": (ctypes.c_char_p, [_HANDLE]),
    "lutra_read_register": (_INT, [_HANDLE, _U32, ctypes.POINTER(_U32)]),
    "lutra_write_register": (_INT, [_HANDLE, _U32, _U32]),
    "lutra_run": (_INT, [_HANDLE, _U64]),
    "lutra_bare": (ctypes.c_double, [_HANDLE, _U64]),
    "lutra_trace": (_INT, [_HANDLE, ctypes.c_char_p]),
}


class Outcome(enum.IntEnum):
    """What the functions of the harness answer."""

    FINISHED = 0
    LIMIT = 1
    VIOLATION = 2
    NO_ANSWER = 3
    BUS_ERROR = 4


@functools.cache
def load_library(path: Path) -> ctypes.CDLL:
    """The model's functions with their types; calls let go of Python's global lock."""
    library = ctypes.CDLL(str(path))
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
