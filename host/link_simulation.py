"""A whole board as compiled RTL, with its serial line: the other end of a cable, in software."""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path

from .. import boards, gen, hw
from ..boards.link.baud import baud_divisor
from ..boards.memory.kinds import Memory, OnChip
from ..boards.system import System
from ..boards.verilog import system_verilog
from ..gen.config_names import canonical_toml, load_config
from ..hw.config import Config
from ..sim.compile_cache import Build, cached_build
from ..sim.verilog_cache import cached_verilog

__all__ = ["SimulatedBoard"]

#: Clock cycles and bytes of one `exchange` at most, so that replies flow while others are made.
_SLICE, _ROOM = 50_000, 256

_HANDLE, _U32, _U64 = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint64
_FUNCTIONS = {
    "board_create": (_HANDLE, [_U32]),
    "board_destroy": (None, [_HANDLE]),
    "board_cycles": (_U64, [_HANDLE]),
    "board_framing_errors": (_U64, [_HANDLE]),
    "board_send": (None, [_HANDLE, ctypes.c_char_p, _U32]),
    "board_run": (_U32, [_HANDLE, _U64, _U64, ctypes.c_char_p, _U32]),
}


class SimulatedBoard:
    """`lutra.boards.system.System`, compiled; a `ByteDevice` for a `PtyServer`.

    The clock stands still while both lines are idle for `quiet` cycles, so that waiting costs
    nothing; each request of the host makes it go on.

    Parameters
    ----------
    config : str, Path or Config
    memory : Memory, optional
        64 KiB of block RAM by default.
    divisor : int
        Clock cycles of one bit. Real boards have 12 to 100; small numbers simulate faster.
    quiet : int

    Raises
    ------
    ConfigError
        The configuration does not exist or cannot be built.
    ToolMissingError, ToolError
        There is no C++ compiler, or a tool failed.
    """

    def __init__(
        self,
        config: str | Path | Config = "tiny",
        *,
        memory: Memory | None = None,
        divisor: int = 8,
        quiet: int = 2000,
    ) -> None:
        self._handle: int | None = None
        self.config = load_config(config)
        memory = memory or OnChip(1 << 16)
        self._library = _library(_model(self.config, memory, divisor))
        self._quiet = quiet
        self._handle = self._library.board_create(divisor)
        self._bytes = ctypes.create_string_buffer(_ROOM)

    def exchange(self, received: bytes) -> tuple[bytes, bool]:
        """Send bytes to the board and run it for a while; bytes that came, and whether more will.

        Raises
        ------
        RuntimeError
            The board sent a byte without a stop bit, or the simulation is closed.
        """
        if self._handle is None:
            raise RuntimeError("the simulation is closed")
        lib = self._library
        lib.board_send(self._handle, received, len(received))
        before = self.cycles
        count = lib.board_run(self._handle, _SLICE, self._quiet, self._bytes, _ROOM)
        if lib.board_framing_errors(self._handle):
            raise RuntimeError("the board sent a byte without a stop bit")
        busy = count == _ROOM or self.cycles - before == _SLICE
        return self._bytes.raw[:count], busy

    @property
    def cycles(self) -> int:
        """Clock cycles simulated so far."""
        return self._library.board_cycles(self._handle)

    def close(self) -> None:
        """Free the simulation. Closing twice does nothing."""
        if self._handle is not None:
            self._library.board_destroy(self._handle)
            self._handle = None

    def __del__(self) -> None:
        self.close()


def _model(config: Config, memory: Memory, divisor: int) -> Path:
    harness = next(iter(boards.__path__))
    sources = {
        "lutra.v": _verilog(config, memory, divisor),
        "board.cpp": (Path(harness) / "harness" / "board.cpp").read_text(encoding="utf-8"),
    }
    build = Build(
        target="board.so",
        sources=sources,
        units=["board.cpp"],
        verilator_flags=["--prefix", "Vboard"],
        compiler_flags=["-O2", "-fPIC"],
        linker_flags=["-shared"],
    )
    return cached_build(build, what=f"a board with {config.name}")


def _verilog(config: Config, memory: Memory, divisor: int) -> str:
    """The text, from the cache where nothing that it depends on has changed."""
    clock_hz = 1_000_000 * divisor

    def elaborate() -> str:
        assert baud_divisor(clock_hz, 1_000_000) == divisor
        return system_verilog(System(config, memory=memory, clock_hz=clock_hz, baud=1_000_000))

    parts = [canonical_toml(config), repr(memory), str(divisor)]
    return cached_verilog(parts, [hw, gen, boards], elaborate)


@functools.cache
def _library(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
