"""The fewest planes: complete, exact, and really the fewest."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lutra.host.errors import RangeError, UnsupportedFormatError
from lutra.host.formats.plane_search import planes_for

E2M1 = sorted({s * v for s in (1, -1) for v in (0, 1, 2, 3, 4, 6, 8, 12)})


def reachable(count: int) -> set[frozenset[int]]:
    """Every set of values of `count` planes with exponents to 4, by plain enumeration."""
    found = set()
    for exponents in product(range(5), repeat=count):
        if 0 not in exponents or sum(1 << e for e in exponents) > 31:
            continue
        sums = {sum(s << e for s, e in zip(signs, exponents, strict=True))
                for signs in product((-1, 1), repeat=count)}  # fmt: skip
        for offset in range(-24, 25):
            total = {value + offset for value in sums}
            found.add(frozenset(total))
            if all(value % 2 == 0 for value in total):
                found.add(frozenset(value // 2 for value in total))
    return found


def test_fewest_exhaustive():
    # Every code book of up to five values from -4 .. 4, against an enumeration of its own.
    options = {count: reachable(count) for count in (1, 2, 3)}
    books = [set(book) for size in (1, 2, 3, 4, 5) for book in combinations(range(-4, 5), size)]
    for book in books:
        chosen = planes_for(book)
        assert book <= set(chosen.values.tolist())
        fewer = options.get(chosen.bits - 1, set())
        assert not any(book <= values for values in fewer), (book, chosen)


@given(st.sets(st.integers(-128, 127), min_size=1, max_size=256), st.booleans())
@settings(max_examples=60)
def test_any_bytes_take_eight_planes_at_most(values, grouped):
    chosen = planes_for(values, grouped=grouped)
    assert chosen.bits <= 8
    assert chosen.bits >= (len(values) - 1).bit_length()
    assert chosen.magnitude <= 255
    codes = chosen.encode(sorted(values))
    assert np.array_equal(chosen.values[codes], sorted(values))
    if grouped:
        assert not chosen.halve or chosen.offset % 2


@pytest.mark.parametrize(
    ("values", "planes"),
    [
        ((-1, 1), 1),
        ((-1, 0, 1), 2),
        (E2M1, 5),
        ((-4, -2, -1, 0, 1, 2, 4), 4),
        (range(256), 8),
        (range(-255, 256, 2), 8),
        ((0, 1, 16, 17), 3),  # with max_shift = 3: a plane in between
        ((7,), 1),
    ],
)
def test_known_books(values, planes):
    assert planes_for(values).bits == planes


def test_limits_are_kept():
    assert planes_for((0, 1, 16, 17), max_shift=4).exponents == (4, 0)
    assert planes_for(range(16), max_weight_bits=4).exponents == (3, 2, 1, 0)
    with pytest.raises(UnsupportedFormatError, match="max_weight_bits = 4"):
        planes_for(range(17), max_weight_bits=4)
    with pytest.raises(UnsupportedFormatError, match="from 0 to 300"):
        planes_for((0, 1, 300))
    with pytest.raises(RangeError, match="1 to 256"):
        planes_for(())
    with pytest.raises(RangeError, match="value 5 is not among"):
        planes_for((0, 1)).encode([5])
