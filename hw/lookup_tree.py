"""The adder tree of lookups in a device's own adders: of two with signs, or of three without."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Signal, Value, signed

from .config import Config
from .devices import Device
from .devices.device import parity_of

__all__ = ["LookupTree"]


class LookupTree:
    """Trees over the tables of one row, one a lane, that share what lanes have in common.

    As in `hw.adder_tree.signed_tree`, a leaf u stands for ``-leaf`` where its sign is set, nodes
    add or subtract, and one sign is left at the root. Where all entries of a table have the same
    lowest bit (`Config.parity_bits`), leaves come without it: the lowest bit of every node then
    follows from those of the tables alone, signs do not matter, and all lanes share it.

    Parameters
    ----------
    m : Module
    config : Config
    device : Device
    parities : sequence of Value, or None
        Lowest bits of the tables' entries, with the leaves.
    name : str
    """

    def __init__(
        self,
        m: Module,
        config: Config,
        device: Device,
        parities: Sequence[Value] | None,
        *,
        name: str,
    ) -> None:
        self._m, self._config, self._device = m, config, device
        self._levels = _levels(config.tables, config.tree_arity)
        self._parities: list[list[Value]] | None = None
        if parities is not None:
            found = [list(parities)]
            for depth, level in enumerate(self._levels, 1):
                above = [parity_of([found[-1][i] for i in node]) for node in level]
                found.append(self._after(depth, above, name=f"{name}_parity{depth}"))
            self._parities = found

    def sum(self, leaves: Sequence[Value], subtract: Sequence[Value] | None, *, name: str) -> Value:
        """Sum of a lane's leaves, registered as `hw.adder_tree.tree_latency` says.

        Parameters
        ----------
        leaves : sequence of signed Value
        subtract : sequence of Value, or None
            Add/subtract bits with the leaves, see `hw.table`.
        """
        m = self._m
        nodes = [(leaf, u, 1) for u, leaf in enumerate(leaves)]
        controls = list(subtract) if subtract is not None else None
        for depth, level in enumerate(self._levels, 1):
            above, additions = [], []
            for number, group in enumerate(level):
                operands = [nodes[i] for i in group]
                first, count = operands[0][1], sum(n for _, _, n in operands)
                if len(group) > 1:
                    parities = self._parities and [self._parities[depth - 1][i] for i in group]
                    additions.append(
                        {
                            "operands": [v for v, _, _ in operands],
                            "bits": self._bits(count),
                            "name": f"{name}_{depth}_{number}_sum",
                            "subtract": None if controls is None else controls[operands[1][1]],
                            "parities": parities or None,
                        }
                    )
                above.append((operands[0][0], first, count))
            found = iter(self._device.add_all(m, additions))
            above = [
                (next(found) if len(group) > 1 else value, first, count)
                for group, (value, first, count) in zip(level, above, strict=True)
            ]
            values = self._after(depth, [v for v, _, _ in above], name=f"{name}_{depth}")
            nodes = [(v, u, n) for v, (_, u, n) in zip(values, above, strict=True)]
            if controls is not None:
                # Only those of the nodes still to come are kept.
                kept = {u for _, u, _ in nodes}
                late = self._after(
                    depth, [controls[u] for u in sorted(kept)], name=f"{name}_{depth}_subtract"
                )
                for u, value in zip(sorted(kept), late, strict=True):
                    controls[u] = value
        root = nodes[0][0]
        if self._parities is not None:
            root = Cat(self._parities[-1][0], root).as_signed()
        if not self._levels:  # a single table
            last = Signal(signed(len(root)), name=f"{name}_0", reset_less=True)
            m.d.sync += last.eq(root)
            return last
        return root

    def _bits(self, tables: int) -> int:
        """Width of a node over so many tables, without the lowest bit where that is shared."""
        c = self._config
        wide = c.stored_entry_bits + max(tables - 1, 0).bit_length()
        if not c.table_bits:
            wide = min(wide, (tables * c.lookup_group << c.act_bits - 1).bit_length() + 1)
        return wide - c.parity_bits

    def _after(self, depth: int, values: list[Value], *, name: str) -> list[Value]:
        """`values` behind the registers of level `depth`, if it has some."""
        every, last = self._config.tree_pipeline, depth == len(self._levels)
        if not (last or (every and depth % every == 0)):
            return values
        registers = []
        for i, value in enumerate(values):
            register = Signal(value.shape(), name=f"{name}_{i}", reset_less=True)
            self._m.d.sync += register.eq(value)
            registers.append(register)
        return registers


def _levels(leaves: int, arity: int) -> list[list[tuple[int, ...]]]:
    """Nodes of each level as the places of their operands; as many as `tree_latency` counts."""
    levels = []
    while leaves > 1:
        places = range(leaves)
        levels.append([tuple(places[i : i + arity]) for i in range(0, leaves, arity)])
        leaves = len(levels[-1])
    return levels
