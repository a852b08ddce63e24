"""From a board's top to its bitstream: synthesis, place-and-route, packing, reports."""
