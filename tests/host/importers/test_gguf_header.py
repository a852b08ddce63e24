from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Kind

from lutra.host.importers import DamagedFileError, UnsupportedTensorError, load_model
from lutra.host.importers.gguf_header import read_header

from .samples import write_gguf


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return write_gguf(
        tmp_path / "t.gguf",
        {"w": (np.ones((2, 8), np.float32), Kind.F32)},
        text="déjà vu",
        flag=True,
        count=-3,
        ratio=0.25,
        words=["a", "", "ccc"],
        numbers=[1, 2, 3],
        switches=[True, False],
    )


def header_of(path: Path):
    return read_header(memoryview(path.read_bytes()))


def replaced(path: Path, old: bytes, new: bytes) -> Path:
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))
    return path


def test_metadata(written: Path):
    metadata = dict(header_of(written).metadata)
    assert metadata.pop("general.architecture") == "test"
    assert metadata["numbers"].tolist() == [1, 2, 3]
    assert metadata["switches"].tolist() == [True, False]
    del metadata["numbers"], metadata["switches"]
    assert metadata == {
        "text": "déjà vu", "flag": True, "count": -3, "ratio": 0.25, "words": ["a", "", "ccc"],
    }  # fmt: skip


def test_same_places_as_the_package_finds(written: Path):
    for tensor in gguf.GGUFReader(written).tensors:
        place = header_of(written).tensors[tensor.name]
        assert (place.offset, place.nbytes) == (tensor.data_offset, tensor.n_bytes)
        assert place.shape == tuple(tensor.shape[::-1])


def test_every_truncation_is_named(written: Path):
    data = written.read_bytes()
    for size in range(len(data)):
        with pytest.raises(DamagedFileError, match="truncated in"):
            read_header(memoryview(data[:size]))


def key(name: str) -> bytes:
    return struct.pack("<Q", len(name)) + name.encode()


@pytest.mark.parametrize(("old", "new", "message"), [
    (b"GGUF", b"GGML", "begins with b'GGML'"),
    (b"GGUF\3\0\0\0", b"GGUF\4\0\0\0", "version must be 2 or 3, not 4$"),
    (b"GGUF\3\0\0\0", b"GGUF\0\0\0\3", "not 50331648: the file is big-endian"),
    (key("flag"), key("text"), "metadata key 'text' must appear once"),
    (key("flag"), struct.pack("<Q", 1 << 60) + b"flag", "truncated in a metadata key"),
    (key("flag"), key("fl\xff\xfe".encode("latin-1").decode("latin-1"))[:8] + b"fl\xff\xfe",
     "a metadata key at offset .* must be UTF-8"),
    (key("flag") + struct.pack("<I", 7), key("flag") + struct.pack("<I", 13),
     "the value of 'flag' must have a known type, 0 to 12, not 13"),
    (key("words") + struct.pack("<IIQ", 9, 8, 3), key("words") + struct.pack("<IIQ", 9, 8, 1 << 61),
     "truncated in the value of 'words'|not 3"),
    (key("numbers") + struct.pack("<IIQ", 9, 5, 3),
     key("numbers") + struct.pack("<IIQ", 9, 5, 1 << 62), "truncated in the value of 'numbers'"),
    (key("w") + struct.pack("<I", 2), key("w") + struct.pack("<I", 9),
     "'w' must have 1 to 4 dimensions, not 9"),
    (key("w") + struct.pack("<IQQ", 2, 8, 2), key("w") + struct.pack("<IQQ", 2, 1 << 40, 1 << 40),
     r"'w' must have a possible shape"),
    (key("w") + struct.pack("<IQQ", 2, 8, 2), key("w") + struct.pack("<IQQ", 2, 8, 3),
     "truncated in tensor 'w': it ends at byte"),
    (key("w") + struct.pack("<IQQI", 2, 8, 2, 0), key("w") + struct.pack("<IQQI", 2, 8, 2, 2),
     "rows of whole Q4_0 blocks of 32, not of 8"),
    (key("w") + struct.pack("<IQQIQ", 2, 8, 2, 0, 0),
     key("w") + struct.pack("<IQQIQ", 2, 8, 2, 0, 1 << 63), "truncated in tensor 'w'"),
])  # fmt: skip
def test_damage_is_named(written: Path, old: bytes, new: bytes, message: str):
    with pytest.raises(DamagedFileError, match=message):
        load_model(replaced(written, old, new))


@pytest.mark.parametrize(("place", "what"), [(8, "tensors"), (16, "keys")])
def test_false_counts_are_named(written: Path, place: int, what: str):
    data = bytearray(written.read_bytes())
    data[place : place + 8] = struct.pack("<Q", 1 << 62)
    with pytest.raises(DamagedFileError, match=f"4611686018427387904 {what} announced"):
        read_header(memoryview(data))


def test_unknown_types_do_not_hide_the_others(written: Path):
    old = key("w") + struct.pack("<IQQI", 2, 8, 2, 0)
    model = load_model(replaced(written, old, old[:-4] + struct.pack("<I", 999)))
    assert model.tensor("w").type == "type 999"
    with pytest.raises(UnsupportedTensorError, match="not 999"):
        model["w"]


@pytest.mark.parametrize("value", [0, 24, 1 << 31])
def test_alignment_must_be_a_power_of_two(tmp_path: Path, value: int):
    data = (np.ones((2, 8), np.float32), Kind.F32)
    path = write_gguf(tmp_path / "t.gguf", {"w": data}, aaaaaaa=4)
    new = key("general.alignment") + struct.pack("<II", 4, value)
    data = path.read_bytes()
    start = data.index(key("aaaaaaa"))
    path.write_bytes(data[:start] + new + data[start + 8 + 7 + 8 :])
    with pytest.raises(DamagedFileError, match="alignment must be a power of two"):
        load_model(path)


#: Lists a model and prints the processor time that took, and the process' peak memory in MB.
LIST = """
import re, sys, time
from lutra.host import load_model
began = time.process_time()
model = load_model(sys.argv[1])
names = [(t.name, t.type, t.shape, t.nbytes) for t in model.tensors.values()]
taken = time.process_time() - began
# Not getrusage: its maximum begins with that of the process that started this one.
peak = int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1]) / 1024
print(len(names), taken, peak)
"""


def test_listing_four_gigabytes(tmp_path: Path):
    """A file as of an 8B model, 4-bit, with its vocabulary; its weights are a hole in the file."""
    path = tmp_path / "big.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_token_list([f"token {i}" for i in range(128_000)])
    writer.add_token_merges([f"to ken{i}" for i in range(280_000)])
    layers, size = 32, 0
    for layer in range(layers):
        for name, n, k in (("attn_q", 4096, 4096), ("attn_k", 1024, 4096), ("attn_v", 1024, 4096),
                           ("attn_output", 4096, 4096), ("ffn_gate", 14336, 4096),
                           ("ffn_up", 14336, 4096), ("ffn_down", 4096, 14336)):  # fmt: skip
            nbytes = n * k // 256 * 144
            writer.add_tensor_info(
                f"blk.{layer}.{name}.weight", (n, k), np.float32, nbytes, raw_dtype=Kind.Q4_K
            )
            size += nbytes
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size + size + 4096)
    assert path.stat().st_size > 3.9e9
    result = subprocess.run(
        [sys.executable, "-c", LIST, str(path)], capture_output=True, text=True, check=True
    )
    count, seconds, megabytes = map(float, result.stdout.split())
    assert count == 7 * layers
    assert seconds < 1
    assert megabytes < 200
