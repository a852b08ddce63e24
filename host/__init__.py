"""Quantise, pack, drive: everything that runs on the host."""
