"""Affine quantization: real = scale * (integer - zero_point).

Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
CVPR 2018, section 2.1; rounding and ranges as onnxruntime.quantization (compute_scale_zp, quantize_data), bit for bit.

Scales are float32 and zero points int32: scalars per tensor, vectors [channels] along `axis` per channel.
"""

import numpy as np

from lib.errors import InputError

Parameters = tuple[np.ndarray, np.ndarray]


def integer_range(bits: int, signed: bool) -> tuple[int, int]:
    """Smallest and largest integer of a type; raises InputError outside 2 ... 16 bits.

    >>> integer_range(8, signed=True), integer_range(4, signed=False)
    ((-128, 127), (0, 15))
    """
    if not 2 <= bits <= 16:
        raise InputError(f"quantization to {bits} bits: choose 2 to 16")
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)


def symmetric_range(low: np.ndarray, high: np.ndarray, bits: int, signed: bool = True) -> Parameters:
    """Scale and zero point such that -m ... m, m = max(|low|, |high|), takes up the integers.

    Signed, the most negative integer stays unused and the zero point is 0; unsigned, it is 2**(bits - 1).

    >>> scale, zero_point = symmetric_range(-1.0, 2.54, 8)
    >>> round(float(scale), 6), int(zero_point)
    (0.02, 0)
    """
    magnitude = np.maximum(np.abs(low), np.abs(high))
    smallest, largest = integer_range(bits, signed)
    return _parameters(-magnitude, magnitude, smallest + signed, largest, np.rint((smallest + signed + largest) / 2))


def asymmetric_range(low: np.ndarray, high: np.ndarray, bits: int, signed: bool = False) -> Parameters:
    """Scale and zero point such that low ... high, widened to contain 0, takes up the integers.

    >>> scale, zero_point = asymmetric_range(-1.0, 1.55, 8)
    >>> round(float(scale), 6), int(zero_point)
    (0.01, 100)
    """
    return _parameters(low, high, *integer_range(bits, signed))


def _parameters(low, high, smallest: int, largest: int, zero_point: float | None = None) -> Parameters:
    """scale = (high - low) / (largest - smallest); zero point, where not given, the integer nearest to real 0.

    The division is made in float64 and rounded once. A range without a normal float32 scale, a constant zero above
    all, gets scale 1 and zero point 0: then its zeros are exact.
    """
    low = np.minimum(np.float32(low), np.float32(0)).astype(np.float64)
    high = np.maximum(np.float32(high), np.float32(0)).astype(np.float64)
    scale = (high - low) / (largest - smallest)
    if not np.all(np.isfinite(scale)):
        raise InputError("quantization range: not finite; look for NaN or infinity in the data")
    empty = scale < np.finfo(np.float32).tiny
    scale = np.where(empty, 1.0, scale)
    zero_point = np.rint(smallest - low / scale) if zero_point is None else zero_point
    return np.float32(scale), np.where(empty, 0, zero_point).astype(np.int32)


def extremes(x: np.ndarray, axis: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest value of x, or per channel along `axis`; raises InputError if x is empty or not finite.

    >>> low, high = extremes(np.array([[1, -3], [2, 5]]), axis=0)
    >>> low.tolist(), high.tolist()
    ([-3.0, 2.0], [1.0, 5.0])
    """
    x = np.asarray(x, dtype=np.float32)
    if x.size == 0:
        raise InputError("quantization of an array without elements; give at least one")
    others = None if axis is None else tuple(i for i in range(x.ndim) if i != axis % x.ndim)
    low, high = x.min(others), x.max(others)
    if not (np.all(np.isfinite(low)) and np.all(np.isfinite(high))):
        raise InputError("quantization of an array with NaN or infinity; look for where it comes from")
    return low, high


def symmetric(x: np.ndarray, bits: int, axis: int | None = None, signed: bool = True) -> Parameters:
    """Scale and zero point of x [any shape] per tensor, or per channel along `axis`: see `symmetric_range`.

    >>> symmetric(np.array([[1.27, -0.3], [0.5, -12.7]]), bits=8, axis=0)
    (array([0.01, 0.1 ], dtype=float32), array([0, 0], dtype=int32))
    """
    return symmetric_range(*extremes(x, axis), bits, signed)


def asymmetric(x: np.ndarray, bits: int, axis: int | None = None, signed: bool = False) -> Parameters:
    """Scale and zero point of x [any shape] per tensor, or per channel along `axis`: see `asymmetric_range`.

    >>> asymmetric(np.array([[0.3, 2.55], [-1.0, 1.55]]), bits=8, axis=0)
    (array([0.01, 0.01], dtype=float32), array([  0, 100], dtype=int32))
    """
    return asymmetric_range(*extremes(x, axis), bits, signed)


def quantize(
    x: np.ndarray, scale: np.ndarray, zero_point: np.ndarray, bits: int, signed: bool, axis: int | None = None
) -> np.ndarray:
    """clip(rint(x / scale) + zero_point) as int32, rounding half to even in float32.

    >>> quantize(np.float32([-9, -0.5, 0.5, 1.5, 9]), np.float32(1), np.int32(0), bits=3, signed=True)
    array([-4,  0,  0,  2,  3], dtype=int32)
    """
    x = np.asarray(x, dtype=np.float32)
    integers = np.rint(x / _along(scale, x.ndim, axis)) + _along(zero_point, x.ndim, axis).astype(np.float32)
    return np.clip(integers, *integer_range(bits, signed)).astype(np.int32)


def dequantize(q: np.ndarray, scale: np.ndarray, zero_point: np.ndarray, axis: int | None = None) -> np.ndarray:
    """scale * (q - zero_point) in float32.

    >>> dequantize(np.array([0, 100, 255]), np.float32(0.5), np.int32(100))
    array([-50. ,   0. ,  77.5], dtype=float32)
    """
    q = np.asarray(q, dtype=np.int32)
    return _along(scale, q.ndim, axis) * (q - _along(zero_point, q.ndim, axis)).astype(np.float32)


def _along(parameter: np.ndarray, dimensions: int, axis: int | None) -> np.ndarray:
    """A per-channel vector as an array that broadcasts along `axis` of `dimensions`."""
    if axis is None:
        return np.asarray(parameter)
    shape = [1] * dimensions
    shape[axis] = -1
    return np.reshape(parameter, shape)
