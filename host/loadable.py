"""What `Accelerator.load` takes besides plain matrices: weights that load themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

import numpy as np

from .errors import DtypeError, LutraError, UnsupportedFormatError

if TYPE_CHECKING:
    from .accelerator import Accelerator

__all__ = ["Loadable", "LoadedT", "LoadedWeights", "load_other", "multiply_loaded"]


@runtime_checkable
class LoadedWeights(Protocol):
    """Weights on a device that are more than one product, or a choice of products.

    `lutra.host.formats.composite.LoadedComposite` and `lutra.host.formats.adaptive.LoadedAdaptive`.
    """

    @property
    def shape(self) -> tuple[int, int]:
        """``(N, K)``: outputs and inputs."""
        ...

    @property
    def device(self) -> Accelerator:
        """Where they are."""
        ...

    @property
    def counters(self) -> dict[str, int]:
        """Counters of the last product, over all its parts."""
        ...

    def matmul(
        self, x: np.ndarray, *, act_bits: int | None = None, skip_zeros: bool = False
    ) -> np.ndarray:
        """``X[M, K] @ W[N, K].T``; arguments as of `Accelerator.matmul`."""
        ...

    def free(self) -> None:
        """Give the device's memory back. Freeing twice does nothing."""
        ...


_LoadedOut = TypeVar("_LoadedOut", bound=LoadedWeights, covariant=True)
LoadedT = TypeVar("LoadedT", bound=LoadedWeights)


@runtime_checkable
class Loadable(Protocol[_LoadedOut]):
    """Weights that `Accelerator.load` sends by calling their `load`.

    `lutra.host.formats.composite.CompositeMatrix` and `lutra.host.formats.adaptive.AdaptiveMatrix`.
    """

    def load(self, device: Accelerator) -> _LoadedOut:
        """Send them to a device."""
        ...


def load_other(device: Accelerator, weights: Loadable[LoadedT], image: object) -> LoadedT:
    """What `Accelerator.load` does with anything but a `QuantizedMatrix`.

    Raises
    ------
    DtypeError
        They are no weights, or an `image` was given.
    """
    if not isinstance(weights, Loadable) or image is not None:
        raise DtypeError(
            f"weights must be a QuantizedMatrix, not {type(weights).__name__}; "
            "lutra.host.quantize makes one from float weights"
        )
    return weights.load(device)


def multiply_loaded(
    device: Accelerator,
    weights: LoadedWeights,
    x: np.ndarray,
    act_bits: int | None,
    exponents: np.ndarray | None,
    skip_zeros: bool,
) -> np.ndarray:
    """What `Accelerator.matmul` does with anything but a `LoadedMatrix`.

    Raises
    ------
    LutraError
        The weights are on another device.
    UnsupportedFormatError
        There are exponents, whose K blocks are those of one product.
    """
    if weights.device is not device:
        raise LutraError("weights must come from load() of this accelerator")
    if exponents is not None:
        raise UnsupportedFormatError(f"exponents must be None for a {type(weights).__name__}")
    return weights.matmul(x, act_bits=act_bits, skip_zeros=skip_zeros)
