"""The driver: products of any size on a device behind a `Transport`."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from ..gen.config_names import config_hash, load_config
from ..hw.config import Config
from ..hw.isa import ISA_VERSION
from ..hw.registers import COUNTERS, MAGIC, Control, Register, Status
from .device_memory import DeviceMemory
from .errors import (
    ConfigMismatchError,
    CycleLimitError,
    DeviceError,
    DtypeError,
    LutraError,
    OutOfDeviceMemoryError,
    RangeError,
    ShapeError,
)
from .loaded_matrix import LoadedMatrix, StoredProgram
from .matrix_layout import MatrixLayout
from .packing import pack_activations, unpack_outputs
from .quantized_matrix import QuantizedMatrix
from .schedule import Addresses, build_program
from .transport import Transport

__all__ = ["Accelerator"]

#: Rows of one program at most; larger products run as several.
_BATCH_ROWS = 1024
#: Cycles that a reset may take: every burst under way ends.
_RESET_CYCLES = 1_000_000


class Accelerator:
    """A device of one configuration, its memory, and products on it.

    Usually made by `open`; the constructor takes any `Transport`.

    Parameters
    ----------
    transport : Transport
        Closed with the accelerator.
    config : str, Path or Config
        What the device was generated from.
    cycle_limit : int, optional
        Cycles after which a program is given up; None allows a generous number for its size.

    Raises
    ------
    ConfigMismatchError
        The device is none of ours, or was generated from something else.

    Examples
    --------
    >>> weights = QuantizedMatrix.from_codes(np.full((3, 5), 3, np.uint8), 2)
    >>> with Accelerator.open("golden", config="tiny") as device:
    ...     device.matmul(np.ones((1, 5), np.int8), device.load(weights))
    array([[5, 5, 5]], dtype=int32)
    """

    def __init__(
        self,
        transport: Transport,
        *,
        config: str | Path | Config = "w2a8",
        cycle_limit: int | None = None,
    ) -> None:
        self._transport = transport
        self._config = load_config(config)
        self._cycle_limit = cycle_limit
        self._check_device()
        size = min(transport.memory_size, 1 << self._config.addr_bits)
        self._memory = DeviceMemory(size)
        self._scratch: dict[str, tuple[int, int]] = {}
        self._loaded: weakref.WeakSet[LoadedMatrix] = weakref.WeakSet()
        self._armed: StoredProgram | None = None
        self._counters: dict[str, int] | None = dict.fromkeys(COUNTERS, 0)
        self._earlier = dict.fromkeys(COUNTERS, 0)

    @classmethod
    def open(
        cls,
        device: str = "sim",
        *,
        config: str | Path | Config = "w2a8",
        cycle_limit: int | None = None,
        **options: Any,
    ) -> Accelerator:
        """Open a device by name.

        Parameters
        ----------
        device : {"sim", "golden"}
            ``"sim"`` is the generated hardware, compiled with Verilator; ``"golden"`` executes the
            same programs with NumPy.
        config : str, Path or Config
            Preset, parsed name, TOML file or configuration.
        cycle_limit : int, optional
            As in the class.
        **options
            For the device: see `lutra.sim.verilator_device.VerilatorDevice` and
            `lutra.sim.functional.FunctionalDevice`.

        Raises
        ------
        LutraError
            There is no device of that name.
        """
        kind = device.partition(":")[0]
        if kind not in _OPENERS:
            raise LutraError(f"device must be one of {sorted(_OPENERS)}, not {device!r}")
        resolved = load_config(config)
        transport = _OPENERS[kind](resolved, **options)
        try:
            return cls(transport, config=resolved, cycle_limit=cycle_limit)
        except BaseException:
            transport.close()
            raise

    @property
    def config(self) -> Config:
        """The configuration of the device."""
        return self._config

    @property
    def transport(self) -> Transport:
        """The link to the device."""
        return self._transport

    @property
    def memory(self) -> DeviceMemory:
        """Who has what of the device's memory."""
        return self._memory

    def load(self, weights: QuantizedMatrix) -> LoadedMatrix:
        """Pack weights and send them to the device, once for many products.

        Raises
        ------
        UnsupportedFormatError
            The configuration was not built for these weights.
        OutOfDeviceMemoryError
            They do not fit the device's memory.
        """
        if not isinstance(weights, QuantizedMatrix):
            raise DtypeError(
                f"weights must be a QuantizedMatrix, not {type(weights).__name__}; "
                "lutra.host.quantize makes one from float weights"
            )
        layout = MatrixLayout.of(weights, self._config)
        loaded = LoadedMatrix(weights, layout, transport=self._transport, memory=self._memory)
        self._loaded.add(loaded)
        return loaded

    def matmul(
        self, x: np.ndarray, weights: LoadedMatrix, *, act_bits: int | None = None
    ) -> np.ndarray:
        """``Y[M, N] = X[M, K] @ W[N, K].T``, exact.

        Parameters
        ----------
        x : ndarray of integers, shape ``[M, K]``
            In the signed range of `act_bits`; any integer type.
        weights : LoadedMatrix
        act_bits : int, optional
            Activation planes that a bit-serial device runs, at a cost of one pass each;
            by default all that it has.

        Returns
        -------
        ndarray, shape ``[M, N]``
            int32, or int64 where products of these weights could leave int32; float32 where the
            weights have row scales.

        Raises
        ------
        DtypeError, ShapeError, RangeError
            `x` is not integer, does not fit the weights, or leaves the range.
        DeviceError, CycleLimitError
            The program stopped or did not end; the device was reset and can be used.
        """
        if not isinstance(weights, LoadedMatrix) or weights not in self._loaded:
            raise LutraError("weights must come from load() of this accelerator")
        weights.check_usable()
        bits = self._act_bits(act_bits)
        self._check_activations(x, weights, bits)
        planes = bits if self._config.pe == "bitserial" else 1
        self._earlier = dict.fromkeys(COUNTERS, 0)
        self._counters = dict.fromkeys(COUNTERS, 0)
        if len(x) <= _BATCH_ROWS:
            return self._scaled(self._multiply(x, weights, planes), weights)
        pieces = []
        for first in range(0, len(x), _BATCH_ROWS):
            self._earlier = self.counters
            pieces.append(self._multiply(x[first : first + _BATCH_ROWS], weights, planes))
        return self._scaled(np.concatenate(pieces), weights)

    @property
    def counters(self) -> dict[str, int]:
        """Cycles, busy cycles, stalls and bytes of the last product, by their names."""
        if self._counters is None:
            read = self._transport.read_register
            self._counters = {
                name: read(register) + self._earlier[name] for name, register in COUNTERS.items()
            }
        return dict(self._counters)

    def run(self, program: np.ndarray) -> None:
        """Run a program given as uint64 ``[instructions, 2]`` (for tests and tools).

        Raises
        ------
        DeviceError, CycleLimitError
        """
        stored = self._send_program(program)
        try:
            self._earlier = dict.fromkeys(COUNTERS, 0)
            self._start(stored, 1_000_000 + 1_000_000 * len(program))
        finally:
            self._memory.free(stored.address)
            self._armed = None

    def reset(self) -> None:
        """Stop whatever runs and bring the engines back to rest."""
        self._transport.write_register(Register.CONTROL, Control.RESET)
        if not self._transport.wait(_RESET_CYCLES):
            raise CycleLimitError(f"the device did not come to rest in {_RESET_CYCLES} cycles")

    def close(self) -> None:
        """Let go of the device. Closing twice does nothing."""
        self._transport.close()

    def __enter__(self) -> Accelerator:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -- checks ----------------------------------------------------------------------------------

    def _check_device(self) -> None:
        read = self._transport.read_register
        magic = read(Register.MAGIC)
        if magic != MAGIC:
            raise ConfigMismatchError(f"no Lutra device answers: magic is {magic:#010x}")
        version = read(Register.ISA_VERSION)
        if version != ISA_VERSION:
            raise ConfigMismatchError(
                f"the device has instruction set {version}, this host {ISA_VERSION}"
            )
        found = read(Register.CONFIG_HASH_LO) | read(Register.CONFIG_HASH_HI) << 32
        wanted = int(config_hash(self._config)[:16], 16)
        if found != wanted:
            raise ConfigMismatchError(
                f"the device was generated from configuration {found:016x}, not from "
                f"{self._config.name!r} ({wanted:016x})"
            )

    def _act_bits(self, act_bits: int | None) -> int:
        most = self._config.act_bits
        if act_bits is None:
            return most
        if not isinstance(act_bits, int) or isinstance(act_bits, bool):
            raise DtypeError(f"act_bits must be an int, not {act_bits!r}")
        if not 1 <= act_bits <= most:
            raise RangeError(f"act_bits must be from 1 to {most}, not {act_bits}")
        return act_bits

    def _check_activations(self, x: np.ndarray, weights: LoadedMatrix, bits: int) -> None:
        if not isinstance(x, np.ndarray) or not np.issubdtype(x.dtype, np.integer):
            found = x.dtype if isinstance(x, np.ndarray) else type(x).__name__
            raise DtypeError(
                f"x must be an integer array, not {found}; quantise activations first, for example "
                f"by scale = abs(x).max() / {(1 << bits - 1) - 1} and x = rint(x / scale)"
            )
        if x.ndim != 2 or x.shape[1] != weights.shape[1] or x.shape[0] == 0:
            raise ShapeError(
                f"x must have shape [M, {weights.shape[1]}], M at least 1, not {x.shape}"
            )
        low, high = -(1 << bits - 1), (1 << bits - 1) - 1
        limits = np.iinfo(x.dtype)
        if limits.min < low and int(x.min()) < low:
            raise RangeError(f"x must be from {low} to {high} ({bits} bits), not {int(x.min())}")
        if limits.max > high and int(x.max()) > high:
            raise RangeError(f"x must be from {low} to {high} ({bits} bits), not {int(x.max())}")

    # -- one program -----------------------------------------------------------------------------

    def _multiply(self, x: np.ndarray, weights: LoadedMatrix, act_planes: int) -> np.ndarray:
        layout = weights.layout
        row_blocks = -(-len(x) // self._config.rows)
        program = self._program(weights, row_blocks, act_planes)
        self._transport.write_memory(self._scratch["acts"][0], pack_activations(x, layout))
        words = layout.k_blocks * layout.n_blocks * len(layout.planes) * row_blocks
        outputs = layout.output_bytes(row_blocks)
        # A memory of one byte a cycle, and every pass of a bit-serial element, and then some.
        self._start(program, 1_000_000 + words * (self._config.axi_bits + 64) + 16 * outputs)
        image = self._transport.read_memory(self._scratch["outputs"][0], outputs)
        return unpack_outputs(image, layout, len(x))

    @staticmethod
    def _scaled(y: np.ndarray, weights: LoadedMatrix) -> np.ndarray:
        return y if weights.row_scales is None else y.astype(np.float32) * weights.row_scales

    def _program(self, weights: LoadedMatrix, row_blocks: int, act_planes: int) -> StoredProgram:
        """The program of a product, built and sent when it is first needed."""
        layout = weights.layout
        self._reserve("acts", layout.act_bytes(row_blocks))
        self._reserve("outputs", layout.output_bytes(row_blocks))
        key = row_blocks, act_planes
        stored = weights.programs.get(key)
        if stored is None:
            addresses = Addresses(
                weights=weights.weights,
                groups=weights.groups,
                activations=self._scratch["acts"][0],
                outputs=self._scratch["outputs"][0],
            )
            program = build_program(layout, row_blocks, addresses, act_planes=act_planes)
            stored = weights.programs[key] = self._send_program(program)
        return stored

    def _send_program(self, program: np.ndarray) -> StoredProgram:
        try:
            address = self._memory.allocate(program.nbytes)
        except OutOfDeviceMemoryError:
            self._forget_programs()
            address = self._memory.allocate(program.nbytes)
        self._transport.write_memory(address, program)
        return StoredProgram(address, len(program))

    def _reserve(self, name: str, size: int) -> None:
        """Make a scratch area hold `size` bytes; programs that name the old one are forgotten."""
        address, have = self._scratch.get(name, (0, 0))
        if size <= have:
            return
        self._forget_programs()
        if have:
            self._memory.free(address)
            del self._scratch[name]
        room = max(size, min(2 * have, self._memory.available // 4))
        try:
            self._scratch[name] = self._memory.allocate(room), room
        except OutOfDeviceMemoryError:
            self._scratch[name] = self._memory.allocate(size), size

    def _forget_programs(self) -> None:
        for weights in self._loaded:
            for program in weights.programs.values():
                self._memory.free(program.address)
            weights.programs.clear()
        self._armed = None

    def _start(self, program: StoredProgram, limit: int) -> None:
        """Ring the doorbell and wait; the device is usable again whatever happens."""
        transport = self._transport
        if program != self._armed:
            self._armed = None
            transport.write_register(Register.PROGRAM_LO, program.address & 0xFFFFFFFF)
            transport.write_register(Register.PROGRAM_HI, program.address >> 32)
            transport.write_register(Register.PROGRAM_LENGTH, program.length)
            self._armed = program
        self._counters = None
        transport.write_register(Register.CONTROL, Control.START)
        limit = limit if self._cycle_limit is None else self._cycle_limit
        if not transport.wait(limit):
            self.reset()
            raise CycleLimitError(f"the program did not end within {limit} cycles")
        if not transport.read_register(Register.STATUS) & Status.DONE:
            code = transport.read_register(Register.ERROR_CODE)
            address = transport.read_register(Register.ERROR_ADDRESS_LO)
            address |= transport.read_register(Register.ERROR_ADDRESS_HI) << 32
            self.reset()
            raise DeviceError(code, address)


def _open_sim(config: Config, **options: Any) -> Transport:
    from ..sim.verilator_device import VerilatorDevice

    return VerilatorDevice(config, **options)


def _open_golden(config: Config, **options: Any) -> Transport:
    from ..sim.functional import FunctionalDevice

    return FunctionalDevice(config, **options)


_OPENERS: dict[str, Callable[..., Transport]] = {"sim": _open_sim, "golden": _open_golden}
