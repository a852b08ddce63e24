"""Damaged model files and programs: each ends well, or with an error of its own name.

    python -m tests.host.importers.fuzz --inputs 1000000

Every input is made from its number alone, so that a failure can be repeated with
``--first N --inputs 1``.
Memory is limited while it runs; what needs more than that fails.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from lutra.host.errors import LutraError
from lutra.host.importers import ImportedTensor, Model
from lutra.host.importers.gguf_file import read_gguf
from lutra.host.importers.onnx_file import read_onnx
from lutra.host.importers.safetensors_file import read_safetensors
from lutra.hw.isa import ErrorCode, IllegalOpcodeError, decode, encode
from lutra.hw.program import INSTRUCTION_BYTES
from lutra.hw.registers import Control, Register, Status
from lutra.sim.functional import FunctionalDevice

from ...sim.test_functional import CONFIG
from .samples import array_sets, samples

#: Of all inputs, in this order.
KINDS = ("gguf", "safetensors", "onnx", "program")
#: Address space beyond what the process has when it begins.
MEMORY_LIMIT = 512 << 20
_BASE = 0x4000
_NUMBERS = (0, 1, 2, 4, 7, 31, 32, 127, 128, 255, 256, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000,
            0xFFFFFFFF, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)  # fmt: skip


def damaged(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """`data` with one to four changes: bits, numbers, pieces gone, doubled or from elsewhere."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        if not out:
            break
        # Headers are where the sizes are.
        at = rng.randrange(min(len(out), rng.choice((64, 512, len(out)))))
        size = rng.choice((1, 1, 2, 4, 8, rng.randrange(1, 64)))
        how = rng.randrange(8)
        if how == 0:
            out[at] ^= 1 << rng.randrange(8)
        elif how == 1:
            out[at] = rng.randrange(256)
        elif how in (2, 3):
            width = rng.choice((1, 2, 4, 8))
            number = rng.choice(_NUMBERS) + rng.choice((-1, 0, 0, 1))
            out[at : at + width] = (number % (1 << 8 * width)).to_bytes(width, "little")
        elif how == 4:
            del out[rng.choice((at, rng.randrange(len(out)))) :]
        elif how == 5:
            del out[at : at + size]
        elif how == 6:
            out[at:at] = out[at : at + size]
        else:
            other = rng.choice(others)
            start = rng.randrange(len(other))
            out[at : at + size] = other[start : start + size]
    return bytes(out)


def rearranged(arrays: dict[str, np.ndarray], rng: random.Random) -> bytes:
    """A safetensors file that is sound as such, of arrays that do not fit each other."""
    found = dict(arrays)
    for _ in range(rng.choice((1, 1, 2))):
        name = rng.choice(sorted(found))
        array, how = found[name], rng.randrange(6)
        if how == 0 and len(found) > 1:
            del found[name]
        elif how == 1:
            axis = rng.randrange(array.ndim)
            keep = rng.choice((0, 1, array.shape[axis] - 1, rng.randrange(array.shape[axis] + 1)))
            found[name] = array[(slice(None),) * axis + (slice(max(keep, 0)),)]
        elif how == 2:
            found[name] = array.reshape(rng.choice(((-1,), (1, *array.shape), array.shape[::-1])))
        elif how == 3:
            kind = rng.choice((np.int32, np.uint8, np.float16, np.float32, np.int64))
            with np.errstate(all="ignore"):
                found[name] = array.astype(kind)
        elif how == 4:
            raw = bytearray(array.tobytes())
            for at in range(0, len(raw), rng.randrange(1, 9)):
                raw[at] = rng.randrange(256)
            found[name] = np.frombuffer(raw, array.dtype).reshape(array.shape)
        else:
            found[rng.choice(("a.weight", "x.weight", "b.qweight", f"{name}_scale"))] = array
    return save({name: np.ascontiguousarray(array) for name, array in found.items()})


