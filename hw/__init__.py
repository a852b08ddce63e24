"""Amaranth components of the accelerator, and the formats they share with software."""
