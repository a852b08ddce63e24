"""Who has what of the device's memory: a first-fit allocator."""

from __future__ import annotations

import bisect

from .errors import OutOfDeviceMemoryError

__all__ = ["DeviceMemory"]


class DeviceMemory:
    """Hands out pieces of ``[0, size)``, lowest addresses first; freed neighbours are joined.

    Parameters
    ----------
    size : int
        Bytes of memory.
    alignment : int
        Of every piece, a power of two. The default is the 4 KiB that AXI bursts do not cross, so
        that images begin with whole bursts.

    Examples
    --------
    >>> memory = DeviceMemory(1 << 20)
    >>> a, b = memory.allocate(100), memory.allocate(100)
    >>> (a, b)
    (0, 4096)
    >>> memory.free(a)
    >>> memory.allocate(1)
    0
    """

    def __init__(self, size: int, *, alignment: int = 4096) -> None:
        if alignment < 1 or alignment & (alignment - 1):
            raise ValueError(f"Alignment must be a power of two, not {alignment!r}")
        self._alignment = alignment
        self._size = size // alignment * alignment
        self._holes: list[tuple[int, int]] = [(0, self._size)] if self._size else []
        self._pieces: dict[int, int] = {}

    @property
    def available(self) -> int:
        """Bytes not handed out (not necessarily in one piece)."""
        return sum(end - begin for begin, end in self._holes)

    @property
    def pieces(self) -> list[tuple[int, int]]:
        """Address and size of all that is handed out, by address."""
        return sorted((begin, end - begin) for begin, end in self._pieces.items())

    def allocate(self, size: int) -> int:
        """Address of a new piece of at least `size` bytes.

        Raises
        ------
        OutOfDeviceMemoryError
            No hole is large enough.
        """
        needed = max(1, -(-size // self._alignment)) * self._alignment
        for i, (begin, end) in enumerate(self._holes):
            if end - begin >= needed:
                rest = begin + needed
                self._holes[i : i + 1] = [(rest, end)] if rest < end else []
                self._pieces[begin] = rest
                return begin
        raise OutOfDeviceMemoryError(
            f"an image of {size} bytes does not fit the device's memory: {self.available} of "
            f"{self._size} bytes are free"
        )

    def free(self, address: int) -> None:
        """Take a piece back.

        Raises
        ------
        ValueError
            Nothing was handed out at `address`.
        """
        if address not in self._pieces:
            raise ValueError(f"nothing is allocated at {address:#x}")
        begin, end = address, self._pieces.pop(address)
        i = bisect.bisect(self._holes, (begin, end))
        if i < len(self._holes) and self._holes[i][0] == end:
            end = self._holes.pop(i)[1]
        if i and self._holes[i - 1][1] == begin:
            begin = self._holes.pop(i - 1)[0]
            i -= 1
        self._holes.insert(i, (begin, end))
