"""ONNX graphs: products with static weights on the accelerator, the rest in onnxruntime."""

from __future__ import annotations

__all__: list[str] = []
