"""The list of all proofs: what ``make formal`` runs."""

from __future__ import annotations

from functools import partial
from typing import Any

from .axi_reader import AxiReaderHarness
from .axi_writer import AxiWriterHarness
from .bursts import BurstsHarness
from .dispatch import DispatchHarness
from .element import ElementHarness, element_faults
from .fetch import FetchHarness
from .load import LoadHarness
from .packer import PackerHarness
from .proof import Proof
from .small import small_config
from .store import StoreHarness
from .token_invariants import TokenInvariantsHarness
from .tokens import TokensHarness

__all__ = ["PROOFS"]

_ALL = ("",)


def _proof(
    name: str, states: str, harness: Any, cycles: int, *, options: dict | None = None, **more
) -> Proof:
    return Proof(
        name, states, partial(harness, **(options or {})), cycles,
        **{"faults": tuple(harness.faults), **more},
    )  # fmt: skip


def _element(name: str, cycles: int, *, fields: dict, **more) -> Proof:
    config = small_config(**fields)
    states = "plane sums are those of the products"
    faults = tuple(element_faults(config))
    return Proof(
        name, states, partial(ElementHarness, config=config), cycles, **{"faults": faults, **more}
    )


_BITS = {"weight_bits": 2, "max_weight_bits": 2, "max_shift": 2}

PROOFS: tuple[Proof, ...] = (
    _proof(
        "bursts", "each beat asked for is in one burst, in order", BurstsHarness, 10,
        forever=(_ALL,), short_cycles=8,
    ),
    _proof(
        "packer", "no element is lost, repeated or moved", PackerHarness, 12,
        options={"elements": 2}, forever=(("offered", "prompt"), ("none_lost",)),
        faults=("stall ignored", "overtakes", "end ignored"),
    ),
    _proof(
        "packer 3", "the same where words are padded", PackerHarness, 12,
        options={"elements": 3}, forever=(("offered", "prompt"),), faults=("padding forgotten",),
    ),
    _proof(
        "fetch 32", "instructions come once each, in order", FetchHarness, 16,
        options={"axi_bits": 32}, forever=(("requests_offered", "offered", "no_error"),),
    ),
    _proof(
        "fetch 256", "instructions come once each, in order", FetchHarness, 12,
        options={"axi_bits": 256}, forever=(("requests_offered", "offered", "no_error"),),
    ),
    _proof(
        "dispatch", "instructions reach their engine once each, in order", DispatchHarness, 12,
        options={"depth": 2}, forever=(_ALL,), short_cycles=6,
    ),
    _proof(
        "load", "every beat goes where it belongs; tokens follow it", LoadHarness, 12,
        forever=(("request_offered", "wait_first", "one_place", "no_error"), ("prompt",)),
    ),
    _proof(
        "store", "every word is read and written once; tokens follow it", StoreHarness, 11,
        forever=(
            ("request_offered", "wait_first", "beats_offered", "room", "pairs", "unconfirmed",
             "no_error"),
            ("no_more_words",),
            ("idle",),
        ),
        fault_cycles=14,
    ),
    _proof(
        "axi_reader fetch", "requests become bursts, beats reach FETCH", AxiReaderHarness, 10,
        options={"client": 0}, forever=(_ALL,), fault_cycles=18,
    ),
    _proof(
        "axi_reader load", "requests become bursts, beats reach LOAD", AxiReaderHarness, 10,
        options={"client": 1}, forever=(_ALL,), fault_cycles=14,
        # FETCH goes first, so that LOAD does not suffer from "both at once".
        faults=tuple(f for f in AxiReaderHarness.faults if f != "both at once"),
    ),
    _proof(
        "axi_writer", "beats are written where they belong, confirmed once", AxiWriterHarness, 10,
        forever=(_ALL,),
    ),
    _proof(
        "tokens 3", "legal programs of up to 3 instructions cannot deadlock", TokensHarness, 10,
        options={"depth": 2, "length": 3}, forever=(("no_deadlock",),), faults=(),
    ),
    _proof(
        "tokens", "legal programs of any length cannot deadlock", TokenInvariantsHarness, 6,
        induction=2, short_cycles=3, fault_cycles=16,
    ),
    _element(
        "lut L2 U2 a2", 10, fields={"lanes": 8, "tables": 2, "lookup_group": 2, "act_bits": 2},
        forever=(("room",), ("sum_x",), ("product_0_0",)), short_cycles=8,
    ),
    _element(
        "lut L2 U2 a3", 10, fields={"lanes": 5, "tables": 2, "lookup_group": 2, "act_bits": 3},
        faults=(),
    ),
    _element(
        "lut L3 U2 a2", 14, fields={"lanes": 3, "tables": 2, "lookup_group": 3, "act_bits": 2},
        forever=(("room",),),
    ),
    _element(
        "lut L4 U1 a2", 16, fields={"lanes": 5, "tables": 1, "lookup_group": 4, "act_bits": 2},
        faults=(),
    ),
    _element(
        "lut M2", 10, faults=(),
        fields={"rows": 2, "lanes": 5, "tables": 2, "lookup_group": 2, "act_bits": 2},
    ),
    _element(
        "lut3 U1 a2", 19, fault_cycles=30,
        fields={"pe": "lut3", "lanes": 4, "tables": 1, "lookup_group": 3, "act_bits": 2},
        forever=(("room",),),
    ),
    _element(
        "add K4 a3", 8, forever=(_ALL,),
        fields={"pe": "add", "lanes": 5, "tables": 2, "lookup_group": 2, "act_bits": 3},
    ),
    _element(
        "mac K2 w2a3", 8, forever=(_ALL,),
        fields={"pe": "mac", "lanes": 5, "tables": 1, "lookup_group": 2, "act_bits": 3,
                **_BITS},
    ),
    _element(
        "shiftadd K2 w2a3", 8, forever=(_ALL,),
        fields={"pe": "shiftadd", "lanes": 5, "tables": 1, "lookup_group": 2, "act_bits": 3,
                **_BITS},
    ),
    _element(
        "bitserial and K4 a2", 10, forever=(("room",), ("product_0_0",)),
        fields={"pe": "bitserial", "lanes": 5, "tables": 1, "lookup_group": 4, "act_bits": 2},
    ),
    _element(
        "bitserial xnor K4 a2", 10, forever=(("room",), ("product_0_0",)),
        fields={"pe": "bitserial", "popcount": "xnor", "lanes": 5, "tables": 1, "lookup_group": 4,
                "act_bits": 2},
    ),
)  # fmt: skip
