"""Latency of every processing element: hardware and cycle model both go by it."""

from __future__ import annotations

from .adder_tree import tree_latency
from .config import Config

__all__ = ["element_latency", "latencies", "rescale_latency"]


def element_latency(config: Config) -> int:
    """Cycles from a weight word to its plane sums (from its last pass, where it has several).

    An adder tree over the tables of a row (`lut`, `lut3`), behind a register of the weight word
    where tables are in memories, or a tree over the inputs of a K block; `mac`
    and `shiftadd` register their products in front of it, and on a device their operands in front
    of those. `bitserial` registers its counts and its
    sums, and with XNOR the sums once more, corrected.
    """
    if config.pe == "bitserial":
        return 3 if config.popcount == "xnor" else 2
    if config.pe in ("lut", "lut3"):
        tree = tree_latency(config.tables, config.tree_pipeline, config.tree_arity)
        return config.lookup_registers + tree
    tree = tree_latency(config.k_block, config.tree_pipeline)
    return config.operand_registers + (config.pe != "add") + tree


def rescale_latency(config: Config) -> int:
    """Cycles through zero point and group scale: a sum, the halves of a product, their sum."""
    return 2 + (config.scale_bits > 0)


def latencies(config: Config) -> dict[str, int]:
    """Pipeline latencies in cycles, by name: what the manifest tells."""
    element = element_latency(config)
    return {
        "element": element,  # weight word to plane sums
        "lookup_to_partial_sum": element
        + 2
        + rescale_latency(config),  # issue of a lookup to the written partial sum
        "table_set": config.build_cycles + config.lookup_registers,  # K block to tables ready
    }
