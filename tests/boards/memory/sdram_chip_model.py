"""An SDRAM chip for amaranth.sim, which insists on every rule of its data sheet."""

from __future__ import annotations

from typing import Any

from lutra.boards.memory.sdram_chip import SdramChip

__all__ = ["SdramModel"]

_NAMES = {
    0b000: "NOP", 0b100: "ACTIVATE", 0b010: "READ", 0b011: "WRITE", 0b101: "PRECHARGE",
    0b110: "REFRESH", 0b111: "MODE",
}  # fmt: skip


class SdramModel:
    """Answers the pins of a controller; `run` is a background testbench.

    Every time is checked in nanoseconds against the clock's period, and reads of words never
    written give what the chip last held: nothing, an error.
    """

    def __init__(self, chip: SdramChip, pins: Any, clock_hz: float, late: int = 0) -> None:
        self.chip, self.pins, self.late = chip, pins, late
        self.period = 1e9 / clock_hz
        self.words: dict[int, int] = {}
        self.commands: dict[str, int] = dict.fromkeys(_NAMES.values(), 0)
        self.open: dict[int, int] = {}
        self.last: dict[tuple[str, int | None], float] = {}
        self.refreshed: list[float] = []
        self.mode: int | None = None
        self.now = 0.0
        # JEDEC lets up to eight refreshes be put off; in the mean they may not come late.
        self.share = chip.refresh_period / (1 << chip.row_bits)

    def since(self, name: str, bank: int | None = None) -> float:
        return self.now - self.last.get((name, bank), -1e12)

    def need(self, name: str, least: float, bank: int | None = None) -> None:
        assert self.since(name, bank) >= least - 1e-6, f"too soon after {name} at {self.now} ns"

    async def run(self, ctx: Any) -> None:
        pins, chip = self.pins, self.chip
        coming: list[tuple[int, int]] = []  # (ticks left, word)
        names = ("clk_en", "cs", "ras", "cas", "we", "ba", "a", "dqm", "dq_o", "dq_oe")
        signals = [getattr(pins, name) for name in names]
        while True:
            _, _, *values = await ctx.tick().sample(*signals)
            v = dict(zip(names, values, strict=True))
            self.now += self.period
            code = v["ras"] << 2 | v["cas"] << 1 | v["we"] if v["cs"] else 0
            name = _NAMES[code]
            self.commands[name] += 1
            if name != "NOP":
                assert v["clk_en"], "command without a clock"
                word = self.execute(name, v)
                if word is not None:
                    coming.append((chip.cas_latency - 2 + self.late, word))
            ctx.set(pins.dq_i, 0xBAD)
            for left, word in coming:
                if left == 0:
                    ctx.set(pins.dq_i, word)
                    assert self.late or not v["dq_oe"], "both drive the data lines"
            coming = [(left - 1, word) for left, word in coming if left]
            if self.refreshed:
                behind = self.now - self.refreshed[0] - len(self.refreshed) * self.share
                assert behind < 9 * self.share, f"refresh is late at {self.now} ns"

    def execute(self, name: str, v: dict[str, int]) -> int | None:
        chip, bank = self.chip, v["ba"]
        self.need("REFRESH", chip.t_rfc)
        self.need("MODE", chip.t_mrd)
        if name == "PRECHARGE":
            assert self.now >= chip.t_init, "too soon after power-up"
            for b in range(1 << chip.bank_bits) if v["a"] >> 10 & 1 else (bank,):
                self.need("ACTIVATE", chip.t_ras, b)
                self.need("WRITE", chip.t_wr, b)
                self.last["PRECHARGE", b] = self.now
                self.open.pop(b, None)
            return None
        if name in ("REFRESH", "MODE"):
            assert not self.open, f"{name} with an open row"
            for b in range(1 << chip.bank_bits):
                self.need("PRECHARGE", chip.t_rp, b)
            self.last[name, None] = self.now
            if name == "REFRESH":
                self.refreshed.append(self.now)
            else:
                assert len(self.refreshed) >= 8
                assert v["a"] == chip.cas_latency << 4, "bursts of one"
                self.mode = v["a"]
            return None
        assert self.mode is not None, f"{name} before MODE"
        if name == "ACTIVATE":
            assert bank not in self.open, "row opened twice"
            self.need("PRECHARGE", chip.t_rp, bank)
            self.need("ACTIVATE", chip.t_ras + chip.t_rp, bank)
            self.last["ACTIVATE", bank] = self.now
            self.open[bank] = v["a"]
            return None
        assert bank in self.open, f"{name} without an open row"
        assert not v["a"] >> 10 & 1, "auto precharge"
        self.need("ACTIVATE", chip.t_rcd, bank)
        place = ((self.open[bank] << chip.bank_bits | bank) << chip.column_bits) | v["a"]
        if name == "READ":
            assert place in self.words, f"word {place:#x} was never written"
            return self.words[place]
        assert v["dq_oe"]
        self.last["WRITE", bank] = self.now
        old = self.words.get(place, 0)
        for i in range(chip.data_bits // 8):
            if not v["dqm"] >> i & 1:
                mask = 255 << 8 * i
                old = old & ~mask | v["dq_o"] & mask
        self.words[place] = old
        return None
