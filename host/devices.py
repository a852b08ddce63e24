"""Devices by name: what `Accelerator.open` can open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..hw.config import Config
from .errors import LutraError
from .transport import Transport

__all__ = ["device_names", "open_transport"]


def device_names() -> list[str]:
    """Kinds of devices, sorted."""
    return sorted(_OPENERS)


def open_transport(device: str, config: Config, **options: Any) -> Transport:
    """Open ``"<kind>"`` or ``"<kind>:<where>"``; `options` go to the device.

    Raises
    ------
    LutraError
        There is no device of that name.
    """
    kind, _, where = device.partition(":")
    if kind not in _OPENERS:
        raise LutraError(f"device must be one of {device_names()}, not {device!r}")
    return _OPENERS[kind](where, config, **options)


def _open_sim(_where: str, config: Config, **options: Any) -> Transport:
    from ..sim.verilator_device import VerilatorDevice  # loads the compiled model's tools

    return VerilatorDevice(config, **options)


def _open_golden(_where: str, config: Config, **options: Any) -> Transport:
    from ..sim.functional import FunctionalDevice

    return FunctionalDevice(config, **options)


def _open_serial(where: str, _config: Config, **options: Any) -> Transport:
    from .serial_transport import SerialTransport

    return SerialTransport(where, **options)


def _open_board(_where: str, config: Config, **options: Any) -> Transport:
    from .link_board import SimulatedBoardTransport

    return SimulatedBoardTransport(config, **options)


_OPENERS: dict[str, Callable[..., Transport]] = {
    "board": _open_board,
    "golden": _open_golden,
    "serial": _open_serial,
    "sim": _open_sim,
}
