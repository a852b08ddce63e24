"""Several accelerators as one: parts of a matrix on each, multiplied at the same time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..hw.config import Config
from ..hw.registers import COUNTERS
from ..sim.closing import Closing
from ..sim.cycles import predict
from .accelerator import Accelerator
from .errors import LutraError, RangeError
from .loaded_matrix import LoadedMatrix
from .matrix_layout import MatrixLayout
from .quantized_matrix import QuantizedMatrix
from .schedule import Addresses, build_program
from .split import Part, SplitAxis, split_matrix

__all__ = ["Cluster", "SplitMatrix"]


@dataclass(frozen=True, eq=False, kw_only=True)
class SplitMatrix:
    """A matrix spread over a cluster; made by `Cluster.load`.

    Attributes
    ----------
    axis : {"outputs", "inputs"}
    parts : list of Part
        Part i is on accelerator i.
    loaded : list of LoadedMatrix
    row_scales : ndarray of float32, shape ``[N]``, or None
        Those that apply to the sum of the parts.
    dtype : type
        Of integer results, as one accelerator would give them.
    """

    axis: SplitAxis
    parts: list[Part]
    loaded: list[LoadedMatrix]
    row_scales: np.ndarray | None
    dtype: type[np.signedinteger]

    def free(self) -> None:
        """Give the devices' memory back. Freeing twice does nothing."""
        for matrix in self.loaded:
            matrix.free()


