from __future__ import annotations

import contextlib
import dataclasses
import struct
from pathlib import Path

import gguf
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lutra.host.llm import Checkpoint, CheckpointError, load_checkpoint, save_checkpoint
from lutra.host.llm.architecture import ArchitectureError, DecoderConfig
from lutra.host.llm.ternary import TernaryMatrix, TernaryRangeError, ternarise


@pytest.fixture(scope="module")
def written(tiny: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.gguf"
    save_checkpoint(path, tiny)
    return path


def damaged(written: Path, tmp_path: Path, old: bytes, new: bytes) -> Path:
    data = written.read_bytes()
    assert old in data
    path = tmp_path / "damaged.gguf"
    path.write_bytes(data.replace(old, new, 1))
    return path


def key(name: str) -> bytes:
    return struct.pack("<Q", len(name)) + name.encode()


def text(value: str) -> bytes:
    return struct.pack("<I", 8) + key(value)


def number(value: int) -> bytes:
    return struct.pack("<II", 4, value)


def test_everything_survives(tiny: Checkpoint, written: Path) -> None:
    read = load_checkpoint(written)
    assert read.config == tiny.config
    assert read.tokenizer.tokens == tiny.tokenizer.tokens
    assert read.tokenizer.merges == tiny.tokenizer.merges
    assert np.array_equal(read.embedding, tiny.embedding)
    for name, gain in tiny.gains.items():
        assert np.array_equal(read.gains[name], gain)
    for name, matrix in tiny.matrices.items():
        assert np.array_equal(read.matrices[name].codes, matrix.codes)
        assert read.matrices[name].scale == matrix.scale


def test_blocks_of_zeros_and_odd_scales_survive(tiny: Checkpoint, tmp_path: Path) -> None:
    name = "blk.1.ffn_down.weight"
    scales = np.float16([6.1e-5, 1 / 3, 0.1, 65504.0])
    for scale in scales:
        codes = tiny.matrices[name].codes.copy()
        codes[5] = 0
        codes[:, 256:] = 0
        changed = tiny.matrices | {name: TernaryMatrix(codes, float(scale))}
        save_checkpoint(tmp_path / "z.gguf", dataclasses.replace(tiny, matrices=changed))
        read = load_checkpoint(tmp_path / "z.gguf").matrices[name]
        assert np.array_equal(read.codes, codes)
        assert read.scale == float(scale)


def test_metadata_has_the_usual_keys(written: Path) -> None:
    reader = gguf.GGUFReader(written)
    contents = {name: field.contents() for name, field in reader.fields.items()}
    assert contents["general.architecture"] == "bitnet"
    assert contents["bitnet.block_count"] == 2
    assert contents["bitnet.embedding_length"] == 256
    assert contents["bitnet.feed_forward_length"] == 512
    assert contents["bitnet.attention.head_count"] == 4
    assert contents["bitnet.rope.freq_base"] == 10000.0
    assert contents["tokenizer.ggml.model"] == "gpt2"
    kinds = {tensor.name: tensor.tensor_type.name for tensor in reader.tensors}
    assert kinds["blk.0.attn_qkv.weight"] == "TQ2_0"
    assert kinds["token_embd.weight"] == "F16"
    assert kinds["output_norm.weight"] == "F32"


def test_writing_leaves_no_other_file(tiny: Checkpoint, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a.gguf", tiny)
    save_checkpoint(tmp_path / "a.gguf", tiny)
    assert [path.name for path in tmp_path.iterdir()] == ["a.gguf"]


def test_truncation_anywhere_is_named(written: Path, tmp_path: Path) -> None:
    data = written.read_bytes()
    path = tmp_path / "short.gguf"
    for size in [*range(0, 400, 7), *range(400, len(data), len(data) // 40), len(data) - 40]:
        path.write_bytes(data[:size])
        with pytest.raises(CheckpointError, match=r"truncated in|must not be empty"):
            load_checkpoint(path)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 30_000), value=st.integers(0, 255))
def test_one_wrong_byte_is_harmless_or_named(
    written: Path, tmp_path: Path, at: int, value: int
) -> None:
    data = bytearray(written.read_bytes())
    data[at] = value
    path = tmp_path / "byte.gguf"
    path.write_bytes(data)
    with contextlib.suppress(CheckpointError):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"GGUF", b"GGML", r"begins with b'GGML'; a GGUF begins with b'GGUF'"),
        (b"GGUF\x03", b"GGUF\x01", "version must be 2 or 3, not 1"),
        (text("bitnet"), text("llamas"), "architecture 'llamas'; 'bitnet' expected"),
        (text("gpt2"), text("bert"), "tokenizer 'bert'; 'gpt2' expected"),
        (b"squared-relu", b"squared-silu", "layout .*squared-silu"),
        (key("bitnet.block_count"), key("bitnet.block_kount"), "block_count' is None; int"),
        (
            key("bitnet.block_count") + number(2),
            key("bitnet.block_count") + number(3),
            r"'blk\.2\.attn_norm\.weight' is missing",
        ),
        (
            key("bitnet.block_count") + number(2),
            key("bitnet.block_count") + number(1 << 31),
            "2147483648 blocks announced",
        ),
        (
            key("bitnet.block_count") + number(2),
            key("bitnet.block_count") + number(1),
            "does not belong",
        ),
        (
            key("bitnet.attention.head_count") + number(4),
            key("bitnet.attention.head_count") + number(7),
            "7 heads do not cut",
        ),
        (
            key("bitnet.feed_forward_length") + number(512),
            key("bitnet.feed_forward_length") + number(256),
            r"ffn_down\.weight' has shape \(256, 512\); \(256, 256\) expected",
        ),
        (
            key("bitnet.embedding_length") + number(256),
            key("bitnet.embedding_length") + number(250),
            "width is 250; it must be a positive multiple of 256",
        ),
        (key("output_norm.weight"), key("output_norm.weighs"), "output_norm.weigh"),
    ],
)
def test_foreign_and_inconsistent_files(
    written: Path, tmp_path: Path, old: bytes, new: bytes, message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(damaged(written, tmp_path, old, new))


@pytest.mark.parametrize("place", [8, 16])
def test_false_counts(written: Path, tmp_path: Path, place: int) -> None:
    data = bytearray(written.read_bytes())
    data[place : place + 8] = struct.pack("<Q", 1 << 60)
    path = tmp_path / "counts.gguf"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"1152921504606846976 .* announced"):
        load_checkpoint(path)


