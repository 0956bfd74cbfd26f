"""The interval of a measured share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.interval import wilson


@pytest.mark.parametrize(
    ("hits", "samples", "low", "high"),
    # Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_equals_published_values(hits, samples, low, high):
    assert wilson(hits, samples) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_holds_the_share_and_stays_within_zero_and_one(case):
    hits, samples = case
    low, high = wilson(hits, samples)
    assert 0 <= low <= hits / samples <= high <= 1
