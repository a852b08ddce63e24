"""The shape of a language model: all that its cost depends on."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from ..errors import LutraError

__all__ = ["EstimateError", "Linear", "ModelShape", "WeightFormat"]

#: Sizes beyond it belong to no model and would only take memory.
_MOST = 1 << 24


class EstimateError(LutraError, ValueError):
    """A model or board that nothing can be said of; the text says what is missing."""


@dataclass(frozen=True, kw_only=True)
class WeightFormat:
    """How weights are stored.

    Parameters
    ----------
    bits : int
        Of a code, 1 to 8.
    ternary : bool
        Only -1, 0 and +1 occur; a native ternary element takes one plane for them.
    group_size : int, optional
        Inputs that share a scale and a zero point of their own; by default a row has one.

    Raises
    ------
    EstimateError
        A field is outside its range.
    """

    bits: int
    ternary: bool = False
    group_size: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= 8:
            raise EstimateError(f"bits must be from 1 to 8, not {self.bits}")
        if self.ternary and self.bits != 2:
            raise EstimateError(f"bits must be 2 for ternary weights, not {self.bits}")
        if self.group_size is not None and self.group_size < 1:
            raise EstimateError(f"group_size must be at least 1, not {self.group_size}")

    def __str__(self) -> str:
        name = "ternary" if self.ternary else f"int{self.bits}"
        return name if self.group_size is None else f"{name}, groups of {self.group_size}"


@dataclass(frozen=True, kw_only=True)
class Linear:
    """One kind of matrix product.

    Attributes
    ----------
    name : str
    n, k : int
        Outputs and inputs.
    count : int
        How often the model has it.
    weights : WeightFormat
    every_token : bool
        False for the output layer, of which a prompt needs only the last row.
    """

    name: str
    n: int
    k: int
    count: int
    weights: WeightFormat
    every_token: bool = True


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    """A decoder-only transformer.

    Attributes
    ----------
    name, source : str
        What it is called, and where the numbers come from.
    width, hidden, layers : int
        Residual width, feed-forward width, blocks.
    heads, kv_heads, head_width : int
        Of attention.
    vocabulary : int
    gated : bool
        The feed-forward layer has a gate beside its up projection.
    weights, head : WeightFormat
        Of the blocks, and of the output layer.
    embedding : int, optional
        Width of the token embedding where it is another one, with projections between.

    Raises
    ------
    EstimateError
        A size is not positive, or beyond any model's.
    """

    name: str
    source: str
    width: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_width: int
    vocabulary: int
    gated: bool
    weights: WeightFormat
    head: WeightFormat = WeightFormat(bits=8)
    embedding: int | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type == "int" and not (type(value) is int and 1 <= value <= _MOST):
                raise EstimateError(f"{field.name} must be from 1 to {_MOST}, not {value!r}")
        if self.heads % self.kv_heads:
            raise EstimateError(
                f"heads must be a multiple of kv_heads = {self.kv_heads}, not {self.heads}"
            )

    def linears(self) -> list[Linear]:
        """The products of one token, in order.

        Products of the same activations are one: query, key and value, and gate and up. Stacking
        matrices along their outputs changes no result, since scales belong to outputs.
        """
        attention = (self.heads + 2 * self.kv_heads) * self.head_width
        shapes = [
            ("attn_qkv", attention, self.width),
            ("attn_output", self.width, self.heads * self.head_width),
            ("ffn_gate_up" if self.gated else "ffn_up", (1 + self.gated) * self.hidden, self.width),
            ("ffn_down", self.width, self.hidden),
        ]
        blocks = [
            Linear(name=name, n=n, k=k, count=self.layers, weights=self.weights)
            for name, n, k in shapes
        ]
        if self.embedding is not None:
            inward = Linear(name="project_in", n=self.width, k=self.embedding, count=1,
                            weights=self.weights)  # fmt: skip
            outward = replace(inward, name="project_out", n=self.embedding, k=self.width,
                              every_token=False)  # fmt: skip
            blocks = [inward, *blocks, outward]
        head = Linear(name="output", n=self.vocabulary, k=self.embedding or self.width, count=1,
                      weights=self.head, every_token=False)  # fmt: skip
        return [*blocks, head]

    @property
    def parameters(self) -> int:
        """Weights of all linear layers."""
        return sum(linear.n * linear.k * linear.count for linear in self.linears())
