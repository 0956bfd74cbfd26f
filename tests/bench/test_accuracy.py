"""Accuracy, its interval, and the refusal of damaged models."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.bench.accuracy import correct, wilson
from lib.bench.session import open_session
from lib.errors import InputError


@pytest.mark.parametrize(
    ("hits", "samples", "low", "high"),
    # Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_equals_published_values(hits, samples, low, high):
    assert wilson(hits, samples) == pytest.approx((low, high), abs=5e-5)
