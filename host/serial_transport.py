"""A board on a serial port, as a `Transport`."""

from __future__ import annotations

import contextlib
import difflib
import time

import numpy as np
import serial
from serial.tools import list_ports

from ..boards.link.frame import LINK_IDENTITY, Command, LinkWord
from ..hw.registers import Register, Status
from ..sim.closing import Closing
from .errors import TransportError
from .link_client import LinkClient, LinkStatistics
from .link_errors import LinkLostError, NoAnswerError, PortError, WrongDeviceError

__all__ = ["SerialTransport"]

#: Longest pause between two looks at whether the device is busy, in seconds.
_LONGEST_PAUSE = 0.05

#: Seconds at the nominal clock that `wait` waits where it is given no limit.
_DEFAULT_WAIT = 600


class SerialTransport(Closing):
    """Registers and memory of a board through a serial port, by the protocol of `boards.link`.

    Frames that are damaged or lost on the way are repeated; each write happens exactly once. After
    an error the transport is of no more use, since what the board did is not known: close it and
    open it again.

    Parameters
    ----------
    port : str
        ``/dev/ttyUSB0``, ``COM3``, or any URL that pyserial understands.
    baud : int
        Bits a second; that of the board's gateware.
    timeout : float
        Seconds without any progress after which an access fails.
    reply_time : float
        Seconds of latency, of USB above all, after which a frame is repeated.

    Raises
    ------
    PortError
        There is no such port, or it is in use.
    NoAnswerError
        Nothing answers.
    WrongDeviceError
        Something else answers.
    """

    def __init__(
        self,
        port: str,
        *,
        baud: int = 1_000_000,
        timeout: float = 2.0,
        reply_time: float = 0.05,
    ) -> None:
        self._failed: str | None = None
        self._line = _SerialLine(port, baud, timeout)
        try:
            self._client = LinkClient(
                self._line, byte_time=10 / baud, reply_time=reply_time, patience=timeout
            )
            try:
                self._client.hello()
            except (NoAnswerError, WrongDeviceError) as error:
                raise type(error)(
                    f"{port} at {baud} baud: {error}; is the board configured, and is this its "
                    "port and its rate?"
                ) from None
            words = self._client.learn()
            if words[LinkWord.IDENTITY] != LINK_IDENTITY:
                raise WrongDeviceError(
                    f"{port}: the board's link is {words[LinkWord.IDENTITY]:#010x}, "
                    f"this host's {LINK_IDENTITY:#010x}"
                )
        except BaseException:
            self._line.close()
            raise
        self._memory_size = words[LinkWord.MEMORY_BYTES]
        self._clock_hz = words[LinkWord.CLOCK_HZ]

    @property
    def memory_size(self) -> int:
        """Bytes of memory, from address 0."""
        return self._memory_size

    @property
    def clock_hz(self) -> int:
        """Nominal clock of the board."""
        return self._clock_hz

    @property
    def statistics(self) -> LinkStatistics:
        """What happened on the line so far."""
        return self._client.statistics

    def read_register(self, offset: int) -> int:
        """Value of the 32-bit register at byte `offset`."""
        return int.from_bytes(self._access(Command.READ_REGISTERS, offset, 4), "little")

    def write_register(self, offset: int, value: int) -> None:
        """Write the 32-bit register at byte `offset`."""
        raw = (value & 0xFFFFFFFF).to_bytes(4, "little")
        self._access(Command.WRITE_REGISTERS, offset, 4, raw)

    def read_memory(self, address: int, size: int) -> np.ndarray:
        """`size` bytes from `address` on, as a uint8 array that the caller owns."""
        self._check(address, size)
        raw = self._access(Command.READ_MEMORY, address, size)
        return np.frombuffer(raw, np.uint8).copy()

    def write_memory(self, address: int, data: np.ndarray | bytes) -> None:
        """Write the bytes of `data` (a C-contiguous array of any type) from `address` on."""
        raw = data.tobytes() if isinstance(data, np.ndarray) else bytes(data)
        self._check(address, len(raw))
        self._access(Command.WRITE_MEMORY, address, len(raw), raw)

    def wait(self, limit: int | None = None) -> bool:
        """Wait until the device is not busy.

        The board counts the cycles itself, so that `limit` means the same as on a simulator.

        Returns
        -------
        bool
            False where `limit` cycles (by default ten minutes at the nominal clock) passed before.
        """
        remaining = _DEFAULT_WAIT * self._clock_hz if limit is None else limit
        before = None
        pause = 0.0
        while self.read_register(Register.STATUS) & Status.BUSY:
            raw = self._access(Command.READ_LINK, LinkWord.CYCLES, 4)
            now = int.from_bytes(raw, "little")
            remaining -= 0 if before is None else (now - before) & 0xFFFFFFFF
            before = now
            if remaining <= 0:
                return not self.read_register(Register.STATUS) & Status.BUSY
            time.sleep(pause)
            pause = min(_LONGEST_PAUSE, 2 * pause or 0.001, remaining / self._clock_hz)
        return True

    def close(self) -> None:
        """Let go of the port. Closing twice does nothing."""
        self._line.close()
        self._failed = self._failed or "the transport is closed"

    def _access(self, command: Command, address: int, size: int, data: bytes = b"") -> bytes:
        if self._failed is not None:
            raise LinkLostError(f"{self._line.name}: {self._failed}; open it again")
        try:
            return self._client.transfer(command, address, size, data)
        except BaseException as error:  # an interrupt, too, leaves it unknown what was done
            self._failed = f"an earlier access failed ({error or type(error).__name__})"
            self._line.close()
            if isinstance(error, TransportError):
                raise type(error)(f"{self._line.name}: {error}") from error
            raise

    def _check(self, address: int, size: int) -> None:
        if address < 0 or address + size > self._memory_size:
            raise TransportError(
                f"memory access of {size} bytes at {address:#x} must be within the board's "
                f"{self._memory_size:#x} bytes"
            )


