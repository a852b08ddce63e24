"""Controller of an SDRAM chip: initialises it, keeps it refreshed, and serves whole beats."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib.wiring import Component, In, Out

from .beat_port import BeatPort
from .sdram_chip import SdramChip, SdramPins, SdramTiming

__all__ = ["SdramController"]

#: (RAS, CAS, WE) of the commands (JEDEC 21-C, section 3.11.5).
_ACTIVATE, _READ, _WRITE, _PRECHARGE, _REFRESH, _MODE = 0b100, 0b010, 0b011, 0b101, 0b110, 0b111

#: REFRESH commands after power-up; every chip is content with eight.
_FIRST_REFRESHES = 8

#: Address bit that makes PRECHARGE mean all banks.
_ALL_BANKS = 1 << 10


class SdramController(Component):
    """Serves a `BeatPort` out of an SDRAM chip.

    A row stays open in each bank until another one of that bank is needed or the chip is
    refreshed. Bursts have length one: a beat is as many READ or WRITE commands in a row as it has
    columns, one a cycle. Successive addresses go through the columns of a row, then through the
    banks.

    All outputs come from registers, and `dq_i` goes into one. The chip samples its inputs in the
    middle of a cycle (its clock is inverted, see `SdramPads`), so that a word read is on `dq_i`
    when the cycle ``cas_latency - 1`` after the command ends, or `late` cycles after that.

    Latency: 3 + cas_latency + columns cycles for a beat of an open row; a row change adds
    t_rp + t_rcd. In an open row, a beat takes columns + 1 cycles.

    Parameters
    ----------
    chip : SdramChip
    data_bits : int
        Width of a beat, a power-of-two multiple of the chip's.
    clock_hz : float
    late : int
        Whole cycles that the pads add between a command and its data, 0 to 3.

    Attributes
    ----------
    port : In(BeatPort)
    pins : Out(SdramPins)

    Raises
    ------
    ValueError
        `data_bits` is no such multiple, or the clock suits the chip not.
    """

    def __init__(self, chip: SdramChip, *, data_bits: int, clock_hz: float, late: int = 0) -> None:
        columns = data_bits // chip.data_bits
        if columns < 1 or columns & (columns - 1) or columns * chip.data_bits != data_bits:
            raise ValueError(
                f"Data width must be {chip.data_bits} times a power of two, not {data_bits!r}"
            )
        if columns > 1 << chip.column_bits:
            raise ValueError(f"Data width must not exceed a row, as {data_bits!r} does")
        if not 0 <= late <= 3:
            raise ValueError(f"Late must be from 0 to 3, not {late!r}")
        self._chip = chip
        self._timing = SdramTiming(chip, clock_hz)
        self._columns = columns
        self._arrival = chip.cas_latency + late
        depth = chip.size * 8 // data_bits
        super().__init__({"port": In(BeatPort(data_bits, depth)), "pins": Out(SdramPins(chip))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chip, port, pins, columns = self._chip, self.port, self.pins, self._columns
        cycles, width = self._timing.cycles, chip.data_bits

        def command(code: int) -> None:
            m.d.sync += [pins.cs.eq(1), Cat(pins.we, pins.cas, pins.ras).eq(code)]

        m.d.sync += [
            pins.cs.eq(0),
            Cat(pins.we, pins.cas, pins.ras).eq(0),
            pins.dq_oe.eq(0),
            pins.dqm.eq(0),
            pins.clk_en.eq(1),
        ]

        # The beat under way, and where it lies.
        write, beat = Signal(), Signal(len(port.data), reset_less=True)
        strobe = Signal(len(port.strobe), reset_less=True)
        place = Signal(chip.row_bits + chip.bank_bits + chip.column_bits, reset_less=True)
        column, bank, row = _split(place, chip)
        step = Signal(range(columns + 1))

        def opened(at) -> tuple[Signal, Signal]:
            return Array(is_open)[at], Array(rows)[at]

        is_open = [Signal(name=f"open_{i}") for i in range(1 << chip.bank_bits)]
        rows = [Signal(chip.row_bits, name=f"row_{i}") for i in range(1 << chip.bank_bits)]
        asked = Signal.like(place)
        m.d.comb += asked.eq(port.address << (columns.bit_length() - 1))
        _, asked_bank, asked_row = _split(asked, chip)
        asked_open, asked_opened = opened(asked_bank)

        # Time: of a command until the next may follow, of rows that have to stay open, of refresh.
        first_wait = cycles(chip.t_init)
        wait = Signal(range(first_wait + 1), init=first_wait)
        stay = Signal(range(max(cycles(chip.t_ras), cycles(chip.t_wr) + 1) + 1))
        interval = self._timing.refresh_interval
        since, due = Signal(range(interval + 1)), Signal()
        m.d.sync += [wait.eq(Mux(wait == 0, 0, wait - 1)), stay.eq(Mux(stay == 0, 0, stay - 1))]
        m.d.sync += since.eq(since + 1)
        with m.If(since == interval - 1):
            m.d.sync += [since.eq(0), due.eq(1)]

        def pause(nanoseconds: float) -> None:
            m.d.sync += wait.eq(cycles(nanoseconds) - 1)

        # Words read: a bit travels along with each READ, and meets its word.
        under_way = Signal(self._arrival + 1)
        read_now = Signal()
        arriving = under_way[self._arrival]
        captured, got = Signal(width, reset_less=True), Signal(range(columns))
        m.d.sync += [under_way.eq(Cat(read_now, under_way)), captured.eq(pins.dq_i)]
        m.d.sync += port.read_valid.eq(0)
        with m.If(arriving):
            m.d.sync += [
                port.read_data.eq(Cat(port.read_data, captured)[width:]),
                got.eq(got + 1),
                port.read_valid.eq(got == columns - 1),
            ]

        left, ready = Signal(range(_FIRST_REFRESHES + 1), init=_FIRST_REFRESHES), Signal()
        with m.FSM():
            # All rows are closed; at first, after the wait that power-up needs.
            with m.State("CLOSE"), m.If((wait == 0) & (stay == 0)):
                command(_PRECHARGE)
                m.d.sync += [pins.a.eq(_ALL_BANKS), Cat(is_open).eq(0)]
                pause(chip.t_rp)
                m.next = "REFRESH"
            with m.State("REFRESH"), m.If(wait == 0):
                command(_REFRESH)
                m.d.sync += due.eq(0)
                pause(chip.t_rfc)
                m.next = "IDLE"
                with m.If(~ready):
                    m.d.sync += left.eq(left - 1)
                    m.next = "REFRESH"
                    with m.If(left == 1):
                        m.next = "MODE"
            with m.State("MODE"), m.If(wait == 0):
                command(_MODE)  # bursts of one, in sequence
                m.d.sync += [pins.a.eq(chip.cas_latency << 4), pins.ba.eq(0), ready.eq(1)]
                pause(chip.t_mrd)
                m.next = "IDLE"
            with m.State("IDLE"):
                m.d.comb += port.ready.eq(~due & (wait == 0))
                m.d.sync += [
                    write.eq(port.write),
                    beat.eq(port.data),
                    strobe.eq(port.strobe),
                    place.eq(asked),
                    step.eq(0),
                ]
                with m.If(wait == 0):
                    with m.If(due):
                        m.next = "CLOSE"
                    with m.Elif(port.valid):
                        m.next = "MISS"
                        with m.If(asked_open & (asked_opened == asked_row)):
                            m.next = "COLUMNS"
            with m.State("MISS"):
                with m.If(~opened(bank)[0]):
                    m.next = "OPEN"
                with m.Elif(stay == 0):
                    command(_PRECHARGE)
                    m.d.sync += [pins.a.eq(0), pins.ba.eq(bank), opened(bank)[0].eq(0)]
                    pause(chip.t_rp)
                    m.next = "OPEN"
            with m.State("OPEN"), m.If(wait == 0):
                command(_ACTIVATE)
                m.d.sync += [pins.a.eq(row), pins.ba.eq(bank)]
                m.d.sync += [opened(bank)[0].eq(1), opened(bank)[1].eq(row)]
                m.d.sync += stay.eq(cycles(chip.t_ras) - 1)
                pause(chip.t_rcd)
                m.next = "COLUMNS"
            # A write waits until the chip has let go of the data lines.
            with m.State("COLUMNS"), m.If((wait == 0) & ~(write & under_way.any())):
                m.d.sync += [pins.a.eq(column), pins.ba.eq(bank)]
                m.d.sync += [place.eq(place + 1), step.eq(step + 1)]
                with m.If(write):
                    command(_WRITE)
                    m.d.sync += [
                        pins.dq_oe.eq(1),
                        pins.dq_o.eq(beat[:width]),
                        pins.dqm.eq(~strobe[: width // 8]),
                        beat.eq(beat >> width),
                        strobe.eq(strobe >> (width // 8)),
                    ]
                    with m.If(stay < cycles(chip.t_wr)):
                        m.d.sync += stay.eq(cycles(chip.t_wr))
                with m.Else():
                    command(_READ)
                    m.d.comb += read_now.eq(1)
                with m.If(step == columns - 1):
                    m.next = "IDLE"
        return m


def _split(place: Signal, chip: SdramChip):
    """Column, bank and row of a word's number."""
    bank = chip.column_bits
    return place[:bank], place[bank : bank + chip.bank_bits], place[bank + chip.bank_bits :]
