"""Activation formats against ml_dtypes, over all numbers where these are few."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lutra.host.activation_formats import BIPOLAR, FORMATS, NUMBER_TYPES, format_activations
from lutra.host.errors import DtypeError, RangeError, ShapeError, UnsupportedFormatError
from lutra.host.formats.registry import ACTIVATIONS

REALS = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=6),
    elements=st.floats(-6e4, 6e4, width=32),
)


def test_formats_are_those_of_the_registry():
    assert set(FORMATS) == set(ACTIVATIONS)


@pytest.mark.parametrize("format", NUMBER_TYPES)
def test_every_number_of_a_format_is_taken_as_it_is(format):
    kind = NUMBER_TYPES[format]
    bits = np.arange(1 << 8 * kind.itemsize).astype(f"u{kind.itemsize}")
    numbers = bits.view(kind)[None]
    with np.errstate(invalid="ignore"):
        values = numbers.astype(np.float64)
    finite = np.isfinite(values[0])
    acts = format_activations(numbers[:, finite], format)
    assert np.array_equal(acts.values, values[:, finite])
    assert acts.scales.tolist() == [1]
    assert not acts.errors.any()
    again = format_activations(values[:, finite] * 8, format) if kind.itemsize == 1 else acts
    assert np.array_equal(again.reals, acts.values * (1 if kind.itemsize > 1 else 8))
    if not finite.all():
        with pytest.raises(RangeError, match="finite"):
            format_activations(numbers, format)


@pytest.mark.parametrize("format", FORMATS)
@given(x=REALS)
def test_reals_are_off_by_no_more_than_said(format, x):
    acts = format_activations(x, format)
    assert (np.abs(acts.reals - x) <= acts.errors).all()
    assert np.array_equal(acts.scales, acts.scales.astype(np.float32))
    if format in NUMBER_TYPES:
        kind = NUMBER_TYPES[format]
        assert np.array_equal(acts.values, acts.values.astype(np.float32).astype(kind))
        if kind.itemsize == 2:
            assert np.array_equal(acts.values, x.astype(np.float32).astype(kind))
    elif format in BIPOLAR:
        top = (1 << BIPOLAR[format]) - 1
        assert (acts.values & 1).all()
        assert np.abs(acts.values).max() <= top
        assert (acts.errors == acts.scales[:, None] * (1 + 2.0**-14)).all()
        assert not acts.reals[~x.any(1)].any()
        return  # no code is 0, and a row of zeros has a scale of 0
    else:
        bits = 8 if format == "uint8" else int(format[3:])
        low = 0 if format == "uint8" else 1 - (1 << bits - 1)
        assert low <= acts.values.min()
        assert acts.values.max() < low + (1 << bits)
    # Zeros stay zeros, and a row without anything else has scale 1.
    assert not acts.reals[x == 0].any()
    assert (acts.scales[~x.any(1)] == 1).all()


def test_largest_numbers():
    x = np.array([[1.0, -3.0], [448e3, 0.5]])
    acts = format_activations(x, "e4m3")
    assert acts.values.tolist()[0][1] == -448
    assert acts.values.tolist()[1][0] == 448
    with pytest.raises(RangeError, match="from -65504 to 65504 for fp16"):
        format_activations(np.array([[65520.0]]), "fp16")
    assert float(ml_dtypes.finfo(ml_dtypes.bfloat16).max) > 3e38
    with pytest.raises(RangeError, match="for bf16"):
        format_activations(np.array([[1e39]]), "bf16")
    with pytest.raises(RangeError, match="float32"):
        format_activations(np.array([[1e300]]), "int8")


def test_integers_are_taken_as_they_are():
    x = np.array([[-8, 7, 0]])
    assert np.array_equal(format_activations(x, "int4").values, x)
    assert format_activations(np.array([[0, 255]], np.uint8), "uint8").zero_points.tolist() == [0]
    with pytest.raises(RangeError, match="from -8 to 7 for int4"):
        format_activations(x * 2, "int4")
    odd = np.array([[-255, -1, 1, 255]])
    assert np.array_equal(format_activations(odd, "bipolar8").values, odd)
    with pytest.raises(RangeError, match="odd integers from -3 to 3 for bipolar2"):
        format_activations(np.array([[1, 2]]), "bipolar2")
    with pytest.raises(RangeError, match="from -15 to 15 for bipolar4"):
        format_activations(odd, "bipolar4")
    with pytest.raises(RangeError, match="from 0 to 255"):
        format_activations(x, "uint8")


@pytest.mark.parametrize(
    ("x", "format", "error", "text"),
    [
        (np.ones((1, 1)), "int7", UnsupportedFormatError, "one of int4, .*, not 'int7'"),
        ([[1.0]], "bf16", DtypeError, "real numbers, not list"),
        (np.ones((1, 1), complex), "bf16", DtypeError, "complex128"),
        (np.ones(3), "bf16", ShapeError, r"\[M, K\].*not \(3,\)"),
        (np.ones((0, 3)), "int8", ShapeError, "at least 1"),
        (np.array([[np.nan]]), "int8", RangeError, "finite"),
        (np.array([[np.inf]]), "fp16", RangeError, "finite"),
    ],
)
def test_what_is_refused(x, format, error, text):
    with pytest.raises(error, match=text):
        format_activations(x, format)
