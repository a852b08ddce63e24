"""Control: the registers, the life of a program, the error latch and the counters."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib.wiring import Component, In, Out

from .axi_lite import RegisterPort
from .config import bits_for
from .interfaces import ErrorReport
from .isa import INSTRUCTION_BITS, ISA_VERSION, ErrorCode
from .registers import MAGIC, Control, Register, Status, built_counters

__all__ = ["ERROR_SOURCES", "REGISTER_ADDRESS_BITS", "Controller"]

#: Who reports errors; of several in one cycle, the first here is kept.
ERROR_SOURCES = ("reader", "writer", "fetch", "dispatch", "load", "compute", "store", "tokens")

#: Byte address bits of the register map: a page of 4 KiB, of which the rest reads as 0.
REGISTER_ADDRESS_BITS = 12


class Controller(Component):
    """Runs one program after the other.

    IDLE, until START is written: the counters, the status and the error are cleared. RUN, until the
    program reaches END, an error is reported, or RESET is written. DRAIN, with `halt` high, until
    nothing is outstanding on the memory port. RESET, one cycle of `reset_engines`. Then IDLE
    again, with the status that the program left; after RESET was written, with none and no error.

    So the engines begin every program freshly reset, whatever became of the one before; they are
    reset after this component, too, with `halt` high until then. STATUS
    shows BUSY outside IDLE, and DONE or ERROR only in IDLE; `irq` is high while one of the two is.
    Writes of START are ignored while BUSY or together with RESET; RESET is always obeyed.

    Counters count from START to the end of RUN, except for the bytes, which count until IDLE.
    They wrap at 2**32. Registers that do not exist read as 0; writing them does nothing.

    Latency: `start` strobes one cycle after the write; registers are read in one cycle.

    Parameters
    ----------
    beat_bytes : int
        Bytes of one beat of the memory port, a power of two.
    config_hash : int
        64 bits that the host compares with its own configuration.
    counters, error_addresses : int
        As in `Config`.
    addr_bits : int, optional
        Of `base` and `length` only what a program below this width needs is kept, and one bit more
        in which all higher ones are put together. By default everything.

    Attributes
    ----------
    registers : In(RegisterPort)
    irq : Out(1)
    start : Out(1)
    base : Out(64)
    length : Out(32)
        Of the program, for FETCH.
    done : In(1)
        The program reached END.
    errors : dict of In(ErrorReport)
        ``<source>_error`` for each of `ERROR_SOURCES`.
    quiet : In(1)
        Nothing is outstanding on the memory port.
    halt, reset_engines : Out(1)
    array_busy, table_stall, weight_stall, store_stall : In(1)
        Counted each cycle they are high.
    read_beat, write_beat : In(1)

    Raises
    ------
    ValueError
        `beat_bytes` is no power of two, or `config_hash` has more than 64 bits.
    """

    def __init__(
        self,
        beat_bytes: int,
        *,
        config_hash: int,
        counters: int = 1,
        error_addresses: int = 1,
        addr_bits: int | None = None,
    ) -> None:
        if not (beat_bytes >= 1 and beat_bytes & (beat_bytes - 1) == 0):
            raise ValueError(f"Beat bytes must be a power of two, not {beat_bytes!r}")
        if not isinstance(config_hash, int):
            raise TypeError(f"Configuration hash must be an integer, not {config_hash!r}")
        if not 0 <= config_hash < 1 << 64:
            raise ValueError(f"Configuration hash must be from 0 to 2**64 - 1, not {config_hash!r}")
        self._beat_shift = bits_for(beat_bytes)
        self._config_hash = config_hash
        self._counters = built_counters(counters)
        self._addresses = bool(error_addresses)
        self._addr_bits = addr_bits
        super().__init__(
            {
                "registers": In(RegisterPort(REGISTER_ADDRESS_BITS - 2)),
                "irq": Out(1),
                "start": Out(1),
                "base": Out(64),
                "length": Out(32),
                "done": In(1),
                **{f"{source}_error": In(ErrorReport()) for source in ERROR_SOURCES},
                "quiet": In(1),
                "halt": Out(1, init=1),
                "reset_engines": Out(1, init=1),
                "array_busy": In(1),
                "table_stall": In(1),
                "weight_stall": In(1),
                "store_stall": In(1),
                "read_beat": In(1),
                "write_beat": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        port = self.registers
        idle, running = Signal(), Signal()
        done, failed = Signal(), Signal()
        code, address = Signal(ErrorCode), Signal(40, reset_less=True)

        def written(register: Register):
            return port.write & (port.write_address == register // 4)

        command = written(Register.CONTROL) & port.strobe[0]
        ring = command & (port.write_data & Control.START != 0)
        reset = command & (port.write_data & Control.RESET != 0)
        reports = [getattr(self, f"{source}_error") for source in ERROR_SOURCES]
        origins = [report.address if self._addresses else 0 for report in reports]
        failing = Cat(report.valid for report in reports).any()

        # HALT and RESET_ENGINES go everywhere: from registers, not by way of the state.
        m.d.sync += self.reset_engines.eq(0)
        with m.If(self.reset_engines):
            m.d.sync += self.halt.eq(0)

        def drain() -> None:
            m.d.sync += self.halt.eq(1)
            m.next = "DRAIN"

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += idle.eq(1)
                with m.If(reset):
                    drain()
                with m.Elif(ring):
                    m.next = "START"
            with m.State("START"):
                m.d.comb += self.start.eq(1)
                m.next = "RUN"
                with m.If(reset):
                    drain()
            with m.State("RUN"):
                m.d.comb += running.eq(1)
                for report, origin in reversed(list(zip(reports, origins, strict=True))):
                    with m.If(report.valid):
                        m.d.sync += [code.eq(report.code), address.eq(origin)]
                with m.If(reset | self.done | failing):
                    drain()
                m.d.sync += [done.eq(self.done & ~failing), failed.eq(failing)]
            with m.State("DRAIN"), m.If(self.quiet):
                m.d.sync += self.reset_engines.eq(1)
                m.next = "RESET"
            with m.State("RESET"):
                m.next = "IDLE"
        with m.If(self.start | reset):  # a RESET in the cycle of an error still clears it
            m.d.sync += [done.eq(0), failed.eq(0), code.eq(ErrorCode.NONE), address.eq(0)]
        m.d.sync += self.irq.eq(idle & (done | failed))

        # What is counted, one cycle late.
        counters = {name: Signal(32, name=name) for name in self._counters}
        happened = Signal(len(counters))
        counted = {
            "cycles": running,
            **{n: running & getattr(self, n) for n in counters if hasattr(self, n)},
            "bytes_read": self.read_beat,
            "bytes_written": self.write_beat,
        }
        m.d.sync += happened.eq(Cat(counted[name] for name in counters))
        for event, count in zip(happened, counters.values(), strict=True):
            with m.If(self.start):
                m.d.sync += count.eq(0)
            with m.Elif(event):
                m.d.sync += count.eq(count + 1)

        status = Signal(32)
        m.d.comb += status.eq(
            Mux(~idle, Status.BUSY, Mux(failed, Status.ERROR, 0) | Mux(done, Status.DONE, 0))
        )
        readable = {
            Register.MAGIC: MAGIC,
            Register.ISA_VERSION: ISA_VERSION,
            Register.CONFIG_HASH_LO: self._config_hash & 0xFFFFFFFF,
            Register.CONFIG_HASH_HI: self._config_hash >> 32,
            Register.STATUS: status,
            Register.ERROR_CODE: code,
            Register.ERROR_ADDRESS_LO: address[:32],
            Register.ERROR_ADDRESS_HI: address[32:],
            Register.PROGRAM_LO: self.base[:32],
            Register.PROGRAM_HI: self.base[32:],
            Register.PROGRAM_LENGTH: self.length,
            Register.CONTROL: 0,
            **{
                register: counters[name] << self._beat_shift if "bytes" in name else counters[name]
                for name, register in self._counters.items()
            },
        }
        m.d.sync += port.read_data.eq(0)
        with m.Switch(port.read_address):
            for register, value in readable.items():
                with m.Case(register // 4):
                    m.d.sync += port.read_data.eq(value)

        # START reads these a cycle later: a program's own are not to change under it.
        mask = Cat(s.replicate(8) for s in port.strobe)
        kept = self._addr_bits or 64
        for register, target, bits in (
            (Register.PROGRAM_LO, self.base[:32], kept),
            (Register.PROGRAM_HI, self.base[32:], kept - 32),
            (Register.PROGRAM_LENGTH, self.length, kept - bits_for(INSTRUCTION_BITS // 8) + 1),
        ):
            with m.If(written(register) & idle):
                value = port.write_data & mask | target & ~mask
                if bits < 31:
                    low = max(0, bits)
                    value = Cat(value[:low], value[low:].any())
                m.d.sync += target.eq(value)
        return m