class Targets:
    """What damaged inputs are given to."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / f"{os.getpid()}.safetensors"
        self._device = FunctionalDevice(CONFIG, memory_bytes=1 << 16)
        self._opened: dict[str, Callable[[bytes], Model]] = {
            "gguf": lambda data: Model("GGUF", read_gguf(memoryview(data))[1]),
            "onnx": lambda data: Model("ONNX", read_onnx(memoryview(data), None)[1]),
            "safetensors": self._safetensors,
        }

    def _safetensors(self, data: bytes) -> Model:
        self._path.write_bytes(data)
        return Model("safetensors", read_safetensors([self._path], {})[1])

    def run(self, kind: str, data: bytes, encode_too: bool) -> str:
        """Take one input; return the name of what came of it. Anything unnamed is raised."""
        if kind == "program":
            return self._program(data, encode_too)
        try:
            model = self._opened[kind](data)
        except LutraError as error:
            return type(error).__name__
        found = "read"
        for name, tensor in model.tensors.items():
            try:
                if not isinstance(tensor, ImportedTensor):
                    tensor.read()
                elif encode_too:
                    model.encode(name)
                else:
                    tensor.dequantize()
            except LutraError as error:
                found = type(error).__name__
        return found

    def _program(self, data: bytes, encode_too: bool) -> str:
        data = data[:4096]
        for at in range(0, len(data) - INSTRUCTION_BYTES + 1, INSTRUCTION_BYTES):
            try:
                opcode, fields = decode(int.from_bytes(data[at : at + 16], "little"))
            except IllegalOpcodeError:
                continue
            if encode_too and decode(encode(opcode, **fields)) != (opcode, fields):
                raise AssertionError(f"{opcode.name} does not survive its own encoder")
        device = self._device
        device.write_memory(_BASE, data)
        device.write_register(Register.PROGRAM_LO, _BASE)
        device.write_register(Register.PROGRAM_LENGTH, len(data) // INSTRUCTION_BYTES)
        device.write_register(Register.CONTROL, int(Control.START))
        if device.read_register(Register.STATUS) == Status.DONE:
            return "done"
        return ErrorCode(device.read_register(Register.ERROR_CODE)).name


def fuzz(first: int, count: int, *, limit: int = MEMORY_LIMIT) -> dict[str, Counter[str]]:
    """Try the inputs `first` to ``first + count - 1``; count what came of them, by kind.

    Raises
    ------
    AssertionError
        Something else than a named error; its cause is attached.
    """
    sound, sets = {kind: samples(kind) for kind in KINDS}, array_sets()
    found = {kind: Counter() for kind in KINDS}
    memory = Path("/dev/shm")  # a folder in memory, where there is one
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    where = memory if memory.is_dir() else None
    with warnings.catch_warnings(), tempfile.TemporaryDirectory(dir=where) as folder:
        targets = Targets(Path(folder))
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + limit, hard))
        try:
            warnings.simplefilter("error")
            for number in range(first, first + count):
                kind = KINDS[number % len(KINDS)]
                rng = random.Random(number)
                if kind == "safetensors" and rng.randrange(2):
                    data = rearranged(rng.choice(sets), rng)
                else:
                    data = damaged(rng.choice(sound[kind]), sound[kind], rng)
                try:
                    # Encoding takes ten times as long as decoding.
                    found[kind][targets.run(kind, data, rng.randrange(16) == 0)] += 1
                except Exception as error:
                    raise AssertionError(
                        f"input {number} ({kind}): {type(error).__name__}: {error}"
                    ) from error
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    return found


def main() -> None:
    """Fuzz and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = fuzz(options.first, options.inputs)
    taken = time.monotonic() - started
    for kind, counts in found.items():
        named = ", ".join(f"{count:,} {name}" for name, count in counts.most_common())
        print(f"{kind}: {counts.total():,} inputs: {named}")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(
        f"{options.inputs:,} inputs in {taken:.0f} s, {options.inputs / taken:.0f} a second; "
        f"memory grew by {grown:.0f} MB; nothing but named errors"
    )


if __name__ == "__main__":
    sys.exit(main())
