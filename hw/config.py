"""The configuration of one accelerator: its fields and what they may be."""

from __future__ import annotations

from dataclasses import dataclass, fields

from .memory_words import MemoryWords
from .widths import LUTRAM_DEPTHS, bits_for

__all__ = [
    "DEVICES",
    "PROCESSING_ELEMENTS",
    "TABLE_FEEDS",
    "TABLE_FORMS",
    "TABLE_STORAGES",
    "Config",
    "ConfigError",
    "bits_for",
]

#: Processing elements behind the common seam (`hw.processing_element`).
PROCESSING_ELEMENTS = ("lut", "lut3", "bitserial", "add", "mac", "shiftadd")

#: What the `bitserial` element counts.
POPCOUNTS = ("and", "xnor")

#: Families of devices whose own cells an array can be made of (`hw.devices`).
DEVICES = ("generic", "ecp5", "xc7")

#: How the tables of `lut` and `lut3` are stored, and which entries they hold.
TABLE_STORAGES = ("registers", "cells", "lutram", "bram")
TABLE_FORMS = ("half", "full")

#: How the buffer of FETCH is read.
FETCH_STORAGES = ("registers", "bram")

#: How activations reach the tables' builders.
TABLE_FEEDS = ("block", "stream")


class ConfigError(ValueError):
    """A configuration that no hardware can be built from; the text names field and constraint."""


