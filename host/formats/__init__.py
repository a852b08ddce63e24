"""Weight formats of the literature, re-encoded as planes that the hardware already runs."""