class Cluster(Closing):
    """Accelerators of one configuration that share the work of every product.

    Each accelerator has its own memory and a thread that drives it; simulations and serial links
    let go of Python's lock while they run, so that all work at the same time.

    Parameters
    ----------
    accelerators : sequence of Accelerator
        At least one, all of the same configuration. Closed with the cluster.

    Raises
    ------
    RangeError
        There is none, or they differ.

    Examples
    --------
    >>> weights = QuantizedMatrix.from_codes(np.full((40, 64), 3, np.uint8), 2)
    >>> with Cluster.open(2, device="golden", config="tiny") as cluster:
    ...     cluster.matmul(np.ones((1, 64), np.int8), cluster.load(weights)).shape
    (1, 40)
    """

    def __init__(self, accelerators: Sequence[Accelerator]) -> None:
        if not accelerators:
            raise RangeError("accelerators must be at least one, not none")
        if any(a.config != accelerators[0].config for a in accelerators):
            raise RangeError("accelerators must all be of one configuration")
        self.accelerators = list(accelerators)
        self._threads = ThreadPoolExecutor(len(accelerators), "accelerator")
        self._used: list[Accelerator] = []

    @classmethod
    def open(
        cls,
        count: int = 2,
        *,
        device: str | Sequence[str] = "sim",
        config: str | Path | Config = "w2a8",
        **options: Any,
    ) -> Cluster:
        """Open `count` devices of one kind, or the devices of the given names.

        Parameters
        ----------
        count : int
            Of no effect where `device` lists names.
        device, config, **options
            As of `Accelerator.open`.
        """
        names = [device] * count if isinstance(device, str) else list(device)
        opened: list[Accelerator] = []
        try:
            for name in names:
                opened.append(Accelerator.open(name, config=config, **options))
            return cls(opened)
        except BaseException:
            for accelerator in opened:
                accelerator.close()
            raise

    @property
    def config(self) -> Config:
        """The configuration that all have."""
        return self.accelerators[0].config

    def load(self, weights: QuantizedMatrix, *, axis: SplitAxis | None = None) -> SplitMatrix:
        """Split weights, and pack and send every part.

        Parameters
        ----------
        weights : QuantizedMatrix
        axis : {"outputs", "inputs"}, optional
            What is split. Outputs need every activation everywhere and no sums afterwards; inputs
            need each activation once, and the host adds the parts. By default whichever takes
            fewer cycles with one row by the cycle model, outputs where they are equal.

        Raises
        ------
        UnsupportedFormatError, OutOfDeviceMemoryError
        """
        if axis is None:
            cycles = {a: self._predicted(weights, a) for a in ("outputs", "inputs")}
            axis = "inputs" if cycles["inputs"] < cycles["outputs"] else "outputs"
        parts = split_matrix(weights, len(self.accelerators), self.config, axis=axis)
        pairs = list(zip(self.accelerators, parts, strict=False))
        loaded: list[LoadedMatrix] = []
        try:
            for accelerator, part in pairs:
                loaded.append(accelerator.load(part.weights))
        except BaseException:
            for matrix in loaded:
                matrix.free()
            raise
        return SplitMatrix(
            axis=axis,
            parts=parts,
            loaded=loaded,
            row_scales=weights.row_scales if axis == "inputs" else None,
            dtype=MatrixLayout.of(weights, self.config).result_dtype,
        )

    def matmul(
        self,
        x: np.ndarray,
        weights: SplitMatrix,
        *,
        act_bits: int | None = None,
        exponents: np.ndarray | None = None,
        skip_zeros: bool = False,
    ) -> np.ndarray:
        """``Y[M, N] = X[M, K] @ W[N, K].T``, exact: parameters and results of `Accelerator.matmul`.

        Raises
        ------
        LutraError
            The weights are none of this cluster.
        DtypeError, ShapeError, RangeError, DeviceError, CycleLimitError
            Of the first part that raised; all parts have ended by then.
        """
        if not isinstance(weights, SplitMatrix):
            raise LutraError("weights must come from load() of this cluster")
        options = {"act_bits": act_bits, "skip_zeros": skip_zeros}

        def task(device: Accelerator, part: Part, loaded: LoadedMatrix) -> Callable[[], np.ndarray]:
            if weights.axis == "outputs":
                return lambda: device.matmul(x, loaded, exponents=exponents, **options)
            shifts = exponents
            if shifts is not None:
                first = _k_blocks(part.inputs.start, loaded.layout)
                shifts = shifts[:, first : first + loaded.layout.k_blocks]
            piece = x[:, part.inputs]
            return lambda: device.matmul(piece, loaded, exponents=shifts, **options)

        whole = weights.parts[-1].inputs.stop
        if weights.axis == "inputs" and (not isinstance(x, np.ndarray) or x.shape[1:] != (whole,)):
            raise LutraError(f"x must have shape [M, {whole}], not {np.shape(x)}")
        self._used = self.accelerators[: len(weights.parts)]
        jobs = zip(self._used, weights.parts, weights.loaded, strict=True)
        futures = [self._threads.submit(task(*job)) for job in jobs]
        wait(futures)
        pieces = [future.result() for future in futures]
        if weights.axis == "outputs":
            y = np.concatenate(pieces, axis=1)
            return y if y.dtype == np.float32 else y.astype(weights.dtype, copy=False)
        y = np.stack(pieces).sum(0, dtype=np.int64).astype(weights.dtype)
        return y if weights.row_scales is None else y.astype(np.float32) * weights.row_scales

    @property
    def each(self) -> list[dict[str, int]]:
        """Counters of the last product, one for each accelerator that had a part of it."""
        return [accelerator.counters for accelerator in self._used]

    @property
    def counters(self) -> dict[str, int]:
        """Counters of the last product: cycles of the slowest accelerator, sums of all else."""
        total = dict.fromkeys(COUNTERS, 0)
        for counters in self.each:
            for name, count in counters.items():
                total[name] = max(total[name], count) if name == "cycles" else total[name] + count
        return total

    def close(self) -> None:
        """Let go of the devices. Closing twice does nothing."""
        self._threads.shutdown()
        for accelerator in self.accelerators:
            accelerator.close()

    def _predicted(self, weights: QuantizedMatrix, axis: SplitAxis) -> int:
        """Cycles of one row times the largest part."""
        parts = split_matrix(weights, len(self.accelerators), self.config, axis=axis)
        largest = max(parts, key=lambda part: part.weights.codes.size)
        layout = MatrixLayout.of(largest.weights, self.config)
        program = build_program(layout, 1, Addresses(weights=0, groups=0, activations=0, outputs=0))
        timing = getattr(self.accelerators[0].transport, "timing", None)
        return predict(self.config, program, timing)["cycles"]


def _k_blocks(inputs: int, layout: MatrixLayout) -> int:
    """K blocks of the first `inputs` inputs, which end with a group."""
    return inputs // layout.group_width * layout.group_blocks if layout.groups > 1 else (
        -(-inputs // layout.config.k_block)
    )  # fmt: skip
