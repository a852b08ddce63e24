"""Everything that can go wrong in the host, by name."""

from __future__ import annotations

from ..hw.isa import ErrorCode

__all__ = [
    "ConfigMismatchError",
    "CycleLimitError",
    "DeviceError",
    "DtypeError",
    "LutraError",
    "OutOfDeviceMemoryError",
    "RangeError",
    "ShapeError",
    "TransportError",
    "UnsupportedFormatError",
]


class LutraError(Exception):
    """Base of every error that the host raises on purpose."""


class DtypeError(LutraError, TypeError):
    """An array has a data type that cannot mean what is asked for."""


class ShapeError(LutraError, ValueError):
    """An array has a shape that does not fit, or an empty one."""


class RangeError(LutraError, ValueError):
    """A value lies outside the range that its format or the device can represent."""


class UnsupportedFormatError(LutraError, ValueError):
    """Weights in a format that this configuration was not built for."""


class ConfigMismatchError(LutraError):
    """The device is not the one that the host's configuration describes."""


class TransportError(LutraError):
    """The link to the device failed, or an access lies outside its memory."""


class OutOfDeviceMemoryError(LutraError, MemoryError):
    """The device's memory cannot hold another image."""


class CycleLimitError(LutraError, TimeoutError):
    """A program did not end within the limit it was given."""


class DeviceError(LutraError):
    """A program stopped with an error.

    Parameters
    ----------
    code : int
        Value of the ERROR_CODE register.
    address : int
        Value of the ERROR_ADDRESS registers; what it points at depends on the code.

    Attributes
    ----------
    code : ErrorCode or int
        The error code, by name where it has one.
    address : int
    """

    def __init__(self, code: int, address: int) -> None:
        names = {int(known): known for known in ErrorCode}
        self.code: ErrorCode | int = names.get(code, code)
        self.address = address
        name = names[code].name if code in names else f"error {code}"
        super().__init__(f"the device stopped with {name} at {address:#x}")

    def __reduce__(self) -> tuple[type, tuple[int, int]]:
        return type(self), (int(self.code), self.address)
