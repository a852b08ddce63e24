"""Proofs of the hardware with Yosys, z3 and ABC: see `lutra.tb.formal.proofs`."""
