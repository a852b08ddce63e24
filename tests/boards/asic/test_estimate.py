from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from amaranth.hdl import Module, Signal, Value
from amaranth.lib.wiring import Component, In, Out
from amaranth.sim import Simulator

from lutra.boards.asic.energy import switching_energy
from lutra.boards.asic.estimate import asic_estimate
from lutra.boards.asic.liberty import LibertyError, read_liberty
from lutra.boards.asic.mapping import Mapped, map_to_cells
from lutra.boards.asic.stimulus import Stimulus, array_stimulus
from lutra.boards.asic.timing import analyse_timing
from lutra.boards.asic.whole_array import WholeArray
from lutra.boards.synthesis.yosys import component_rtlil
from lutra.host.gate_simulation import count_toggles
from lutra.hw.config import Config
from lutra.hw.digits import decode_digits
from lutra.hw.processing_element import PEControl

pytest.importorskip("pyosys")


class _Adder(Component):
    """``total`` is the registered sum of the registered a and b."""

    def __init__(self) -> None:
        super().__init__({"a": In(4), "b": In(4), "total": Out(5)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        a, b = Signal(4, reset_less=True), Signal(4, reset_less=True)
        m.d.sync += [a.eq(self.a), b.eq(self.b), self.total.eq(a + b)]
        return m


@pytest.fixture(scope="module")
def adder(liberty: Path) -> Mapped:
    library = read_liberty(liberty)
    return map_to_cells(component_rtlil(_Adder()), liberty, library, period_ns=10)


def test_adder_uses_adder_cells(adder: Mapped):
    cells = adder.counts.cells
    assert cells["DFF"] == 13
    assert (cells["FA"], cells["HA"]) == (3, 1)
    library = adder.netlist.library
    assert adder.counts.area == sum(library.cells[name].area * n for name, n in cells.items())


def test_timing_of_the_ripple(adder: Mapped):
    # CK to Q, half adder, three full adders, setup. Slopes come of loads: 0.2 ns a pF.
    timing = analyse_timing(adder.netlist)
    library = adder.netlist.library
    assert set(adder.counts.cells) <= set(library.cells)
    slack = 5 * (0.1 + 0.04 + 0.05)  # each hop: delay of an unloaded cell, load, slope
    assert 5 * 0.1 + 0.3 < timing.delay_ns < 0.3 + slack
    assert len(timing.path) >= 5
    assert analyse_timing(adder.netlist, wire_pf=0.1).delay_ns > timing.delay_ns


def test_toggles(adder: Mapped):
    netlist = adder.netlist
    random = np.random.default_rng(0)
    a, b = random.integers(0, 16, (2, 100))
    columns = [(a >> i & 1) for i in range(4)] + [(b >> i & 1) for i in range(4)]
    stimulus = Stimulus(np.stack(columns, 1).astype(np.uint8), [("a", 4), ("b", 4)], 3)
    toggles, outputs = count_toggles(netlist, stimulus)
    total = (outputs * (1 << np.arange(5))).sum(1)
    # Inputs change behind the edge of their cycle: into a and b one later, into total two.
    assert np.array_equal(total[2:], (a + b)[:-2])
    a_bit = netlist.ports["a"][1][0]
    assert toggles[a_bit] == np.count_nonzero(np.diff(a[3:] & 1))
    energy = switching_energy(netlist, toggles, 97)
    loads = netlist.loads()
    square = netlist.library.voltage**2
    assert energy.clock_pj == pytest.approx(13 * 0.02 * square)
    by_hand = sum(0.5 * square * loads[net] * count for net, count in toggles.items()) / 97
    assert energy.data_pj == pytest.approx(by_hand)
    idle = Stimulus(np.zeros_like(stimulus.bits), stimulus.ports, 5)
    assert switching_energy(netlist, count_toggles(netlist, idle)[0], 95).data_pj == 0


@pytest.mark.parametrize("pe", ["lut"])
def test_gates_compute_what_the_array_does(liberty: Path, pe: str):
    config = Config(
        pe=pe, weight_bits=2, max_weight_bits=2, act_bits=4, lanes=8, tables=2,
        lookup_group=2, axi_bits=32, scale_bits=0, group_zeros=0,
        table_storage="cells" if pe != "mac" else "registers", max_shift=2, psum_bits=40,
    )  # fmt: skip
    library = read_liberty(liberty)
    rtlil = component_rtlil(WholeArray(config))
    netlist = map_to_cells(rtlil, liberty, library, period_ns=50).netlist
    stimulus = array_stimulus(config, netlist, words=8, blocks=3)
    toggles, outputs = count_toggles(netlist, stimulus)
    assert sum(toggles.values()) > 1000
    wanted = _simulate(WholeArray(config), stimulus, netlist.ports)
    assert np.array_equal(outputs[4:], wanted[4:])  # from the reset on
    assert wanted[stimulus.warm_up :].any(0).mean() > 0.5
    _check_values(config, stimulus, wanted, netlist.ports)


def _check_values(config: Config, stimulus: Stimulus, found: np.ndarray, ports: dict) -> None:
    """The stimulus is a product: ``(2 s_1 + s_0 + sum x) / 2`` of every two planes comes out."""
    edges = np.cumsum([width for _, width in stimulus.ports])[:-1]
    names = [name for name, _ in stimulus.ports]
    columns = dict(zip(names, np.split(stimulus.bits, edges, axis=1), strict=True))
    names = sorted(name for name, (way, _) in ports.items() if way == "output")
    edges = np.cumsum([len(ports[name][1]) for name in names])[:-1]
    outputs = dict(zip(names, np.split(found, edges, axis=1), strict=True))

    taken = (columns["x__valid"] & outputs["x__ready"])[:, 0] == 1
    elements = columns["x__payload"][taken].reshape(-1, config.k_block, config.act_elem_bits)
    blocks = _signed(elements[..., : config.act_bits])
    control = columns["control"]
    used = control[:, PEControl["valid"].offset] == 1
    release = control[used, PEControl["release"].offset].astype(int)
    block = np.cumsum(release) - release
    digits = decode_digits(columns["weights"][used], config).astype(int)
    sums = np.einsum("ck,cnk->cn", blocks[block], digits)
    plain = blocks.sum(-1)[block][::2, None]  # halved planes come with a coefficient of one
    expected = 2 * sums[::2] + sums[1::2] + plain >> 1

    finished = outputs["out_valid"][:, 0] == 1
    finished[: stimulus.warm_up] = False
    values = outputs["values"][finished].reshape(-1, config.lanes, config.scaled_bits)
    assert len(values) >= len(expected) - 8
    assert np.array_equal(_signed(values), expected[: len(values)])


def _signed(bits: np.ndarray) -> np.ndarray:
    """Two's complement along the last axis, lowest bit first."""
    places = 1 << np.arange(bits.shape[-1])
    places[-1] = -places[-1]
    return (bits * places).sum(-1)


def _simulate(array: WholeArray, stimulus: Stimulus, ports: dict) -> np.ndarray:
    """The same inputs to the component itself: outputs ``[cycles, bits]``, ports by name."""
    members = {
        "__".join(map(str, path)): value for path, _, value in array.signature.flatten(array)
    }
    names = sorted(name for name, (way, _) in ports.items() if way == "output")
    rows = []

    async def bench(ctx):
        for row in stimulus.bits:
            await ctx.tick()
            at = 0
            for name, width in stimulus.ports:
                value = int.from_bytes(
                    np.packbits(row[at : at + width], bitorder="little"), "little"
                )
                ctx.set(Value.cast(members[name]), value)
                at += width
            bits = []
            for name in names:
                value = ctx.get(Value.cast(members[name]))
                bits += [value >> i & 1 for i in range(len(ports[name][1]))]
            rows.append(bits)

    simulator = Simulator(array)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return np.array(rows, np.uint8)


def test_estimate(liberty: Path):
    config = Config(
        name="few", weight_bits=1, max_weight_bits=1, act_bits=4, lanes=16, tables=1,
        lookup_group=2, axi_bits=32, scale_bits=0, psum_bits=40,
    )  # fmt: skip
    found = asic_estimate(config, liberty, period_ns=100)
    figures = {name: value for name, value, _ in found.figures()}
    assert figures["asic.area_per_mac.few.small"] == pytest.approx(found.area / 32)
    assert found.gates == found.area / 4.0
    assert found.timing_met
    assert found.energy is None
    assert found.to_json()["areas"] == "liberty"
    with_lef = asic_estimate(config, liberty, lef=liberty.with_suffix(".lef"), period_ns=100)
    assert with_lef.cells == found.cells or with_lef.area != found.area


def test_device_arrays_are_refused(liberty: Path):
    config = Config(device="ecp5", table_storage="lutram", table_banks=1)
    with pytest.raises(LibertyError, match="device must be 'generic'"):
        asic_estimate(config, liberty)
