"""Bounded proofs of the hardware with Yosys and z3: see `lutra.tb.formal.proofs`."""
