"""A compiled model: what runs on the device, what runs on the host, and what goes where."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ...hw.config import Config
from ..chained_products import Requantisation
from ..device_image import DeviceImage

__all__ = [
    "ChainRun",
    "CompiledModel",
    "DeviceRun",
    "HostRun",
    "MatrixPart",
    "Output",
    "TensorType",
]


@dataclass(frozen=True, kw_only=True)
class TensorType:
    """Name, NumPy type and shape of an input or output; None where an extent is free."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class HostRun:
    """A part of the graph in onnxruntime.

    Attributes
    ----------
    model : bytes
        A serialised ONNX model.
    inputs, outputs : tuple of str
        Tensors of the whole graph.
    """

    model: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Output:
    """Outputs ``[first, last)`` of a matrix, as a tensor of the graph.

    Attributes
    ----------
    name : str
    first, last : int
    bias : str or None
        Tensor to be added.
    dtype : str
        NumPy's name of its type.
    """

    name: str
    first: int
    last: int
    bias: str | None = None
    dtype: str = "float32"


@dataclass(frozen=True, eq=False, kw_only=True)
class MatrixPart:
    """A matrix on the device as a term of a product, as `lutra.host.formats.composite.Part`.

    Attributes
    ----------
    matrix : int
        Which one of the image.
    exponent : int
    columns, rows : ndarray of int64, or None
        Input of each of its columns (-1: a zero), and output of each of its rows.
    sums : ndarray of int64
        ``sum_k w[n, k]``, for zero points of activations.
    scales : ndarray of float32, or None
        Of its rows; None for 1.
    """

    matrix: int
    exponent: int
    columns: np.ndarray | None
    rows: np.ndarray | None
    sums: np.ndarray
    scales: np.ndarray | None


@dataclass(frozen=True, eq=False, kw_only=True)
class DeviceRun:
    """One product on the device, a sum of parts.

    Attributes
    ----------
    source : str
        Tensor with the activations.
    outputs : tuple of Output
    parts : tuple of MatrixPart
    activations : str
        Format that real activations are brought to, row by row, or ``"integer"``: they are
        integers already, and ``y = scale (x - zero_point) @ W.T``.
    scale, zero_point : str or None
        Tensors with one number each.
    exact : bool
        The result stays an integer.
    """

    source: str
    outputs: tuple[Output, ...]
    parts: tuple[MatrixPart, ...]
    activations: str
    scale: str | None
    zero_point: str | None
    exact: bool

    @property
    def inputs(self) -> tuple[str, ...]:
        """Tensors of the whole graph that it takes."""
        biases = [output.bias for output in self.outputs]
        names = [self.source, self.scale, self.zero_point, *biases]
        return tuple(name for name in names if name is not None)


@dataclass(frozen=True, eq=False, kw_only=True)
class ChainRun:
    """Products behind one another that stay on the device: `lutra.host.chained_products`.

    Attributes
    ----------
    runs : tuple of DeviceRun
    links : tuple of Requantisation
        From each to the next.
    """

    runs: tuple[DeviceRun, ...]
    links: tuple[Requantisation, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class CompiledModel:
    """A model for devices of one configuration.

    Attributes
    ----------
    name : str
    inputs, outputs : tuple of TensorType
    steps : tuple of HostRun, DeviceRun or ChainRun
        In the order in which they run.
    constants : dict of str to ndarray
        Tensors that device steps take by name and nobody computes.
    image : DeviceImage
        Packed weights and programs.
    notes : dict of str to str
        How each matrix came about, for people.
    """

    name: str
    inputs: tuple[TensorType, ...]
    outputs: tuple[TensorType, ...]
    steps: tuple[HostRun | DeviceRun | ChainRun, ...]
    constants: dict[str, np.ndarray]
    image: DeviceImage
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def config(self) -> Config:
        """What the device has to be generated from."""
        return self.image.matrices[0].layout.config
