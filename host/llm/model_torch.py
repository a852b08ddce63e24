"""The decoder for training: the same integers as inference, with straight-through gradients.

Forward, each linear layer multiplies int8 activation codes with ternary (or int8) weight codes,
exactly as `lutra.host.llm.decoder` does; the codes are kept in bfloat16, which holds every
integer up to 256, so the products are exact up to the rounding of their sum.  Backward, rounding
counts as the identity (Bengio et al. 2013, arXiv:1308.3432), as in BitNet b1.58.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from .architecture import SCALE_FLOOR, DecoderConfig

__all__ = ["TernaryDecoder"]


class _TernaryProduct(torch.autograd.Function):
    """``y = (q(x) @ t(w).T) * scale_x * scale_w``; gradients pass the rounding unchanged."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        x_scale = x.abs().amax(-1, keepdim=True).clamp_min(SCALE_FLOOR) / 127.0
        x_codes = (x / x_scale).round().to(torch.bfloat16)
        w_scale = weight.abs().mean().clamp_min(SCALE_FLOOR)
        w_codes = (weight / w_scale).round().clamp(-1.0, 1.0).to(torch.bfloat16)
        ctx.save_for_backward(x_codes, x_scale, w_codes, w_scale)
        return (x_codes @ w_codes.T).float() * (x_scale * w_scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        x_codes, x_scale, w_codes, w_scale = ctx.saved_tensors
        to_x = (gradients[0] * w_scale).to(torch.bfloat16) @ w_codes
        to_w = (gradients[0] * x_scale).to(torch.bfloat16).T @ x_codes
        return to_x.float(), to_w.float()


class _HeadProduct(torch.autograd.Function):
    """The output head: int8 weights with one scale per row instead of ternary ones."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        x_scale = x.abs().amax(-1, keepdim=True).clamp_min(SCALE_FLOOR) / 127.0
        x_codes = (x / x_scale).round().to(torch.bfloat16)
        w_scale = weight.abs().amax(-1).clamp_min(SCALE_FLOOR) / 127.0
        w_codes = (weight / w_scale[:, None]).round().to(torch.bfloat16)
        ctx.save_for_backward(x_codes, x_scale, w_codes, w_scale)
        return (x_codes @ w_codes.T).float() * x_scale * w_scale

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        x_codes, x_scale, w_codes, w_scale = ctx.saved_tensors
        to_x = (gradients[0] * w_scale).to(torch.bfloat16) @ w_codes
        to_w = (gradients[0] * x_scale).to(torch.bfloat16).T @ x_codes
        return to_x.float(), to_w.float()


def _normalise(x: Tensor, gain: Tensor, epsilon: float) -> Tensor:
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + epsilon) * gain


class TernaryDecoder(nn.Module):
    """Trainable decoder; parameters carry the tensor names of the GGUF, dots as slashes.

    Parameters
    ----------
    config : DecoderConfig
        Shape; ``context`` positions at most per row.
    """

    cosine: Tensor
    sine: Tensor

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.matrices = nn.ParameterDict()
        self.gains = nn.ParameterDict()
        for name, shape in config.ternary_shapes().items():
            self.matrices[_key(name)] = nn.Parameter(torch.randn(shape) * shape[1] ** -0.5)
        for name, shape in config.norm_shapes().items():
            self.gains[_key(name)] = nn.Parameter(torch.ones(shape))
        self.embedding = nn.Parameter(torch.randn(config.vocabulary, config.width) * 0.02)
        half = config.head_width // 2
        frequencies = config.rope_base ** (-torch.arange(half, dtype=torch.float64) / half)
        angles = torch.arange(config.context, dtype=torch.float64)[:, None] * frequencies
        self.register_buffer("cosine", angles.cos().float(), persistent=False)
        self.register_buffer("sine", angles.sin().float(), persistent=False)

    def named_tensors(self) -> dict[str, Tensor]:
        """Return every trained tensor under its GGUF name."""
        named = {name: self.matrices[_key(name)] for name in self.config.ternary_shapes()}
        named |= {name: self.gains[_key(name)] for name in self.config.norm_shapes()}
        named["token_embd.weight"] = self.embedding
        return {name: tensor.detach() for name, tensor in named.items()}

    def forward(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Return the mean negative log-likelihood in nats of ``targets`` given ``tokens``.

        Both are ``[rows, positions]`` integer tensors.
        """
        rows, positions = tokens.shape
        x = functional.embedding(tokens, self.embedding).reshape(rows * positions, -1)
        for layer in range(self.config.layers):
            x = x + self._attention(x, layer, rows)
            x = x + self._feed_forward(x, layer)
        x = _normalise(x, self.gains[_key("output_norm.weight")], self.config.norm_epsilon)
        logits = _HeadProduct.apply(x, self.embedding)
        return functional.cross_entropy(logits, targets.reshape(-1))

    def _attention(self, x: Tensor, layer: int, rows: int) -> Tensor:
        config = self.config
        mixed = self._linear(x, layer, "attn_norm", "attn_qkv").view(
            rows, -1, 3, config.heads, config.head_width
        )
        query, key, value = mixed.permute(2, 0, 3, 1, 4)
        out = functional.scaled_dot_product_attention(
            self._rotate(query).to(torch.bfloat16),
            self._rotate(key).to(torch.bfloat16),
            value.to(torch.bfloat16),
            is_causal=True,
        )
        out = out.transpose(1, 2).reshape(x.shape[0], config.width).float()
        return self._linear(out, layer, "attn_sub_norm", "attn_output")

    def _rotate(self, x: Tensor) -> Tensor:
        first, second = x.chunk(2, dim=-1)
        cosine, sine = self.cosine[: x.shape[2]], self.sine[: x.shape[2]]
        return torch.cat((first * cosine - second * sine, second * cosine + first * sine), -1)

    def _feed_forward(self, x: Tensor, layer: int) -> Tensor:
        gate, up = self._linear(x, layer, "ffn_norm", "ffn_up").chunk(2, dim=-1)
        return self._linear(gate.relu().square() * up, layer, "ffn_sub_norm", "ffn_down")

    def _linear(self, x: Tensor, layer: int, norm: str, matrix: str) -> Tensor:
        gain = self.gains[_key(f"blk.{layer}.{norm}.weight")]
        weight = self.matrices[_key(f"blk.{layer}.{matrix}.weight")]
        return _TernaryProduct.apply(_normalise(x, gain, self.config.norm_epsilon), weight)


def _key(name: str) -> str:
    # torch keeps dots in parameter names for its own module tree
    return name.replace(".", "/")
