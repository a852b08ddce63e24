"""Sentence encoders: BERT checkpoints as ONNX graphs, and sentences through them."""

from __future__ import annotations

__all__: list[str] = []
