"""The common front of LOAD and STORE: checks an instruction, waits for tokens, asks for memory."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out

from .bursts import MemoryRequest, beat_address_bits, request_beats
from .config import Config, bits_for
from .interfaces import ErrorReport
from .isa import Engine, ErrorCode

__all__ = ["Issue", "IssueItem"]


def IssueItem(config: Config, extra: data.Layout) -> data.StructLayout:  # noqa: N802
    """A decoded instruction: what memory it moves, and `extra` that only its engine reads.

    `code` is an error that the engine found itself, or `ErrorCode.NONE`; `origin` the address
    of the instruction.
    """
    return data.StructLayout(
        {
            "wait": 3,
            "signal": 3,
            "address": 40,
            "beats": bits_for(request_beats(config) + 1),
            "code": ErrorCode,
            "origin": 40,
            "extra": extra,
        }
    )


class Issue(Component):
    """Issues instructions ahead of the data they move.

    An instruction is taken from `items`, checked (tokens to or from oneself; memory address a
    multiple of the beat, end within the address width), then asks for its tokens, and at last
    leaves as a request on `requests` and an item on `started`, both in the same cycle. The first
    instruction that fails a check stays and is reported on `error` until reset.

    Latency: 3 cycles from `items` to `requests` while no token is missing; an instruction every 2
    cycles. With ``Config.queue_depth = 0`` there is one register instead of two: 2 cycles.

    Parameters
    ----------
    config : Config
    engine : Engine
        Whose instructions these are.
    extra : data.Layout
        See `IssueItem`.

    Attributes
    ----------
    items : In(stream of `IssueItem`)
    wait, wait_valid, wait_ready
        As in `TokenPort`.
    requests : Out(stream of `MemoryRequest`)
    started : Out(stream)
        `signal` and `extra` of the instruction.
    error : Out(ErrorReport)
    halt : In(1)
        Keeps instructions from being taken and from leaving.
    busy, waiting : Out(1)
        An instruction is here; the oldest one lacks a token.
    """

    def __init__(self, config: Config, engine: Engine, *, extra: data.Layout) -> None:
        self._config = config
        self._engine = Engine(engine)
        self._queued = config.queue_depth > 0
        super().__init__(
            {
                "items": In(stream.Signature(IssueItem(config, extra))),
                "wait": Out(3),
                "wait_valid": Out(1),
                "wait_ready": In(1),
                "requests": Out(stream.Signature(MemoryRequest(config))),
                "started": Out(stream.Signature(data.StructLayout({"signal": 3, "extra": extra}))),
                "error": Out(ErrorReport()),
                "halt": In(1),
                "busy": Out(1),
                "waiting": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        low = beat_address_bits(self._config)
        taken = Signal.like(self.items.payload, reset_less=True)
        taken_valid = Signal()
        head = Signal.like(self.items.payload, reset_less=True)
        head_valid, allowed = Signal(), Signal()

        leave, refill = Signal(), Signal()
        m.d.comb += [
            leave.eq(allowed & self.requests.ready & self.started.ready & ~self.halt),
            refill.eq(~head_valid | leave),
            self.items.ready.eq((~taken_valid if self._queued else refill) & ~self.halt),
        ]

        item = self.items.payload
        domain, free = m.d.comb, Const(1)
        if self._queued:
            domain, free = m.d.sync, ~taken_valid
            with m.If(refill):
                m.d.sync += taken_valid.eq(0)
        with m.If(free):
            domain += [taken_valid.eq(self.items.valid & ~self.halt), taken.eq(item)]
            with m.If(item.wait[self._engine] | item.signal[self._engine]):
                domain += taken.code.eq(ErrorCode.ILLEGAL_FIELD)

        end = (taken.address >> low) + taken.beats
        beyond = end > 1 << (self._config.addr_bits - low)
        with m.If(refill):
            m.d.sync += [head_valid.eq(taken_valid), head.eq(taken), allowed.eq(0)]
            with m.If((taken.code == ErrorCode.NONE) & (beyond | taken.address[:low].any())):
                m.d.sync += head.code.eq(ErrorCode.ADDRESS)

        wrong = head.code != ErrorCode.NONE
        m.d.comb += [
            self.wait.eq(head.wait),
            self.wait_valid.eq(head_valid & ~wrong & ~allowed & ~self.halt),
            self.waiting.eq(self.wait_valid & ~self.wait_ready),
            self.busy.eq(taken_valid | head_valid),
            self.error.valid.eq(head_valid & wrong),
            self.error.code.eq(head.code),
            self.error.address.eq(head.origin),
        ]
        with m.If(self.wait_valid & self.wait_ready):
            m.d.sync += allowed.eq(1)

        m.d.comb += [
            self.requests.payload.address.eq(head.address),
            self.requests.payload.beats.eq(head.beats),
            self.requests.valid.eq(allowed & self.started.ready & ~self.halt),
            self.started.payload.signal.eq(head.signal),
            self.started.payload.extra.eq(head.extra),
            self.started.valid.eq(allowed & self.requests.ready & ~self.halt),
        ]
        return m
