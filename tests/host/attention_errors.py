"""The first table of docs/attention.md: ``python -m tests.host.attention_errors``."""

from __future__ import annotations

import numpy as np

from lutra.host.accelerator import Accelerator
from lutra.host.attention import KeyValueCache

from .test_attention import error, float_attention, tensors


def main() -> None:
    """Attention with a low-bit cache against float: 128 positions, 64 features, normal numbers."""
    query, keys, values = tensors(128, 2, 1, 64)
    wanted = float_attention(query, keys, values)
    print("bits | root mean square | largest")
    for bits in (8, 6, 4, 3, 2):
        with Accelerator.open("golden", config="w2a8") as device:
            cache = KeyValueCache(device, heads=2, head_width=64, bits=bits)
            cache.append(keys, values)
            out = cache.attend(query)
        largest = np.abs(out - wanted).max() / np.abs(wanted).max()
        print(f"{bits} | {100 * error(out, wanted):.2g} % | {100 * largest:.2g} %")


if __name__ == "__main__":
    main()
