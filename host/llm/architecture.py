"""Shape of the ternary decoder: the numbers every other file of the package agrees on.

The decoder is a small BitNet b1.58 transformer: RMSNorm before every linear group, rotary
positions, a gated squared-ReLU feed-forward, no biases, ternary weights with one scale per
tensor, and eight-bit activations with one scale per token.

References
----------
Ma, S. et al. (2024), "The Era of 1-bit LLMs: All Large Language Models are in 1.58 Bits",
arXiv:2402.17764.
Su, J. et al. (2021), "RoFormer: Enhanced Transformer with Rotary Position Embedding",
arXiv:2104.09864.
Zhang, B. and Sennrich, R. (2019), "Root Mean Square Layer Normalization", arXiv:1910.07467.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from ..errors import LutraError

__all__ = ["MATRIX_MULTIPLE", "SCALE_FLOOR", "ArchitectureError", "DecoderConfig"]

MATRIX_MULTIPLE = 256
"""Every side of a ternary matrix is a multiple of this: one TQ2_0 block."""

SCALE_FLOOR = 1e-5
"""Smallest absmax of a token (and absmean of a weight): keeps an all-zero row defined."""


class ArchitectureError(LutraError, ValueError):
    """A decoder shape that the format or the kernels cannot carry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderConfig:
    """Shape of one decoder.

    Parameters
    ----------
    width : int
        Residual width ``d``, a multiple of 256.
    hidden : int
        Feed-forward width, a multiple of 256.
    layers : int
        Number of blocks.
    heads : int
        Attention heads; ``width / heads`` must be even (rotary pairs).
    vocabulary : int
        Number of tokens, a multiple of 256.
    context : int
        Positions the model was trained on; longer text slides.
    rope_base : float
        Base of the rotary frequencies, ``theta_i = base ** (-2 i / head_width)``.
    norm_epsilon : float
        Added to the mean square in RMSNorm.

    Raises
    ------
    ArchitectureError
        If a size is not positive, not a multiple of 256, or not divisible by the heads.
    """

    width: int = 256
    hidden: int = 512
    layers: int = 4
    heads: int = 4
    vocabulary: int = 1024
    context: int = 256
    rope_base: float = 10000.0
    norm_epsilon: float = 1e-5

    def __post_init__(self) -> None:
        for name in ("width", "hidden", "vocabulary"):
            size = getattr(self, name)
            if size <= 0 or size % MATRIX_MULTIPLE:
                raise ArchitectureError(
                    f"{name} is {size}; it must be a positive multiple of {MATRIX_MULTIPLE}"
                )
        for name in ("layers", "heads", "context"):
            if getattr(self, name) < 1:
                raise ArchitectureError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.width % (2 * self.heads):
            raise ArchitectureError(
                f"{self.heads} heads do not cut a width of {self.width} into even parts"
            )
        if not self.rope_base > 1.0 or not 0.0 < self.norm_epsilon < 1.0:
            raise ArchitectureError(
                f"rope_base {self.rope_base} must exceed 1 and norm_epsilon "
                f"{self.norm_epsilon} must lie between 0 and 1"
            )
        # GGUF keeps both as float32: a shape must equal itself after being written and read
        for name in ("rope_base", "norm_epsilon"):
            single = struct.unpack("<f", struct.pack("<f", getattr(self, name)))[0]
            object.__setattr__(self, name, single)

    @property
    def head_width(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads

    def ternary_shapes(self) -> dict[str, tuple[int, int]]:
        """Return ``{tensor name: (outputs N, inputs K)}`` of every ternary matrix, in order.

        Query, key and value share one matrix, and so do gate and up: two accelerator calls
        fewer per block than separate matrices, at the price of a shared scale.
        """
        shapes: dict[str, tuple[int, int]] = {}
        for layer in range(self.layers):
            prefix = f"blk.{layer}"
            shapes[f"{prefix}.attn_qkv.weight"] = (3 * self.width, self.width)
            shapes[f"{prefix}.attn_output.weight"] = (self.width, self.width)
            shapes[f"{prefix}.ffn_up.weight"] = (2 * self.hidden, self.width)
            shapes[f"{prefix}.ffn_down.weight"] = (self.width, self.hidden)
        return shapes

    def norm_shapes(self) -> dict[str, tuple[int]]:
        """Return ``{tensor name: (size,)}`` of every normalisation gain, in order."""
        shapes: dict[str, tuple[int]] = {}
        for layer in range(self.layers):
            prefix = f"blk.{layer}"
            shapes[f"{prefix}.attn_norm.weight"] = (self.width,)
            shapes[f"{prefix}.attn_sub_norm.weight"] = (self.width,)
            shapes[f"{prefix}.ffn_norm.weight"] = (self.width,)
            shapes[f"{prefix}.ffn_sub_norm.weight"] = (self.hidden,)
        shapes["output_norm.weight"] = (self.width,)
        return shapes

    @property
    def ternary_weights(self) -> int:
        """Number of ternary weights."""
        return sum(rows * columns for rows, columns in self.ternary_shapes().values())
