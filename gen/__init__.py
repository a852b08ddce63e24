"""Configurations by name or file, and their elaboration to Verilog and a manifest."""
