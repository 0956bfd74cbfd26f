"""From accumulators to 8-bit integers: the ways in which hardware multiplies by the real factor M.

| mode | result, before the zero point z is added and the sum clipped |
|---|---|
| float32 | rint(float32(A) · M), half to even: onnxruntime's |
| fixed<n>, n = 4 … 31 | A · m, shifted right by `shift` with rounding half up; M ≈ m · 2^-shift |
| gemmlowp<n>, n = 4 … 31 | A · m shifted right by n, half up, then by shift - n, half away from 0; n = 31: TFLite's |
| power_of_two | A shifted right, half up; M ≈ 2^-shift |

Each is monotone in the accumulator A, which is int32. m has n bits.
"""

import re
from collections.abc import Callable

import numpy as np
from numba import njit

from lib.errors import InputError
from lib.fixedpoint.requantize import requantize

Requantizer = Callable[[np.ndarray, np.ndarray], np.ndarray]
WIDTHS = range(4, 32)
UNNUMBERED = {"float32": 24, "power_of_two": 1}  # modes without a width in their name, and their bits
INT32_MIN, INT32_MAX = -(1 << 31), (1 << 31) - 1


def rounding_and_bits(mode: str) -> tuple[str, int]:
    """How a mode rounds and how many bits its multiplier has; raises InputError for an unknown mode.

    >>> rounding_and_bits("gemmlowp31"), rounding_and_bits("power_of_two"), rounding_and_bits("float32")
    (('gemmlowp', 31), ('power_of_two', 1), ('float32', 24))
    """
    if mode in UNNUMBERED:
        return mode, UNNUMBERED[mode]
    match = re.fullmatch("(fixed|gemmlowp)([1-9][0-9]?)", str(mode))
    if not match or int(match[2]) not in WIDTHS:
        raise InputError(
            f"requantization {mode!r} is unknown; use 'float32', 'power_of_two', or 'fixed' or 'gemmlowp' followed by "
            f"the multiplier's width, {WIDTHS.start} … {WIDTHS.stop - 1}: 'fixed15'"
        )
    return match[1], int(match[2])


def requantizer(mode: str, multiplier: np.ndarray) -> Requantizer:
    """The function (accumulators int32 [rows, N], zero point) -> 8-bit integers [rows, N] of a mode.

    multiplier : M, float32 [N]; the zero point's type, int8 or uint8, is the result's

    Raises InputError for an unknown mode and, in fixed point, for M of 2^30 and above.

    >>> sums, zero_point, quarter = np.int32([[-6, -2, 2, 6]]), np.int8(0), np.full(4, 0.25, np.float32)
    >>> for mode in ("float32", "fixed31", "gemmlowp31"):
    ...     print(requantizer(mode, quarter)(sums, zero_point).tolist())
    [[-2, 0, 0, 2]]
    [[-1, 0, 1, 2]]
    [[-2, -1, 1, 2]]
    """
    rounding, bits = rounding_and_bits(mode)
    if rounding == "float32":
        multiplier = np.ascontiguousarray(multiplier)
        return lambda accumulator, zero_point: requantize(accumulator, multiplier, zero_point)
    if rounding == "gemmlowp":
        m, shift = multiplier_and_shift(multiplier, bits)
        left, right = np.maximum(bits - shift, 0), np.maximum(shift - bits, 0)
        kernel, parameters = _round_twice, (m, bits, left, right, _half(right))
    else:
        m, shift = power_of_two(multiplier) if rounding == "power_of_two" else multiplier_and_shift(multiplier, bits)
        left, right = np.maximum(-shift, 0), np.maximum(shift, 0)
        kernel, parameters = _round_once, (m << left, right, _half(right))

    def rescale(accumulator: np.ndarray, zero_point: np.ndarray) -> np.ndarray:
        limits = np.iinfo(zero_point.dtype)
        y = np.empty(accumulator.shape, zero_point.dtype)
        kernel(accumulator, *parameters, np.int64(zero_point), np.int64(limits.min), np.int64(limits.max), y)
        return y

    return rescale


def multiplier_and_shift(multiplier: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """The integers of M ≈ m · 2^-shift: m, 2^(bits-1) … 2^bits - 1, and shift, both int64 [N].

    multiplier : M, [N], below 2^30; bits : width of m, 1 … 31
    m is M's significand rounded half away from zero. Below 2^-32 no int32 accumulator reaches half a step: m is 0.
    Where M is large, shift is negative and means a left shift.

    Raises InputError for M of 2^30 and above, infinity and NaN.
    Source: TensorFlow Lite, kernels/internal/quantization_util.cc, QuantizeMultiplier (bits = 31, shift 31 - its own).

    >>> m, shift = multiplier_and_shift(np.float32([0.75, 0.001, 1e-12]), 8)
    >>> m.tolist(), shift.tolist()
    ([192, 131, 0], [8, 17, 8])
    """
    fraction, exponent = _significand(multiplier)
    m = np.floor(fraction * 2**bits + 0.5).astype(np.int64)
    carried = m >> bits  # rounded up to the next power of two
    return m >> carried, bits - exponent - carried


def power_of_two(multiplier: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """m, 1 (0 for M below 2^-32), and shift = round(log2(1 / M)), both int64 [N]; raises InputError as above.

    >>> m, shift = power_of_two(np.float32([0.25, 0.3, 0.4, 2]))
    >>> m.tolist(), shift.tolist()
    ([1, 1, 1, 1], [2, 2, 1, -1])
    """
    fraction, exponent = _significand(multiplier)
    return (fraction > 0).astype(np.int64), (fraction < np.sqrt(0.5)) - exponent


def _significand(multiplier: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """M = fraction · 2^exponent, fraction 0.5 … 1, as float64 and int64; both 0 for M below 2^-32."""
    if not np.all(np.less(multiplier, 2**30)):
        raise InputError(f"requantization multiplier {np.max(multiplier)}: fixed point takes factors below 2^30")
    fraction, exponent = np.frexp(np.asarray(multiplier, np.float64))
    reaches = exponent >= -31
    return np.where(reaches, fraction, 0), np.where(reaches, exponent, 0).astype(np.int64)


def _half(shift: np.ndarray) -> np.ndarray:
    """What is added before a right shift so that it rounds half up."""
    return (np.int64(1) << shift) >> 1


@njit(nogil=True, cache=True)
def _round_once(accumulator, m, shift, half, zero_point, low, high, y):
    for row in range(accumulator.shape[0]):
        for channel in range(accumulator.shape[1]):
            scaled = (np.int64(accumulator[row, channel]) * m[channel] + half[channel]) >> shift[channel]
            y[row, channel] = min(max(scaled + zero_point, low), high)


@njit(nogil=True, cache=True)
def _round_twice(accumulator, m, bits, left, right, half, zero_point, low, high, y):
    """Source: gemmlowp, fixedpoint/fixedpoint.h: SaturatingRoundingDoublingHighMul, then RoundingDivideByPOT.

    The left shift for M >= 1, which may overflow there, saturates to int32: such values are far beyond 8 bits.
    """
    first_half = np.int64(1) << (bits - 1)
    for row in range(accumulator.shape[0]):
        for channel in range(accumulator.shape[1]):
            shifted = min(max(np.int64(accumulator[row, channel]) << left[channel], INT32_MIN), INT32_MAX)
            upper = (shifted * m[channel] + first_half) >> bits
            magnitude = (abs(upper) + half[channel]) >> right[channel]
            scaled = magnitude if upper >= 0 else -magnitude
            y[row, channel] = min(max(scaled + zero_point, low), high)
