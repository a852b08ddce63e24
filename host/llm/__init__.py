"""A ternary language model whose linear layers run on a pluggable integer backend."""
