"""Requantization in fixed point is exact integer arithmetic, and TensorFlow Lite's where it bears its name."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.errors import InputError
from lib.fixedpoint import IntegerModel
from lib.fixedpoint.rescale import INT32_MAX, INT32_MIN, WIDTHS, multiplier_and_shift, power_of_two, requantizer

quick = settings(max_examples=60, deadline=None, derandomize=True, database=None)
MODES = ["float32", "power_of_two", *(f"{rounding}{bits}" for rounding in ("fixed", "gemmlowp") for bits in WIDTHS)]
edges = st.sampled_from([INT32_MIN, INT32_MIN + 1, -1, 0, 1, INT32_MAX])
accumulators = st.lists(st.integers(INT32_MIN, INT32_MAX) | st.integers(-9999, 9999) | edges, min_size=1, max_size=50)
# Below 2^-32, where nothing is left, to just below 2^30; powers of two make ties.
exponents = st.integers(-36, 29).map(float) | st.floats(-36, 29.9) | st.floats(-12, 0)
multipliers = exponents.map(lambda exponent: np.float32(2.0**exponent))
zero_points = st.sampled_from([np.int8(-128), np.int8(0), np.int8(3), np.uint8(0), np.uint8(128), np.uint8(255)])
widths = st.sampled_from(WIDTHS)
INT8 = np.int8(0)


def rescaled(mode, sums, multiplier, zero_point=INT8) -> list[int]:
    """The mode's results for one channel."""
    return requantizer(mode, np.full(1, multiplier))(np.int32(sums)[:, None], zero_point)[:, 0].tolist()


def clipped(values, zero_point) -> list[int]:
    limits = np.iinfo(zero_point.dtype)
    return [min(max(value + int(zero_point), limits.min), limits.max) for value in values]


def half_up(x: Fraction) -> int:
    return floor(x + Fraction(1, 2))


def half_away(x: Fraction) -> int:
    return half_up(x) if x >= 0 else -half_up(-x)


def integers(multiplier, bits) -> tuple[int, int]:
    m, shift = multiplier_and_shift(np.full(1, multiplier), bits)
    return int(m[0]), int(shift[0])


@quick
@given(accumulators, multipliers, widths, zero_points)
def test_fixed_point_is_one_exact_rounding_half_up(sums, multiplier, bits, zero_point):
    m, shift = integers(multiplier, bits)
    exact = [half_up(Fraction(a * m) / Fraction(2) ** shift) for a in sums]
    assert rescaled(f"fixed{bits}", sums, multiplier, zero_point) == clipped(exact, zero_point)


@quick
@given(accumulators, multipliers.filter(lambda m: m < 1), widths, zero_points)
def test_double_rounding_is_half_up_and_then_half_away_from_zero(sums, multiplier, bits, zero_point):
    m, shift = integers(multiplier, bits)
    rest = max(shift - bits, 0)  # a multiplier just below 1 may round to 1
    exact = [half_away(Fraction(half_up(Fraction(a * m, 1 << (shift - rest))), 1 << rest)) for a in sums]
    assert rescaled(f"gemmlowp{bits}", sums, multiplier, zero_point) == clipped(exact, zero_point)


@quick
@given(accumulators, multipliers, zero_points)
def test_gemmlowp31_is_tensorflow_lites(sums, multiplier, zero_point):
    m, shift = integers(multiplier, 31)
    exponent = 31 - shift
    fits = [a for a in sums if INT32_MIN <= a << max(exponent, 0) <= INT32_MAX] or [0]
    theirs = [multiply_by_quantized_multiplier(a, m, exponent) for a in fits]
    assert rescaled("gemmlowp31", fits, multiplier, zero_point) == clipped(theirs, zero_point)


def multiply_by_quantized_multiplier(x: int, quantized_multiplier: int, shift: int) -> int:
    """tensorflow/lite/kernels/internal/common.h on gemmlowp/fixedpoint/fixedpoint.h, line by line."""
    left_shift, right_shift = max(shift, 0), max(-shift, 0)
    ab = x * (1 << left_shift) * quantized_multiplier
    nudge = 1 << 30 if ab >= 0 else 1 - (1 << 30)
    high = abs(ab + nudge) // (1 << 31) * (1 if ab + nudge >= 0 else -1)  # C++ divides towards zero
    mask = (1 << right_shift) - 1
    remainder, threshold = high & mask, (mask >> 1) + (high < 0)
    return (high >> right_shift) + (remainder > threshold)


@quick
@given(st.lists(st.integers(-300, 300) | edges), st.floats(1, 2**30, exclude_max=True, width=32))
def test_left_shifts_that_overflow_saturate(sums, multiplier):
    exact = clipped((half_up(a * Fraction(float(multiplier))) for a in sums), INT8)
    assert rescaled("gemmlowp31", sums, np.float32(multiplier)) == exact


