"""The cocotb regression of a configuration: golden cases from the driver, run on the top."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..gen.config_names import config_hash
from ..hw.config import Config
from ..sim.recorder import Recorder
from .accelerator import Accelerator
from .quantized_matrix import QuantizedMatrix

__all__ = ["record_cases", "run_regression"]


def _memory_bytes(config: Config) -> int:
    """Memory of the testbench: 1 MiB, or less, so that there are addresses beyond it."""
    return min(1 << 20, 1 << config.addr_bits - 1)


def run_regression(config: Config, out_dir: Path, *, seed: int = 1) -> int:
    """Record cases, run ``lutra.tb.tb_core`` on them; number of cocotb tests, all passed.

    Raises
    ------
    RegressionError
        A test failed.
    """
    from ..sim.cocotb_runner import run_cocotb  # needs the extra lutra[dev]

    folder = out_dir.absolute() / "cases"
    record_cases(config, folder, seed=seed)
    env = {
        "LUTRA_TB_CASES": str(folder),
        "LUTRA_TB_HASH": config_hash(config),
        "LUTRA_TB_MEMORY": str(_memory_bytes(config)),
        "LUTRA_TB_ERROR_ADDRESSES": str(config.error_addresses),
    }
    return run_cocotb(config, "lutra.tb.tb_core", out_dir=out_dir, env=env, seed=seed)


def record_cases(config: Config, folder: Path, *, seed: int = 1) -> list[Path]:
    """Write the programs of some products, with golden results, as ``.npz`` files.

    Shapes are chosen around the array's: one block, ragged edges in every direction, several
    chunks, groups with scales and zero points, and the extremes of every width.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.npz"):
        old.unlink()
    random = np.random.default_rng(seed)
    paths = []
    for x, weights in _products(config, random):
        # Every case stands for itself: a fresh memory, nothing left over from the one before.
        recorder = Recorder(config, memory_bytes=_memory_bytes(config))
        with Accelerator(recorder, config=config) as device:
            device.matmul(x, device.load(weights))
        for case in recorder.cases:
            paths.append(folder / f"case{len(paths):02}.npz")
            case.save(paths[-1])
    return paths


def _products(
    config: Config, random: np.random.Generator
) -> list[tuple[np.ndarray, QuantizedMatrix]]:
    c = config
    lanes, block, top = c.lanes, c.k_block, 1 << c.act_bits - 1

    def acts(m: int, k: int, *, extreme: bool = False) -> np.ndarray:
        values = random.integers(-top, top, (m, k))
        return np.where(random.random((m, k)) < 0.5, -top, top - 1) if extreme else values

    def codes(n: int, k: int, bits: int) -> np.ndarray:
        return random.integers(0, 1 << bits, (n, k)).astype(np.uint8)

    bits, most = c.weight_bits, c.max_weight_bits
    products = [
        (acts(1, block), QuantizedMatrix.from_codes(codes(lanes, block, 1), 1)),
        (acts(c.rows + 1, 2 * block - 1), QuantizedMatrix.from_codes(
            codes(2 * lanes + 1, 2 * block - 1, bits), bits)),
        (acts(1, 3 * block, extreme=True), QuantizedMatrix.from_codes(
            codes(3 * lanes, 3 * block, most) // ((1 << most) - 1) * ((1 << most) - 1), most)),
        (acts(3, 9 * block), QuantizedMatrix.from_codes(codes(7 * lanes, 9 * block, bits), bits)),
    ]  # fmt: skip
    n, k, groups = 3 * lanes - 1, 4 * block, 2
    zeros = None
    if bits > 1 and c.group_zeros:
        zeros = random.integers(0, 1 << bits, (n, groups))
    scales = (
        random.integers(1, 1 << min(c.scale_bits, 6), (n, groups)) if c.scale_bits > 1 else None
    )
    products.append((acts(2, k), QuantizedMatrix.from_codes(
        codes(n, k, bits), bits, group_size=k // groups, zero_points=zeros,
        group_scales=scales)))  # fmt: skip
    return products
