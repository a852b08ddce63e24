"""The clock of a board where its oscillator's own frequency will not do."""

from __future__ import annotations

from amaranth.hdl import Instance, Module, Signal
from amaranth.lib import io
from amaranth.lib.wiring import Component, Out

from .pll import PllSettings, pll_settings

__all__ = ["ClockSource"]


class ClockSource(Component):
    """A clock generator behind the board's oscillator.

    Parameters
    ----------
    family : {"ecp5", "gowin", "xc7"}
    oscillator_hz : float
    clock_hz : float
        What is wanted.

    Attributes
    ----------
    frequency : float
        What comes of it, in Hz; within half a percent of what is wanted.
    clk : Out(1)
    rst : Out(1)
        Until the generator has locked, and while the board's reset button is pressed, where it has
        one. In step with no clock.

    Raises
    ------
    ClockError
        The family's generator cannot make it.
    """

    def __init__(self, family: str, *, oscillator_hz: float, clock_hz: float) -> None:
        self._family = family
        self._oscillator_hz = oscillator_hz
        self._settings = pll_settings(family, oscillator_hz, clock_hz)
        self.frequency = self._settings.frequency
        super().__init__({"clk": Out(1), "rst": Out(1)})

    def elaborate(self, platform) -> Module:
        m = Module()
        clk_pin = platform.request(platform.default_clk, dir="-")
        m.submodules.clk_buffer = clk_buffer = io.Buffer("i", clk_pin)
        out, locked, pressed = Signal(name="pll_out"), Signal(), Signal()
        if platform.default_rst is not None:
            rst_pin = platform.request(platform.default_rst, dir="-")
            m.submodules.rst_buffer = rst_buffer = io.Buffer("i", rst_pin)
            m.d.comb += pressed.eq(rst_buffer.i)
        generator = {"ecp5": _ecp5, "gowin": _gowin, "xc7": _xc7}[self._family]
        generator(m, self._settings, clk_buffer.i, out, locked, platform, self._oscillator_hz)
        m.d.comb += [self.clk.eq(out), self.rst.eq(~locked | pressed)]
        platform.add_clock_constraint(out, self.frequency)
        return m


def _ecp5(m, s: PllSettings, clk, out, locked, _platform, f_in: float) -> None:
    m.submodules.pll = Instance(
        "EHXPLLL",
        # What the analogue part wants, the same for all settings (as ecppll writes it).
        a_ICP_CURRENT="12",
        a_LPF_RESISTOR="8",
        a_MFG_ENABLE_FILTEROPAMP="1",
        a_MFG_GMCREF_SEL="2",
        a_FREQUENCY_PIN_CLKI=f"{f_in / 1e6:g}",
        a_FREQUENCY_PIN_CLKOP=f"{s.frequency / 1e6:g}",
        p_PLLRST_ENA="DISABLED",
        p_INTFB_WAKE="DISABLED",
        p_STDBY_ENABLE="DISABLED",
        p_DPHASE_SOURCE="DISABLED",
        p_OUTDIVIDER_MUXA="DIVA",
        p_OUTDIVIDER_MUXB="DIVB",
        p_OUTDIVIDER_MUXC="DIVC",
        p_OUTDIVIDER_MUXD="DIVD",
        p_CLKI_DIV=s.divide,
        p_CLKOP_ENABLE="ENABLED",
        p_CLKOP_DIV=s.output,
        p_CLKOP_CPHASE=s.output // 2,
        p_CLKOP_FPHASE=0,
        p_FEEDBK_PATH="CLKOP",
        p_CLKFB_DIV=s.multiply,
        i_RST=0,
        i_STDBY=0,
        i_CLKI=clk,
        i_CLKFB=out,
        i_PHASESEL0=0,
        i_PHASESEL1=0,
        i_PHASEDIR=1,
        i_PHASESTEP=1,
        i_PHASELOADREG=1,
        i_PLLWAKESYNC=0,
        i_ENCLKOP=0,
        o_CLKOP=out,
        o_LOCK=locked,
    )


def _gowin(m, s: PllSettings, clk, out, locked, platform, f_in: float) -> None:
    m.submodules.pll = Instance(
        "rPLL",
        p_FCLKIN=f"{f_in / 1e6:g}",
        p_DEVICE=platform.family,
        p_IDIV_SEL=s.divide - 1,
        p_FBDIV_SEL=s.multiply - 1,
        p_ODIV_SEL=s.output,
        p_CLKFB_SEL="internal",
        i_CLKIN=clk,
        i_CLKFB=0,
        i_RESET=0,
        i_RESET_P=0,
        i_FBDSEL=0,
        i_IDSEL=0,
        i_ODSEL=0,
        i_PSDA=0,
        i_DUTYDA=0,
        i_FDLY=0,
        o_CLKOUT=out,
        o_LOCK=locked,
    )


def _xc7(m, s: PllSettings, clk, out, locked, _platform, f_in: float) -> None:
    raw, feedback = Signal(name="pll_raw"), Signal(name="pll_feedback")
    m.submodules.pll = Instance(
        "PLLE2_BASE",
        p_CLKIN1_PERIOD=1e9 / f_in,
        p_DIVCLK_DIVIDE=s.divide,
        p_CLKFBOUT_MULT=s.multiply,
        p_CLKOUT0_DIVIDE=s.output,
        i_CLKIN1=clk,
        i_CLKFBIN=feedback,
        i_RST=0,
        i_PWRDWN=0,
        o_CLKFBOUT=feedback,
        o_CLKOUT0=raw,
        o_LOCKED=locked,
    )
    m.submodules.global_buffer = Instance("BUFG", i_I=raw, o_O=out)