@pytest.mark.parametrize(
    ("multiplier", "m", "exponent"),
    [
        (0.25, 1073741824, -1),
        (0.50 - 5e-9, 2147483627, -1),
        (0.50 - 1e-10, 1073741824, 0),
        (0.75, 1610612736, 0),
        (1 - 1e-9, 2147483646, 0),
        (1.25, 1342177280, 1),
        (2 - 1e-9, 2147483647, 1),
        (2 - 1e-11, 1073741824, 2),
        (4.0, 1073741824, 3),
        (0.0, 0, 0),
        (2.0**-33, 0, 0),
    ],
)
def test_multipliers_of_tensorflow_lites_own_tests(multiplier, m, exponent):
    assert integers(np.float64(multiplier), 31) == (m, 31 - exponent)


@quick
@given(multipliers, widths)
def test_the_multiplier_has_its_bits_and_half_a_unit_of_error(multiplier, bits):
    m, shift = integers(multiplier, bits)
    if multiplier < 2.0**-32:
        assert m == 0
    else:
        assert 1 << (bits - 1) <= m < 1 << bits
        error = abs(Fraction(float(multiplier)) * Fraction(2) ** shift - m)
        assert error <= Fraction(1, 2) and (bits < 24 or error == 0)


@quick
@given(accumulators, multipliers, zero_points)
def test_a_power_of_two_is_the_nearest_one_by_ratio(sums, multiplier, zero_point):
    m, shift = (int(value[0]) for value in power_of_two(np.full(1, multiplier)))
    ratio = float(multiplier) * 2.0**shift
    assert (m == 0 and multiplier < 2.0**-32) or (m == 1 and 2**-0.5 <= ratio <= 2**0.5)
    exact = [half_up(Fraction(a * m) / Fraction(2) ** shift) for a in sums]
    assert rescaled("power_of_two", sums, multiplier, zero_point) == clipped(exact, zero_point)


@pytest.mark.parametrize(
    ("mode", "rounded"),
    [
        ("float32", [-2, 0, 0, 2]),
        *((mode, [-1, 0, 1, 2]) for mode in ("fixed31", "fixed4", "power_of_two")),
        *((mode, [-2, -1, 1, 2]) for mode in ("gemmlowp31", "gemmlowp4")),
    ],
)
def test_each_mode_has_its_own_ties(mode, rounded):
    assert rescaled(mode, [-6, -2, 2, 6], np.float32(0.25)) == rounded


@quick
@given(st.lists(st.integers(INT32_MIN, INT32_MAX) | st.integers(-999, 999), min_size=2), multipliers, zero_points)
def test_every_mode_is_monotone(sums, multiplier, zero_point):
    for mode in MODES:
        results = rescaled(mode, sorted(sums), multiplier, zero_point)
        assert results == sorted(results)


@pytest.mark.parametrize("mode", ["fixed", "fixed3", "fixed32", "fixed031", "gemmlowp031", "", None, " fixed8"])
def test_unknown_modes_are_refused(mode):
    with pytest.raises(InputError, match="requantization"):
        requantizer(mode, np.float32([1]))


@pytest.mark.parametrize("multiplier", [2.0**30, np.inf, np.nan])
def test_multipliers_beyond_fixed_point_are_refused(multiplier):
    for mode in ("fixed15", "gemmlowp15", "power_of_two"):
        with pytest.raises(InputError, match="multiplier"):
            requantizer(mode, np.float32([0.5, multiplier]))


@pytest.mark.parametrize("mode", ["float32", "fixed5", "gemmlowp31", "power_of_two"])
def test_a_model_requantizes_its_layers_and_global_pools_by_the_mode(one_node, mode):
    scale, zero = np.float32(0.1), np.uint8(7)
    x = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 2), dtype=np.uint8)
    inputs = [None, scale, zero, np.float32(0.07), zero]
    _, path = one_node("QLinearGlobalAveragePool", {"x": x}, inputs, np.uint8, channels_last=0)
    sums = (x.astype(np.int32) - 7).sum((2, 3))
    expected = requantizer(mode, np.repeat(scale / (np.float32(0.07) * np.float32(10)), 4))(sums, zero)
    assert np.array_equal(IntegerModel.from_onnx(path, mode).run({"x": x})["y"][:, :, 0, 0], expected)

    weight = np.random.default_rng(1).integers(-128, 128, (6, 3), dtype=np.int8)
    rows = x[:, 0, :3].reshape(3, 6)
    inputs = [None, scale, zero, weight, scale, np.int8(0), np.float32(1), zero]
    _, path = one_node("QLinearMatMul", {"x": rows}, inputs, np.uint8, domain="")
    expected = requantizer(mode, np.repeat(scale * scale, 3))((rows.astype(np.int32) - 7) @ weight, zero)
    assert np.array_equal(IntegerModel.from_onnx(path, mode).run({"x": rows})["y"], expected)
