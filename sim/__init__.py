"""Golden model, cycle model and compiled simulation of the accelerator."""
