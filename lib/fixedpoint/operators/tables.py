"""Functions of 8-bit values as tables: every result computed once, in the float32 operations of ONNX Runtime."""

import numpy as np

from lib.errors import InputError
from lib.fixedpoint.requantize import Quantization


def every(dtype: np.dtype) -> np.ndarray:
    """All 256 values of an 8-bit type, in the order of their bit patterns, which is the order of a table."""
    return np.arange(256, dtype=np.uint8).view(dtype)


def apply(table: np.ndarray, x: np.ndarray) -> np.ndarray:
    """table [256] at x."""
    return table[x.view(np.uint8)]


def apply_pair(table: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """table [256 · 256] at (a, b), which have one shape: onnxruntime rounds broadcast operands differently."""
    if a.shape != b.shape:
        raise InputError(f"shapes {a.shape} and {b.shape} in an elementwise operator; only equal shapes are exact")
    return table[a.view(np.uint8) * np.uint16(256) + b.view(np.uint8)]


def add_table(a: Quantization, b: Quantization, y: Quantization) -> np.ndarray:
    """QLinearAdd of every pair: rint(fma(qa, A, fma(qb, B, c))) with A = a/y, B = b/y, c = zy - (A·za + B·zb).

    Source: onnxruntime, core/mlas/lib/intrinsics/avx2/qladd_avx2.cpp.
    """
    ratio_a, ratio_b = a.scale / y.scale, b.scale / y.scale
    zero_a, zero_b, zero_y = (np.float32(q.zero_point) for q in (a, b, y))
    constant = zero_y - fused(ratio_a, zero_a, ratio_b * zero_b)
    qa, qb = (every(q.dtype).astype(np.float32) for q in (a, b))
    return _rounded(fused(qa[:, None], ratio_a, fused(qb, ratio_b, constant)), y.dtype)


def multiply_table(a: Quantization, b: Quantization, y: Quantization) -> np.ndarray:
    """QLinearMul of every pair: rint(float32((qa - za)(qb - zb)) · M + zy) with M = a · b / y.

    Source: onnxruntime, core/mlas/lib/qlmul.cpp.
    """
    qa, qb = (every(q.dtype).astype(np.int32) - np.int32(q.zero_point) for q in (a, b))
    ratio = a.scale * b.scale / y.scale
    return _rounded((qa[:, None] * qb).astype(np.float32) * ratio + np.float32(y.zero_point), y.dtype)


def fused(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """float32 x · y + z rounded once, as a fused multiply-add does.

    The product is exact in float64. The sum is rounded there to odd, so that the second rounding, to float32, sees
    on which side of a tie the true value lies. Source: Boldo and Melquiond, IEEE Trans. Computers 57 (2008).

    >>> float(fused(np.float32(3), np.float32(2), np.float32(1)))
    7.0
    """
    product, z = np.float64(x) * np.float64(y), np.float64(z)
    total = product + z
    part = total - product
    error = (product - (total - part)) + (z - part)
    even = (np.asarray(total).view(np.int64) & 1) == 0
    odd = np.nextafter(total, np.where(error > 0, np.inf, -np.inf))
    return np.where((error != 0) & even, odd, total).astype(np.float32)


def _rounded(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    limits = np.iinfo(dtype)
    return np.clip(np.rint(values), limits.min, limits.max).astype(dtype).ravel()
