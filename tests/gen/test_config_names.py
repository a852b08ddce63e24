"""Configurations by name and file: presets, parsed names, near matches, canonical text, hash."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lutra.gen.config_names import (
    UnknownConfigError,
    canonical_toml,
    config_hash,
    load_config,
    preset_names,
)
from lutra.hw.config import PROCESSING_ELEMENTS, Config, ConfigError

ISSUE_PRESETS = {"w1a8", "w2a8", "w4a8", "w2a4", "w4a16", "tiny", "lut_tensor_core",
                 "w2a2_bitserial", "w1p58a8", "w2a8_add", "w2a8_mac", "w4a8_shiftadd",
                 "w2a8_q8", "w4a8_bf16", "w2a8_ecp5", "w1p58a8_ecp5", "w2a8_xc7",
                 "w1p58a8_xc7"}  # fmt: skip


def test_later_fields_at_their_default_are_not_in_the_hash():
    """What was recorded under a hash before there was a field stays valid."""
    assert config_hash(Config()).startswith("c7baef9f7b456489")
    assert "queue_depth" not in canonical_toml(Config())
    assert "queue_depth = 1\n" in canonical_toml(Config(queue_depth=1))
    assert config_hash(Config(queue_depth=1)) != config_hash(Config())


def test_presets_are_there_and_load():
    assert set(preset_names()) >= ISSUE_PRESETS
    for name in preset_names():
        config = load_config(name)
        assert config.name == name


def test_w2a8_is_the_default():
    assert replace(load_config("w2a8"), name="custom") == Config()


def test_published_shape():
    config = load_config("lut_tensor_core")
    assert (config.rows, config.lanes, config.tables, config.lookup_group) == (2, 64, 1, 4)
    assert config.plane_macs_per_cycle == load_config("w2a8").plane_macs_per_cycle == 512


@pytest.mark.parametrize(
    ("name", "weight_bits", "act_bits", "psum_bits", "pe"),
    [
        ("w3a8", 3, 8, 32, "lut"),
        ("w5a12", 5, 12, 40, "lut"),
        ("w8a16", 8, 16, 40, "lut"),
        ("w1p58a8", 2, 8, 32, "lut3"),
        ("w1p58a16", 2, 16, 40, "lut3"),
        ("w1p58a8_lut", 2, 8, 32, "lut"),
        ("w2a8_lut3", 2, 8, 32, "lut3"),
        ("w3a8_add", 3, 8, 32, "add"),
        ("w3a8_mac", 3, 8, 32, "mac"),
        ("w4a8_mac", 4, 8, 32, "mac"),
        ("w8a8_shiftadd", 8, 8, 32, "shiftadd"),
        ("w3a3_bitserial", 3, 8, 32, "bitserial"),
        ("w1a1_bitserial", 1, 8, 32, "bitserial"),
        ("w4a12_bitserial", 4, 12, 40, "bitserial"),
    ],
)
def test_parsed_names(name, weight_bits, act_bits, psum_bits, pe):
    config = load_config(name)
    assert config.name == name
    assert (config.weight_bits, config.act_bits) == (weight_bits, act_bits)
    assert (config.psum_bits, config.pe) == (psum_bits, pe)


@given(
    weight=st.sampled_from([*range(1, 9), "1p58"]),
    act=st.integers(2, 16),
    pe=st.sampled_from(["", *(f"_{pe}" for pe in PROCESSING_ELEMENTS)]),
)
def test_every_name_of_legal_widths_can_be_built(weight, act, pe):
    config = load_config(f"w{weight}a{act}{pe}")
    assert config.psum_bits >= config.scaled_bits
    # A weight word comes every cycle, and fills the bus.
    assert config.beats_per_row(config.weight_word_bits) == 1
    assert config.weight_word_bits > 0.87 * config.axi_bits


def test_presets_of_elements():
    ternary, two_planes = load_config("w1p58a8"), load_config("w2a8")
    assert ternary.pe == "lut3"
    lookups = [c.rows * c.lanes * c.tables for c in (ternary, two_planes)]
    planes = (1, 2)
    each, other = (c.plane_macs_per_cycle / n / p for c, n, p in
                   zip((ternary, two_planes), lookups, planes, strict=True))  # fmt: skip
    assert each == 1.5 * other
    for name, digits in (("w2a8_mac", 1), ("w4a8_shiftadd", 1), ("w2a8_add", 2), ("w2a8_q8", 2)):
        config = load_config(name)
        same = load_config("w4a8" if config.weight_bits == 4 else "w2a8")
        assert config.weight_word_bits == same.weight_word_bits
        macs = same.plane_macs_per_cycle / same.weight_bits
        assert config.plane_macs_per_cycle / digits == macs
    assert load_config("w4a8_bf16").max_exponent == 15
    assert load_config("w2a8_q8").stored_entry_bits == 8


@pytest.mark.parametrize(
    ("name", "near"), [("w2b8", "w2a8"), ("tinny", "tiny"), ("lut_tensorcore", "lut_tensor_core")]
)
def test_unknown_name_gives_near_matches(name, near):
    with pytest.raises(UnknownConfigError, match=rf"not '{name}' \(did you mean .*{near}"):
        load_config(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("w9a8", "weight_bits must be from 1 to 8, not 9"),
        ("w0a8", "weight_bits must be from 1 to 8, not 0"),
        ("w2a17", "act_bits must be from 2 to 16, not 17"),
        ("w2a1", "act_bits must be from 2 to 16, not 1"),
        ("w2a0_bitserial", "act_bits must be from 1 to 16, not 0"),
    ],
)
def test_parsed_name_out_of_range(name, message):
    with pytest.raises(ConfigError, match=message):
        load_config(name)


def test_file(tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text("lanes = 32\n")
    assert load_config(path) == load_config(str(path)) == Config(name="mine", lanes=32)
    path.write_text('name = "given"\nlanes = 32\n')
    assert load_config(path).name == "given"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lane = 32\n", r"not 'lane' \(did you mean lanes"),
        ("flavour = 1\n", "only fields of Config, not 'flavour'$"),
        ("lanes = \n", "must be TOML"),
        ("lanes = 1.5\n", "lanes must be int, not 1.5"),
        ("lanes = true\n", "lanes must be int, not True"),
        ("pe = 3\n", "pe must be str, not 3"),
        ("lanes = 4\n", "axi_bits must be at most the 128 bits of a weight word, not 512"),
        ("[array]\nlanes = 4\n", "not 'array'"),
    ],
)
def test_bad_file(tmp_path: Path, text: str, message: str):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_config(path)


def test_missing_file():
    with pytest.raises(UnknownConfigError, match=r"'no/such\.toml' does not exist"):
        load_config("no/such.toml")


def test_config_passes_through():
    config = Config(lanes=64)
    assert load_config(config) is config


def test_canonical_toml_is_sorted_and_round_trips(tmp_path: Path):
    config = load_config("w4a16")
    text = canonical_toml(config)
    assert text.splitlines() == sorted(text.splitlines())
    assert "name" not in text
    path = tmp_path / "w4a16.toml"
    path.write_text(text)
    assert load_config(path) == config


def test_hash_covers_every_field_but_the_name():
    base = Config()
    assert config_hash(base) == config_hash(replace(base, name="other"))
    assert config_hash(base) != config_hash(replace(base, lanes=32))
    assert len(config_hash(base)) == 64
    # Firmware and bitstreams carry it: a change of its text has to be deliberate.
    assert config_hash(base).startswith("c7baef9f7b456489")
