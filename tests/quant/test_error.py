"""Error measures."""

import numpy as np
import pytest

from lib.quant.affine import asymmetric, dequantize, quantize
from lib.quant.error import decibel, max_error, mse, sqnr_db


def test_equal_tensors_have_no_error():
    x = np.array([1.0, -2.0])
    assert (mse(x, x), max_error(x, x), sqnr_db(x, x), sqnr_db(0 * x, 0 * x)) == (0, 0, np.inf, np.inf)


def test_noise_without_signal_is_minus_infinity():
    assert decibel(0, 1) == -np.inf


def test_uniform_noise_follows_the_textbook():
    """Rounding to steps of s makes noise of power s²/12; every further bit brings 6.02 dB."""
    x = np.random.default_rng(0).uniform(-1, 1, 100_000).astype(np.float32)
    found = []
    for bits in (6, 8):
        scale, zero_point = asymmetric(x, bits)
        restored = dequantize(quantize(x, scale, zero_point, bits, False), scale, zero_point)
        assert mse(x, restored) == pytest.approx(scale**2 / 12, rel=0.02)
        found.append(sqnr_db(x, restored))
    assert found[1] - found[0] == pytest.approx(12.04, abs=0.2)
