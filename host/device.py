"""One device behind a `Transport`: who it is, its memory, and running a program on it."""

from __future__ import annotations

import numpy as np

from ..gen.config_names import config_hash
from ..hw.config import Config
from ..hw.isa import ISA_VERSION
from ..hw.registers import COUNTERS, MAGIC, Control, Register, Status
from .device_memory import DeviceMemory
from .errors import ConfigMismatchError, CycleLimitError, DeviceError
from .loaded_matrix import StoredProgram
from .transport import Transport

__all__ = ["Device"]

#: Cycles that a reset may take: every burst under way ends.
_RESET_CYCLES = 1_000_000


class Device:
    """Registers, doorbell, errors and counters; nothing of matrices.

    Parameters
    ----------
    transport : Transport
    config : Config
        What the device must have been generated from.

    Attributes
    ----------
    transport : Transport
    config : Config
    memory : DeviceMemory
        Who has what of the device's memory.

    Raises
    ------
    ConfigMismatchError
        The device is none of ours, or was generated from something else.
    """

    def __init__(self, transport: Transport, config: Config) -> None:
        self.transport, self.config = transport, config
        self._check_identity()
        self.memory = DeviceMemory(min(transport.memory_size, 1 << config.addr_bits))
        self._armed: StoredProgram | None = None

    def send_program(self, program: np.ndarray) -> StoredProgram:
        """Put a program, uint64 ``[instructions, 2]``, into the device's memory.

        Raises
        ------
        OutOfDeviceMemoryError
        """
        address = self.memory.allocate(program.nbytes)
        self.transport.write_memory(address, program)
        return StoredProgram(address, len(program))

    def run(self, program: StoredProgram, limit: int) -> None:
        """Ring the doorbell and wait; the device is usable again whatever happens.

        Raises
        ------
        DeviceError
            The program stopped with an error.
        CycleLimitError
            It did not end within `limit` cycles.
        """
        transport = self.transport
        if program != self._armed:
            self._armed = None
            transport.write_register(Register.PROGRAM_LO, program.address & 0xFFFFFFFF)
            transport.write_register(Register.PROGRAM_HI, program.address >> 32)
            transport.write_register(Register.PROGRAM_LENGTH, program.length)
            self._armed = program
        transport.write_register(Register.CONTROL, Control.START)
        if not transport.wait(limit):
            self.reset()
            raise CycleLimitError(f"the program did not end within {limit} cycles")
        if not transport.read_register(Register.STATUS) & Status.DONE:
            code = transport.read_register(Register.ERROR_CODE)
            address = transport.read_register(Register.ERROR_ADDRESS_LO)
            address |= transport.read_register(Register.ERROR_ADDRESS_HI) << 32
            self.reset()
            raise DeviceError(code, address)

    def counters(self) -> dict[str, int]:
        """Counters of the last program, by their names."""
        read = self.transport.read_register
        return {name: read(register) for name, register in COUNTERS.items()}

    def reset(self) -> None:
        """Stop whatever runs and bring the engines back to rest.

        Raises
        ------
        CycleLimitError
            The memory does not answer: a burst under way never ended.
        """
        self.transport.write_register(Register.CONTROL, Control.RESET)
        if not self.transport.wait(_RESET_CYCLES):
            raise CycleLimitError(f"the device did not come to rest in {_RESET_CYCLES} cycles")

    def _check_identity(self) -> None:
        read = self.transport.read_register
        magic = read(Register.MAGIC)
        if magic != MAGIC:
            raise ConfigMismatchError(f"no Lutra device answers: magic is {magic:#010x}")
        version = read(Register.ISA_VERSION)
        if version != ISA_VERSION:
            raise ConfigMismatchError(
                f"the device has instruction set {version}, this host {ISA_VERSION}"
            )
        found = read(Register.CONFIG_HASH_LO) | read(Register.CONFIG_HASH_HI) << 32
        wanted = int(config_hash(self.config)[:16], 16)
        if found != wanted:
            raise ConfigMismatchError(
                f"the device was generated from configuration {found:016x}, not from "
                f"{self.config.name!r} ({wanted:016x})"
            )
