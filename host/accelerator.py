"""The driver: products of any size on a device behind a `Transport`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, overload

import numpy as np

from ..gen.config_names import load_config
from ..hw.config import Config
from ..hw.registers import COUNTERS
from ..sim.closing import Closing
from .activations import check_act_bits, check_activations, check_exponents
from .device import Device
from .device_memory import DeviceMemory
from .devices import open_transport
from .errors import LutraError
from .loadable import Loadable, LoadedT, LoadedWeights, load_other, multiply_loaded
from .loaded_matrix import LoadedMatrix, ProgramKey, StoredProgram
from .matrix_layout import MatrixLayout
from .packing import pack_activations, unpack_outputs
from .program_store import ProgramStore
from .quantized_matrix import QuantizedMatrix
from .transport import Transport
from .zero_blocks import used_activations

__all__ = ["Accelerator"]

#: Rows of one program at most; larger products run as several.
_BATCH_ROWS = 1024


class Accelerator(Closing):
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
        self._device = Device(transport, load_config(config))
        self._cycle_limit = cycle_limit
        self._programs = ProgramStore(self._device)
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
        resolved = load_config(config)
        transport = open_transport(device, resolved, **options)
        try:
            return cls(transport, config=resolved, cycle_limit=cycle_limit)
        except BaseException:
            transport.close()
            raise

    @property
    def config(self) -> Config:
        """The configuration of the device."""
        return self._device.config

    @property
    def transport(self) -> Transport:
        """The link to the device."""
        return self._device.transport

    @property
    def memory(self) -> DeviceMemory:
        """Who has what of the device's memory."""
        return self._device.memory

    @property
    def programs(self) -> ProgramStore:
        """The programs in the device's memory, and the areas that they share."""
        return self._programs

    @overload
    def load(self, weights: Loadable[LoadedT]) -> LoadedT: ...

    @overload
    def load(self, weights: QuantizedMatrix, *, image: LoadedMatrix = ...) -> LoadedMatrix: ...

    def load(self, weights: Any, *, image: LoadedMatrix | None = None) -> Any:
        """Pack weights and send them to the device, once for many products.

        Parameters
        ----------
        weights : QuantizedMatrix, or anything `Loadable`, such as composite and adaptive matrices
        image : LoadedMatrix, optional
            A matrix on this device whose codes begin with those of `weights`: its weight image is
            used, and only group parameters are sent.

        Raises
        ------
        UnsupportedFormatError, ShapeError
            The configuration was not built for these weights, or `image` lies differently.
        OutOfDeviceMemoryError
            They do not fit the device's memory.
        """
        if not isinstance(weights, QuantizedMatrix):
            return load_other(self, weights, image)
        layout = MatrixLayout.of(weights, self.config)
        loaded = LoadedMatrix.send(
            weights, layout, transport=self.transport, memory=self.memory, image=image
        )
        self._programs.add(loaded)
        return loaded

    def prepare(self, weights: LoadedMatrix, rows: int, *, act_bits: int | None = None) -> None:
        """Build and send the program of `rows` activation rows, as the first product would.

        Raises
        ------
        LutraError, OutOfDeviceMemoryError
        """
        planes = self.act_planes(self.check_usable(weights, act_bits=act_bits))
        row_blocks = -(-min(rows, _BATCH_ROWS) // self.config.rows)
        self._programs.program(weights, ProgramKey(row_blocks, planes))

    def matmul(
        self,
        x: np.ndarray,
        weights: LoadedMatrix | LoadedWeights,
        *,
        act_bits: int | None = None,
        exponents: np.ndarray | None = None,
        skip_zeros: bool = False,
    ) -> np.ndarray:
        """``Y[M, N] = X[M, K] @ W[N, K].T``, exact.

        Parameters
        ----------
        x : ndarray of integers, shape ``[M, K]``
            In the signed range of `act_bits`; any integer type.
        weights : LoadedMatrix or LoadedWeights (which takes no `exponents`)
        act_bits : int, optional
            Activation planes that a bit-serial device runs, at a cost of one pass each;
            by default all that it has.
        exponents : ndarray of integers, shape ``[M, k_blocks]``, optional
            For devices with block-scaled activations: what the contribution of each row and K
            block (``weights.layout.k_blocks`` of them) is shifted left by.
        skip_zeros : bool
            Leave out K blocks in which all activations are 0, at the price of a program built for
            these activations. K blocks in which all weights are 0 are left out anyway.

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
        if not isinstance(weights, LoadedMatrix) and isinstance(weights, LoadedWeights):
            y = multiply_loaded(self, weights, x, act_bits, exponents, skip_zeros)
            self._counters = weights.counters
            return y
        bits = self.check_usable(weights, act_bits=act_bits)
        check_activations(x, weights.layout, bits)
        check_exponents(exponents, len(x), weights.layout)
        planes = self.act_planes(bits)
        self._earlier = dict.fromkeys(COUNTERS, 0)
        self._counters = dict.fromkeys(COUNTERS, 0)
        pieces = []
        for first in range(0, len(x), _BATCH_ROWS):
            if first:
                self._earlier = self.counters
            rows = slice(first, first + _BATCH_ROWS)
            shifts = None if exponents is None else exponents[rows]
            pieces.append(self._multiply(x[rows], weights, planes, shifts, skip_zeros))
        y = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        return y if weights.row_scales is None else y.astype(np.float32) * weights.row_scales

    @property
    def counters(self) -> dict[str, int]:
        """Cycles, busy cycles, stalls and bytes of the last product, by their names."""
        if self._counters is None:
            now = self._device.counters()
            self._counters = {name: count + self._earlier[name] for name, count in now.items()}
        return dict(self._counters)

    def run(self, program: np.ndarray) -> None:
        """Run a program given as uint64 ``[instructions, 2]`` (for tests and tools).

        Raises
        ------
        DeviceError, CycleLimitError
        """
        stored = self._programs.send(program)
        self._earlier, self._counters = dict.fromkeys(COUNTERS, 0), None
        try:
            self._device.run(stored, self._cycle_limit or 1_000_000 * len(program))
        finally:
            self.memory.free(stored.address)

    def run_stored(self, program: StoredProgram, layout: MatrixLayout, row_blocks: int) -> None:
        """Run a program of the store, within a limit that is generous for such a product.

        Raises
        ------
        DeviceError, CycleLimitError
        """
        limit = self._cycle_limit
        if limit is None:
            # A memory of one byte a cycle, and every pass of a bit-serial element, and then some.
            words = layout.k_blocks * layout.n_blocks * layout.planes * row_blocks
            outputs = layout.output_bytes(row_blocks)
            limit = 1_000_000 + words * (self.config.axi_bits + 64) + 16 * outputs
        self._counters = None
        self._device.run(program, limit)

    def check_usable(self, *weights: LoadedMatrix, act_bits: int | None = None) -> int:
        """Check that matrices are on this device; the width of activations meant by `act_bits`.

        Raises
        ------
        LutraError, RangeError, UnsupportedFormatError
        """
        for matrix in weights:
            if not isinstance(matrix, LoadedMatrix) or matrix not in self._programs:
                raise LutraError("weights must come from load() of this accelerator")
            matrix.check_usable()
        return check_act_bits(act_bits, self.config)

    def act_planes(self, bits: int) -> int:
        """Passes that activations of `bits` take: one each on a bit-serial element."""
        return bits if self.config.pe == "bitserial" else 1

    def reset(self) -> None:
        """Stop whatever runs and bring the engines back to rest."""
        self._device.reset()

    def close(self) -> None:
        """Let go of the device. Closing twice does nothing."""
        self.transport.close()

    # -- one program -----------------------------------------------------------------------------

    def _multiply(
        self,
        x: np.ndarray,
        weights: LoadedMatrix,
        act_planes: int,
        exponents: np.ndarray | None,
        skip_zeros: bool,
    ) -> np.ndarray:
        layout = weights.layout
        row_blocks = -(-len(x) // self.config.rows)
        used = used_activations(x, layout) if skip_zeros else None
        program = self._programs.program(weights, ProgramKey(row_blocks, act_planes), used)
        outputs = layout.output_bytes(row_blocks)
        acts = pack_activations(x, layout, exponents=exponents)
        self.transport.write_memory(self._programs.address("activations"), acts)
        try:
            self.run_stored(program, layout, row_blocks)
        finally:
            if used is not None:
                self.memory.free(program.address)
        image = self.transport.read_memory(self._programs.address("outputs"), outputs)
        return unpack_outputs(image, layout, len(x))
