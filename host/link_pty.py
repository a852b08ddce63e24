"""A device behind a pseudo-terminal: the driver opens it like any serial port."""

from __future__ import annotations

import os
import random
import select
import threading
import tty
from typing import Protocol

from ..sim.closing import Closing

__all__ = ["ByteDevice", "Noise", "PtyServer"]


class ByteDevice(Protocol):
    """Something at the other end of a serial line."""

    def exchange(self, received: bytes) -> tuple[bytes, bool]:
        """Take what came, and give what goes out.

        The second value asks to be called again at once, without waiting for more to come.
        """
        ...


class Noise:
    """Damages bytes at random: each is changed, lost or doubled with the given probability.

    Parameters
    ----------
    rate : float
        Probability for one byte, 0 to 1; the three kinds of damage are equally likely.
    seed : int

    Attributes
    ----------
    hits : int
        Bytes damaged so far.
    """

    def __init__(self, rate: float, *, seed: int = 1) -> None:
        if not 0 <= rate <= 1:
            raise ValueError(f"rate must be from 0 to 1, not {rate!r}")
        self._rate = rate
        self._random = random.Random(seed)
        self.hits = 0

    def __call__(self, data: bytes) -> bytes:
        """What arrives of `data`."""
        draw, out = self._random.random, bytearray()
        for byte in data:
            if draw() >= self._rate:
                out.append(byte)
                continue
            self.hits += 1
            kind = self._random.randrange(3)
            if kind == 0:
                out.append(byte ^ self._random.randrange(1, 256))
            elif kind == 1:
                out += bytes([byte, byte])
        return bytes(out)


class PtyServer(Closing):
    """Connects a `ByteDevice` to the master end of a pseudo-terminal, in a thread.

    Parameters
    ----------
    device : ByteDevice
    noise : Noise, optional
        Damages what goes through, in both directions.

    Attributes
    ----------
    path : str
        Of the slave end, for the driver.

    Raises
    ------
    OSError
        The system has no pseudo-terminals (Windows), or none left.
    """

    def __init__(self, device: ByteDevice, *, noise: Noise | None = None) -> None:
        self._device, self._noise = device, noise
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)  # bytes as they are, until the driver sets the port up
        self.path = os.ttyname(self._slave)
        self._wake, self._stop = os.pipe()
        self._deaf = self._closed = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._serve, name="lutra-pty", daemon=True)
        self._thread.start()

    def mute(self, muted: bool = True) -> None:
        """Lose everything in both directions from now on, or no longer: a cable half pulled."""
        self._deaf = muted

    def unplug(self) -> None:
        """Remove the port: the driver gets errors from its next access on."""
        if self._thread.is_alive():
            os.write(self._stop, b"x")
            if threading.current_thread() is not self._thread:
                self._thread.join()

    def close(self) -> None:
        """Remove the port, and raise what went wrong in the device. Closing twice does nothing."""
        if self._closed:
            return
        self.unplug()
        self._closed = True
        os.close(self._wake)
        os.close(self._stop)
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _serve(self) -> None:
        try:
            active = False
            while True:
                wait = 0 if active else None
                ready, _, _ = select.select([self._master, self._wake], [], [], wait)
                if self._wake in ready:
                    return
                received = os.read(self._master, 4096) if ready else b""
                if self._deaf:
                    received = b""
                sent, active = self._device.exchange(self._through(received))
                if not self._deaf:
                    self._write(self._through(sent))
        except BaseException as failure:
            self._failure = failure
        finally:
            os.close(self._slave)
            os.close(self._master)

    def _through(self, data: bytes) -> bytes:
        return self._noise(data) if self._noise is not None else data

    def _write(self, data: bytes) -> None:
        """All of it, unless the driver stops reading and the port is removed meanwhile."""
        while data:
            ready, writable, _ = select.select([self._wake], [self._master], [], 1.0)
            if ready or not writable:
                return
            data = data[os.write(self._master, data[:256]) :]