class _SerialLine:
    """A pyserial port as a `BytePort`, with errors of ours."""

    def __init__(self, name: str, baud: int, timeout: float) -> None:
        self.name = name
        if not name:
            raise PortError(f"the port must be named, as in serial:/dev/ttyUSB0{_others(name)}")
        opened = contextlib.ExitStack()
        try:
            self._port = serial.serial_for_url(
                name, baudrate=baud, timeout=timeout, write_timeout=timeout, exclusive=True
            )
            opened.callback(self.close)
            # FTDI's chips hold received bytes back for 16 ms, unless the system tells them not to.
            hurry = getattr(self._port, "set_low_latency_mode", None)
            if hurry is not None:
                with contextlib.suppress(NotImplementedError, OSError, ValueError):
                    hurry(True)
            self._port.reset_input_buffer()
        except (serial.SerialException, OSError, ValueError) as error:
            opened.close()
            raise PortError(f"{name}: {_reason(error)}{_others(name)}") from error

    def write(self, data: bytes) -> None:
        try:
            self._port.write(data)
        except serial.SerialTimeoutException as error:
            raise NoAnswerError("the port takes no more bytes") from error
        except (serial.SerialException, OSError, TypeError) as error:
            raise LinkLostError(f"the port was lost while sending ({error})") from error

    def read(self, timeout: float) -> bytes:
        try:
            self._port.timeout = timeout
            first = self._port.read(1)
            return first + self._port.read(self._port.in_waiting) if first else first
        except (serial.SerialException, OSError, TypeError) as error:
            raise LinkLostError(f"the port was lost while receiving ({error})") from error

    def close(self) -> None:
        with contextlib.suppress(serial.SerialException, OSError):
            self._port.close()


def _reason(error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number == 2:
        return "there is no such port"
    if number in (11, 16):
        return "the port is in use by another program"
    if number == 13:
        return "no permission to open the port (on most Linux systems: join the group dialout)"
    return f"the port cannot be opened ({error})"


def _others(name: str) -> str:
    ports = [port.device for port in list_ports.comports()]
    near = difflib.get_close_matches(name, ports, n=3, cutoff=0.3) or ports[:5]
    return f"; ports here: {', '.join(near)}" if near else "; there is no serial port here"
