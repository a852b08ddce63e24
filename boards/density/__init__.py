"""Density study: whole arrays of every element at equal throughput, on every target."""
