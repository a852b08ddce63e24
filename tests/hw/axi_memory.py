"""A memory behind an AXI4 port, for amaranth.sim, that checks what the master does."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

__all__ = ["SLVERR", "AxiMemory", "Burst"]

SLVERR, DECERR = 2, 3

_ADDRESS = ("id", "addr", "len", "size", "burst")


@dataclass
class Burst:
    """One burst as the master asked for it."""

    id: int
    address: int
    beats: int
    cycle: int
    sent: int = 0


@dataclass
class AxiMemory:
    """AXI4 slave memory with latency, random stalls and errors.

    Parameters
    ----------
    bus : object
        Has the AXI signals as attributes, without prefix (see `of_top`).
    size : int
        Bytes of memory, from address `base` on. An access outside is answered with DECERR.
    latency : int
        Cycles from an address handshake to the first data (or from the last to the response).
    stall : float
        Probability, in each cycle and channel, that the memory does nothing.
    reorder : bool
        Interleave the beats of bursts with different identifiers, at random.
    bad : dict
        Response code by beat address.
    """

    bus: Any
    size: int = 1 << 16
    base: int = 0
    latency: int = 1
    stall: float = 0.0
    reorder: bool = False
    seed: int = 3
    bad: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.data = bytearray(self.size)
        self.beat_bytes = len(self.bus.rdata if hasattr(self.bus, "rdata") else self.bus.wdata) // 8
        self.reads: list[Burst] = []
        self.writes: list[Burst] = []
        self.strobes: list[int] = []
        self.read_beats: list[int] = []  # cycles in which data was delivered
        self.write_beats: list[int] = []
        self.blocked = False  # answers nothing while set
        self.overlap = 0  # most read bursts under way at once

    @staticmethod
    def of_top(top: Any, prefix: str = "m_axi") -> Any:
        """The flat ports of a top as a bus."""
        names = [name for name in top.signature.members if name.startswith(f"{prefix}_")]
        return SimpleNamespace(**{n[len(prefix) + 1 :]: getattr(top, n) for n in names})

    def _respond(self, address: int) -> int:
        inside = self.base <= address and address + self.beat_bytes <= self.base + self.size
        return self.bad.get(address, 0 if inside else DECERR)

    def _burst(self, values: tuple[int, ...], cycle: int) -> Burst:
        who, address, length, size, kind = values
        assert kind == 1, "not an INCR burst"
        assert 1 << size == self.beat_bytes, "not full beats"
        assert address % self.beat_bytes == 0, f"unaligned burst at {address:#x}"
        last = address + (length + 1) * self.beat_bytes - 1
        assert address // 4096 == last // 4096, f"burst {address:#x}-{last:#x} crosses 4 KiB"
        return Burst(who, address, length + 1, cycle)

    async def read(self, ctx: Any) -> None:
        """Testbench of the read half."""
        bus, rng, cycle = self.bus, random.Random(self.seed), 0
        pending: list[deque[Burst]] = [deque(), deque()]
        held: tuple[int, ...] | None = None
        offered: Burst | None = None
        address = [getattr(bus, f"ar{name}") for name in _ADDRESS]
        while True:
            ctx.set(bus.arready, not self.blocked and rng.random() >= self.stall)
            if offered is None and not self.blocked and rng.random() >= self.stall:
                ripe = [q for q in pending if q and cycle >= q[0].cycle + self.latency]
                if ripe and not self.reorder:  # in the order of the requests
                    ripe = [min((q for q in pending if q), key=lambda q: self.reads.index(q[0]))]
                    ripe = [q for q in ripe if cycle >= q[0].cycle + self.latency]
                if ripe:
                    offered = rng.choice(ripe)[0]
                    at = offered.address + offered.sent * self.beat_bytes
                    where = at - self.base
                    word = int.from_bytes(self.data[where : where + self.beat_bytes], "little")
                    ctx.set(bus.rid, offered.id)
                    ctx.set(bus.rdata, word)
                    ctx.set(bus.rresp, self._respond(at))
                    ctx.set(bus.rlast, offered.sent + 1 == offered.beats)
            ctx.set(bus.rvalid, offered is not None)
            _, _, arvalid, arready, rready, *values = await ctx.tick().sample(
                bus.arvalid, bus.arready, bus.rready, *address
            )
            cycle += 1
            if offered is not None and rready:
                self.read_beats.append(cycle)
                offered.sent += 1
                if offered.sent == offered.beats:
                    pending[offered.id].popleft()
                offered = None
            if held is not None:
                assert (arvalid, *values) == (1, *held), "AR changed before it was taken"
            held = tuple(values) if arvalid and not arready else None
            if arvalid and arready:
                burst = self._burst(tuple(values), cycle)
                self.reads.append(burst)
                pending[burst.id].append(burst)
                self.overlap = max(self.overlap, sum(map(len, pending)))

    async def write(self, ctx: Any) -> None:
        """Testbench of the write half."""
        bus, rng, cycle = self.bus, random.Random(self.seed + 1), 0
        bursts: deque[Burst] = deque()
        beats: deque[tuple[int, int, int]] = deque()
        answers: deque[tuple[int, int, int]] = deque()
        worst = 0
        held_address: tuple[int, ...] | None = None
        held_beat: tuple[int, ...] | None = None
        address = [getattr(bus, f"aw{name}") for name in _ADDRESS]
        answering = False
        while True:
            ctx.set(bus.awready, not self.blocked and rng.random() >= self.stall)
            ctx.set(bus.wready, not self.blocked and rng.random() >= self.stall)
            ripe = answers and cycle >= answers[0][2] + self.latency and not self.blocked
            if not answering and ripe and rng.random() >= self.stall:
                answering = True
                ctx.set(bus.bid, answers[0][0])
                ctx.set(bus.bresp, answers[0][1])
            ctx.set(bus.bvalid, answering)
            sampled = await ctx.tick().sample(
                bus.awvalid, bus.awready, bus.wvalid, bus.wready, bus.bready,
                bus.wdata, bus.wstrb, bus.wlast, *address,
            )  # fmt: skip
            awvalid, awready, wvalid, wready, bready, wdata, wstrb, wlast, *values = sampled[2:]
            cycle += 1
            if answering and bready:
                answers.popleft()
                answering = False
            if held_address is not None:
                assert (awvalid, *values) == (1, *held_address), "AW changed before it was taken"
            held_address = tuple(values) if awvalid and not awready else None
            if held_beat is not None:
                beat = (wvalid, wdata, wstrb, wlast)
                assert beat == (1, *held_beat), "W changed before it was taken"
            held_beat = (wdata, wstrb, wlast) if wvalid and not wready else None
            if awvalid and awready:
                bursts.append(self._burst(tuple(values), cycle))
                self.writes.append(bursts[-1])
            if wvalid and wready:
                beats.append((wdata, wstrb, wlast))
                self.strobes.append(wstrb)
                self.write_beats.append(cycle)
            while bursts and beats:
                burst, (wdata, wstrb, wlast) = bursts[0], beats.popleft()
                at = burst.address + burst.sent * self.beat_bytes
                burst.sent += 1
                assert wlast == (burst.sent == burst.beats), f"WLAST wrong at {at:#x}"
                response = self._respond(at)
                worst = max(worst, response)
                if not response:
                    fresh = wdata.to_bytes(self.beat_bytes, "little")
                    for i in range(self.beat_bytes):
                        if wstrb >> i & 1:
                            self.data[at - self.base + i] = fresh[i]
                if wlast:
                    answers.append((burst.id, worst, cycle))
                    worst = 0
                    bursts.popleft()
