"""Whole models: a sentence encoder and a classifier, and how near they are to float32."""

from __future__ import annotations

__all__: list[str] = []
