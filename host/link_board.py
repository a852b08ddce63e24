"""A simulated board with everything a real one has, the driver's serial port included."""

from __future__ import annotations

from pathlib import Path

from ..boards.memory.kinds import Memory
from ..hw.config import Config
from .link_pty import Noise, PtyServer
from .link_simulation import SimulatedBoard
from .serial_transport import SerialTransport

__all__ = ["SimulatedBoardTransport"]


class SimulatedBoardTransport(SerialTransport):
    """A `SerialTransport` to a `SimulatedBoard` behind a pseudo-terminal; both end with it.

    Parameters
    ----------
    config : str, Path or Config
    memory : Memory, optional
        64 KiB of block RAM by default.
    noise : Noise, optional
        Damages bytes on the line.
    timeout, reply_time : float
        As of `SerialTransport`; more than for a real board, because the simulation is slower.

    Raises
    ------
    ConfigError, ToolMissingError, ToolError
        The board cannot be built.
    TransportError
        It does not answer.
    """

    def __init__(
        self,
        config: str | Path | Config = "tiny",
        *,
        memory: Memory | None = None,
        noise: Noise | None = None,
        timeout: float = 30.0,
        reply_time: float = 1.0,
    ) -> None:
        self._board = SimulatedBoard(config, memory=memory)
        self._server = PtyServer(self._board, noise=noise)
        try:
            super().__init__(self._server.path, timeout=timeout, reply_time=reply_time)
        except BaseException:
            self._end()
            raise

    @property
    def board(self) -> SimulatedBoard:
        """The simulation itself."""
        return self._board

    def close(self) -> None:
        """Let go of the port and end the simulation. Closing twice does nothing."""
        super().close()
        self._end()

    def _end(self) -> None:
        try:
            self._server.close()
        finally:
            self._board.close()