@dataclass(frozen=True, kw_only=True)
class Config(MemoryWords):
    """One accelerator, as the generator builds it.

    The product computed is ``Y[M, N] = X[M, K] @ W[N, K].T``; `rows`, `lanes`, `tables` and
    `lookup_group` are the extents of the array in M, N and (together) K that one cycle covers.

    Parameters
    ----------
    name : str
        Free text; not part of the hardware, not part of the hash.
    pe : {"lut", "lut3", "bitserial", "add", "mac", "shiftadd"}
        Processing element.
    weight_bits : int
        Nominal width of the weights, 1 to 8: what benchmarks and examples use, and the width of
        the digits of `mac` and `shiftadd`. The hardware runs every width from 1 to
        `max_weight_bits`.
    act_bits : int
        Width of one stored activation (two's complement), 2 to 16.
    rows, lanes, tables, lookup_group : int
        The array's shape: activation rows M, output lanes N, tables per row U, and activations
        per table L. ``tables * lookup_group`` inputs make one K block.
    max_weight_bits : int
        Widest weight the accumulators are sized for: the magnitudes of all planes of a
        program must not add up to more than ``2**max_weight_bits - 1``.
    max_shift : int
        Largest left shift between two successive planes, 1 to 7.
    scale_bits : int
        Width of the unsigned group scale inside the accelerator; 0 builds no multiplier.
    psum_bits : int
        Width of one partial sum.
    axi_bits, addr_bits : int
        Data and address width of the memory port.
    act_depth, weight_depth, scale_depth, psum_depth : int
        Depths of the on-chip buffers in words, powers of two.
    act_exponent_bits : int
        Width of the exponent that each row of a K block carries (block-scaled activations): the
        block's contribution is shifted left by it. 0 for plain integers, at most 5.
    table_bits : int
        Width of a stored table entry where tables are quantised, 4 to the exact width; 0 stores
        them exactly. See `hw.table_quantiser`.
    popcount : {"and", "xnor"}
        What `bitserial` counts, see `hw.bitserial_array`; of no effect elsewhere.
    device : {"generic", "ecp5", "xc7"}
        Whose cells tables in memories and the adders behind them are made of; ``generic`` leaves
        both to the synthesiser. See `hw.devices`. With `mac` and `shiftadd` the adders of the
        partial sums, and operands are registered in front of the multipliers.
    table_storage : {"registers", "cells", "lutram", "bram"}
        How tables are stored: flip-flops and multiplexers, the same arranged for standard cells
        (`hw.cell_tables`), distributed memory, or block memory (for large tables: `lookup_group` to
        10; two lanes share one, a single bank).
    table_banks : int
        2: the next K block's tables are built while this one's are in use. 1: they share one
        place, half the memory, and lookups wait while they are built.
    table_form : {"half", "full"}
        ``half``: one entry of each pair of mirror images, and signs in the adder tree.
        ``full``: all ``2**L`` (27 for `lut3`) entries, and no signs.
    table_feed : {"block", "stream"}
        ``block``: a K block's activations are read at once, and kept by the builders. ``stream``:
        one activation a table and cycle, in the order in which tables are built, so that the
        activation buffer is narrow and builders are little more than an adder. Table u then covers
        inputs u, U + u, 2 U + u, ..., and a K block costs one more cycle, in which the array itself
        adds its activations up.
    feed_rows : int
        Rows whose tables are built at once with ``table_feed = "stream"``, a divisor of `rows`; 0
        stands for all. Fewer rows take turns: fewer adders, and entries of all rows reach the lanes
        over the same wires, but building takes as many times longer, and each turn's entries have
        memories of their own.
    group_zeros : int
        1: every (output, group) may have a zero point of its own. 0: one for the whole matrix,
        which saves a multiplier an output; needs ``scale_bits = 0``.
    tree_pipeline : int
        Adder levels between two registers of the adder tree; 0 registers its root only.
    fetch_depth : int
        Instructions that FETCH reads ahead, a power of two from 2 to 128.
    fetch_storage : {"registers", "bram"}
        Its buffer: read at once, which devices without such memories make of flip-flops, or a
        cycle later, as block memory is.
    queue_depth : int
        Instructions in the queue of each engine, at most 16. 0: an instruction waits in FETCH's
        register until its engine takes it, and the lookups of an LMMA begin with its tables.
    load_depth, store_depth : int
        Instructions of LOAD and STORE, and bursts of theirs, under way at once, 1 to 64.
    requantise_lanes : int
        Elements that STORE requantises a cycle, a power of two to 64; 0 builds nothing for it, and
        such a STORE is an illegal field.
    counters : int
        1 counts all of `hw.registers.COUNTERS`, 0 only cycles; the others read as 0.
    error_addresses : int
        0: ERROR_ADDRESS reads as 0, and synthesis drops all that would have led there.
    compact : int
        1: of the program's address and length and of its planes only so many bits are kept as a
        program without errors needs; errors are found as ever. PROGRAM_LO, PROGRAM_HI and
        PROGRAM_LENGTH then read as what is kept.

    Raises
    ------
    TypeError
        A field has the wrong type.
    ConfigError
        A field, or a combination of fields, is outside what can be built.
    """

    name: str = "custom"
    pe: str = "lut"
    weight_bits: int = 2
    act_bits: int = 8
    rows: int = 1
    lanes: int = 16
    tables: int = 8
    lookup_group: int = 4
    max_weight_bits: int = 8
    max_shift: int = 3
    scale_bits: int = 8
    psum_bits: int = 32
    axi_bits: int = 512
    addr_bits: int = 32
    act_depth: int = 512
    weight_depth: int = 1024
    scale_depth: int = 512
    psum_depth: int = 1024
    act_exponent_bits: int = 0
    table_bits: int = 0
    popcount: str = "and"
    device: str = "generic"
    table_storage: str = "registers"
    table_banks: int = 2
    table_form: str = "half"
    table_feed: str = "block"
    feed_rows: int = 0
    group_zeros: int = 1
    tree_pipeline: int = 0
    fetch_depth: int = 32
    fetch_storage: str = "registers"
    queue_depth: int = 4
    load_depth: int = 16
    store_depth: int = 8
    requantise_lanes: int = 4
    counters: int = 1
    error_addresses: int = 1
    compact: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            value, wanted = getattr(self, field.name), str if field.type == "str" else int
            if not isinstance(value, wanted) or isinstance(value, bool):
                raise TypeError(f"{field.name} must be {wanted.__name__}, not {value!r}")
        self._check("pe", self.pe in PROCESSING_ELEMENTS, f"one of {PROCESSING_ELEMENTS}")
        self._check("popcount", self.popcount in POPCOUNTS, f"one of {POPCOUNTS}")
        self._check("device", self.device in DEVICES, f"one of {DEVICES}")
        self._check("table_form", self.table_form in TABLE_FORMS, f"one of {TABLE_FORMS}")
        self._check(
            "table_storage", self.table_storage in TABLE_STORAGES, f"one of {TABLE_STORAGES}"
        )
        self._within("max_weight_bits", 1, 8)
        self._within("weight_bits", 1, self.max_weight_bits)
        self._within("act_bits", 2, 16)
        self._within("rows", 1, 64)
        self._within("lanes", 1, 1024)
        self._within("tables", 1, 256)
        if self.pe == "lut3":
            self._check("lookup_group", self.lookup_group == 3, "3 for pe = 'lut3'")
        large = self.table_storage == "bram" and self.pe == "lut"
        self._within("lookup_group", 2 if self.pe == "lut" else 1, 10 if large else 6)
        several = self.digit_bits < self.max_weight_bits  # more than one digit a weight
        self._within("max_shift", self.digit_bits if several else 1, 7)
        self._within("scale_bits", 0, 16)
        self._within("addr_bits", 12, 40)
        self._within("act_exponent_bits", 0, 5)
        if self.table_bits:
            self._check("table_bits", self.pe in ("lut", "lut3"), f"0 for pe = {self.pe!r}")
            self._within("table_bits", 4, self.entry_bits)
        self._check_tables()
        self._within("tree_pipeline", 0, 8)
        self._check_queues()
        self._within("psum_bits", 8, 64)
        self._check(
            "axi_bits", self.axi_bits in (32, 64, 128, 256, 512, 1024), "32, 64, ... or 1024"
        )
        for depth in ("act_depth", "weight_depth", "scale_depth", "psum_depth"):
            value = getattr(self, depth)
            self._check(depth, 16 <= value <= 16384 and value & (value - 1) == 0,
                        "a power of two from 16 to 16384")  # fmt: skip
        least = self.scaled_bits
        self._check("psum_bits", self.psum_bits >= least, f"at least {least} for these widths")
        for what in ("act", "scale"):
            share = self.words_per_row(getattr(self, f"{what}_word_bits"))
            self._check(f"{what}_depth", getattr(self, f"{what}_depth") >= share,
                        f"at least the {share} words of a bus beat")  # fmt: skip
        # These words share no beat; a weight word may leave the end of its beat unused.
        whole = 1 << bits_for(self.weight_word_bits)
        for what, word in (("weight", whole), ("psum", self.psum_word_bits)):
            self._check("axi_bits", self.axi_bits <= word,
                        f"at most the {word} bits of a {what} word")  # fmt: skip

    def _check_tables(self) -> None:
        """Storage, banks and form of the tables against the element and the device."""
        self._within("table_banks", 1, 2)
        self._check("table_feed", self.table_feed in TABLE_FEEDS, f"one of {TABLE_FEEDS}")
        if self.table_feed == "stream":
            self._check("feed_rows", self.feed_rows >= 0 and self.rows % self.built_rows == 0,
                        f"0 or a divisor of the {self.rows} rows")  # fmt: skip
        else:
            self._check("feed_rows", self.feed_rows == 0, "0 with table_feed = 'block'")
        self._within("group_zeros", int(self.scale_bits > 0), 1)
        plain = (("table_storage", "registers"), ("table_banks", 2), ("table_form", "half"),
                 ("table_feed", "block"))  # fmt: skip
        if self.pe not in ("lut", "lut3"):
            if self.pe not in ("mac", "shiftadd"):
                plain = (*plain, ("device", "generic"))
            for name, value in plain:
                self._check(name, getattr(self, name) == value, f"{value!r} for pe = {self.pe!r}")
        elif self.table_storage in ("registers", "cells"):
            for name, value in (("device", "generic"), ("table_feed", "block")):
                self._check(name, getattr(self, name) == value,
                            f"{value!r} for table_storage = {self.table_storage!r}")  # fmt: skip
        if self.table_feed == "stream":
            good = not self.table_bits and not self.act_exponent_bits
            self._check("table_feed", good, "'block' with table_bits or act_exponent_bits")
            self._check("axi_bits", self.slice_bits % self.axi_bits == 0,
                        f"a divisor of the {self.slice_bits} bits of one activation for each table "
                        f"and row with table_feed = 'stream'")  # fmt: skip
        if self.table_form == "full":
            self._check("table_bits", not self.table_bits, "0 for table_form = 'full'")
        if self.table_storage == "bram":
            self._check("table_banks", self.table_banks == 1, "1 for table_storage = 'bram'")
        if self.table_storage == "lutram" and self.device != "generic":
            most = LUTRAM_DEPTHS[self.device]
            self._check("table_banks", self.table_depth <= most,
                        f"such that {self.table_depth} entries fit the {most} of an {self.device} "
                        f"memory (fewer banks or a smaller lookup_group)")  # fmt: skip

    def _check_queues(self) -> None:
        """What lies between the engines, and what may be left out."""
        ahead, lanes = self.fetch_depth, self.requantise_lanes
        self._check("fetch_depth", 2 <= ahead <= 128 and ahead & (ahead - 1) == 0,
                    "a power of two from 2 to 128")  # fmt: skip
        self._check("requantise_lanes", 0 <= lanes <= 64 and lanes & (lanes - 1) == 0,
                    "0 or a power of two up to 64")  # fmt: skip
        self._check("fetch_storage", self.fetch_storage in FETCH_STORAGES,
                    f"one of {FETCH_STORAGES}")  # fmt: skip
        self._within("queue_depth", 0, 16)
        self._within("load_depth", 1, 64)
        self._within("store_depth", 1, 64)
        self._within("counters", 0, 1)
        self._within("error_addresses", 0, 1)
        self._within("compact", 0, 1)

    def _check(self, name: str, good: bool, constraint: str) -> None:
        if not good:
            raise ConfigError(f"{name} must be {constraint}, not {getattr(self, name)!r}")

    def _within(self, name: str, low: int, high: int) -> None:
        self._check(name, low <= getattr(self, name) <= high, f"from {low} to {high}")
