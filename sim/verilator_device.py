"""The simulated device: a compiled model with memory and control port, as a `Transport`."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np

from ..gen.config_names import load_config
from ..hw.config import Config
from ..hw.registers import Register, Status
from .build_model import build_model
from .closing import Closing
from .errors import AccessError, BusProtocolError, SimulationError
from .memory_timing import MemoryTiming
from .model_library import Outcome, load_library

__all__ = ["VerilatorDevice"]


class VerilatorDevice(Closing):
    """Cycle-accurate simulation of one accelerator with its memory.

    The clock runs only inside of `wait` and of register accesses, which are real AXI4-Lite
    transactions. Memory is ordinary memory of this process; pages never touched cost nothing.

    Parameters
    ----------
    config : str, Path or Config
        Anything that `lutra.gen.config_names.load_config` takes; compiled at its first use.
    memory_bytes : int
        Size of the memory, from address 0. Accesses beyond are answered with DECERR.
    latency : int
        Cycles from a read address to its first beat, and from the last beat of a write to its
        response; at least 1.
    bytes_per_cycle : int
        Bandwidth that reads and writes share; 0 is one beat a cycle in each direction.
    trace : str or Path, optional
        File for a waveform (VCD) of every signal; uses a separate, slower model.

    Attributes
    ----------
    timing : MemoryTiming
        Of the memory, as the cycle model has it.

    Raises
    ------
    ConfigError
        The configuration does not exist or cannot be built.
    SimulationError
        The system does not give that much address space, or the waveform cannot be written.
    """

    def __init__(
        self,
        config: str | Path | Config = "w2a8",
        *,
        memory_bytes: int | None = None,
        latency: int = 32,
        bytes_per_cycle: int = 0,
        trace: str | Path | None = None,
    ) -> None:
        self._handle: int | None = None
        self.config = load_config(config)
        if memory_bytes is None:
            memory_bytes = min(1 << 28, 1 << self.config.addr_bits)
        if not 4096 <= memory_bytes <= 1 << self.config.addr_bits:
            raise ValueError(
                f"memory_bytes must be from 4096 to 2**{self.config.addr_bits}, "
                f"what addr_bits reach, not {memory_bytes}"
            )
        self._library = load_library(build_model(self.config, trace=trace is not None))
        self._handle = self._library.lutra_create(memory_bytes)
        if not self._handle:
            raise SimulationError(f"the system gave no address space for {memory_bytes} bytes")
        self._bytes = memory_bytes
        self.set_timing(latency=latency, bytes_per_cycle=bytes_per_cycle)
        pointer = self._library.lutra_memory(self._handle)
        self._memory = np.ctypeslib.as_array(
            ctypes.cast(pointer, ctypes.POINTER(ctypes.c_uint8)), (memory_bytes,)
        )
        if trace is not None and not self._library.lutra_trace(self._handle, str(trace).encode()):
            raise SimulationError(f"the waveform {str(trace)!r} cannot be written")

    # -- the transport -----------------------------------------------------------------------

    @property
    def memory_size(self) -> int:
        """Bytes of memory, from address 0."""
        return self._bytes

    def read_register(self, offset: int) -> int:
        """Value of the 32-bit register at byte `offset`."""
        value = ctypes.c_uint32()
        outcome = self._library.lutra_read_register(self._open(), offset, ctypes.byref(value))
        self._check(outcome, f"read of register {offset:#x}")
        return value.value

    def write_register(self, offset: int, value: int) -> None:
        """Write the 32-bit register at byte `offset`."""
        outcome = self._library.lutra_write_register(self._open(), offset, value)
        self._check(outcome, f"write of register {offset:#x}")

    def read_memory(self, address: int, size: int) -> np.ndarray:
        """`size` bytes from `address` on, as a uint8 array that the caller owns."""
        return self._window(address, size).copy()

    def write_memory(self, address: int, data: np.ndarray | bytes) -> None:
        """Write the bytes of `data` (a C-contiguous array of any type) from `address` on."""
        raw = np.ascontiguousarray(
            np.frombuffer(data, np.uint8) if isinstance(data, (bytes, bytearray)) else data
        )
        raw = raw.reshape(-1).view(np.uint8)
        self._window(address, raw.size)[:] = raw

    def wait(self, limit: int | None = None) -> bool:
        """Run until the device is not busy; False where `limit` cycles passed before.

        Without `limit`, there is none.

        Raises
        ------
        BusProtocolError
            The core broke a rule of the bus.
        """
        remaining = (1 << 62) if limit is None else limit
        # The interrupt line ends a step at once. What ends without one (a reset) is short, and
        # found by looking at STATUS between steps that start small.
        step = 512
        while self.read_register(Register.STATUS) & Status.BUSY:
            if remaining <= 0:
                return False
            now = min(step, remaining)
            outcome = self._library.lutra_run(self._open(), now)
            if outcome == Outcome.VIOLATION:
                self._check(outcome, "run")
            remaining -= now
            step = min(2 * step, 1 << 30)
        return True

    def close(self) -> None:
        """Free the simulation and its memory. Closing twice does nothing."""
        if self._handle is not None:
            del self._memory
            self._library.lutra_destroy(self._handle)
            self._handle = None

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None:
            self.close()

    # -- what only a simulation has ------------------------------------------------------------

    @property
    def cycles(self) -> int:
        """Clock cycles simulated so far."""
        return self._library.lutra_cycles(self._open())

    def set_timing(self, *, latency: int, bytes_per_cycle: int = 0) -> None:
        """Memory timing from now on; parameters as of the class."""
        if latency < 0 or bytes_per_cycle < 0:
            raise ValueError("latency and bytes_per_cycle must be at least 0, not negative")
        self._library.lutra_set_timing(self._open(), latency, bytes_per_cycle)
        self.timing = MemoryTiming(latency=max(1, latency), bytes_per_cycle=bytes_per_cycle)

    def set_stalls(self, share: float, *, seed: int = 1) -> None:
        """Let each bus channel stand still in about this share (0 to 0.99) of all cycles."""
        if not 0 <= share <= 0.99:
            raise ValueError(f"share must be from 0 to 0.99, not {share!r}")
        self._library.lutra_set_stalls(self._open(), round(share * 256), seed)

    def set_fault(self, begin: int = 0, end: int = 0) -> None:
        """Answer accesses that touch addresses [begin, end) with SLVERR; (0, 0) ends that."""
        self._library.lutra_set_fault(self._open(), begin, end)

    def bare(self, cycles: int) -> float:
        """Seconds that bare clock cycles take: no bus, no checks, only the model's evaluation.

        The yardstick for `sim.fraction_of_bare`. Start a program first that keeps the array busy
        out of the on-chip buffers for that long: the memory port gets no answers meanwhile.
        """
        return self._library.lutra_bare(self._open(), cycles)

    # ------------------------------------------------------------------------------------------

    def _open(self) -> int:
        if self._handle is None:
            raise SimulationError("the device is closed")
        return self._handle

    def _window(self, address: int, size: int) -> np.ndarray:
        self._open()
        if address < 0 or size < 0 or address + size > self._bytes:
            raise AccessError(
                f"access to [{address:#x}, {address + size:#x}) must lie in memory of "
                f"{self._bytes:#x} bytes"
            )
        return self._memory[address : address + size]

    def _check(self, outcome: int, what: str) -> None:
        if outcome == Outcome.FINISHED:
            return
        violation = self._library.lutra_violation(self._open()).decode()
        if violation:
            raise BusProtocolError(f"{what}: {violation}")
        reason = {Outcome.NO_ANSWER: "no answer", Outcome.BUS_ERROR: "answered with an error"}
        raise SimulationError(f"{what}: {reason.get(Outcome(outcome), Outcome(outcome).name)}")