def test_false_array_length(written: Path, tmp_path: Path) -> None:
    old = key("tokenizer.ggml.token_type") + struct.pack("<IIQ", 9, 5, 512)
    new = key("tokenizer.ggml.token_type") + struct.pack("<IIQ", 9, 5, 1 << 40)
    with pytest.raises(CheckpointError, match=r"truncated in the value of .*token_type"):
        load_checkpoint(damaged(written, tmp_path, old, new))


def test_uneven_scales_are_refused(written: Path, tmp_path: Path) -> None:
    data = bytearray(written.read_bytes())
    tensor = next(t for t in gguf.GGUFReader(written).tensors if t.name.startswith("blk.0.ffn_up"))
    data[tensor.data_offset + 64 : tensor.data_offset + 66] = np.float16(3.0).tobytes()
    path = tmp_path / "uneven.gguf"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="not ternary with one positive scale"):
        load_checkpoint(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_checkpoint(tmp_path / "none.gguf")


def test_checkpoint_refuses_wrong_shapes_and_numbers(tiny: Checkpoint) -> None:
    with pytest.raises(CheckpointError, match=r"token_embd\.weight' has shape \(512, 255\)"):
        dataclasses.replace(tiny, embedding=tiny.embedding[:, 1:])
    gains = tiny.gains | {"output_norm.weight": np.full(256, np.nan, np.float32)}
    with pytest.raises(CheckpointError, match="not finite"):
        dataclasses.replace(tiny, gains=gains)


def test_ternarise_follows_absmean() -> None:
    matrix = ternarise(np.array([[0.5, -2.0, 0.1, 1.4]], np.float32))
    assert matrix.codes.tolist() == [[0, -1, 0, 1]]
    assert matrix.scale == 1.0


@pytest.mark.parametrize("weights", [[np.nan, 1.0], [1e6, 1e6], [1e-9, 0.0]])
def test_ternarise_refuses(weights: list[float]) -> None:
    with pytest.raises(TernaryRangeError):
        ternarise(np.array([weights], np.float32))


@pytest.mark.parametrize(
    "change", [{"width": 0}, {"hidden": 300}, {"layers": 0}, {"heads": 3}, {"rope_base": 1.0}]
)
def test_architecture_refuses(change: dict[str, int]) -> None:
    with pytest.raises(ArchitectureError):
        dataclasses.replace(DecoderConfig(), **change)
