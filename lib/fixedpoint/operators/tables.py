"""Functions of 8-bit values as tables: every result computed once, in the float32 operations of ONNX Runtime."""

from collections.abc import Callable, Sequence
from itertools import zip_longest

import numpy as np
from numba import njit
from numba.extending import intrinsic

from lib.fixedpoint.layout import channels_first, pixels_first
from lib.fixedpoint.requantize import Quantization, dequantize, quantize
from lib.graph import Shape

Pair = Callable[[np.ndarray, np.ndarray], np.ndarray]


def every(dtype: np.dtype) -> np.ndarray:
    """All 256 values of an 8-bit type, in the order of their bit patterns, which is the order of a table.

    >>> every(np.dtype(np.int8))[[0, 127, 128, 255]].tolist()
    [0, 127, -128, -1]
    """
    return np.arange(256, dtype=np.uint8).view(dtype)


def apply(table: np.ndarray, x: np.ndarray) -> np.ndarray:
    """table [256] at x; x itself where the table changes nothing.

    >>> halves = every(np.dtype(np.uint8)) // 2
    >>> apply(halves, np.uint8([[4, 7], [0, 255]])).tolist()
    [[2, 3], [0, 127]]
    """
    if table.dtype == x.dtype and np.array_equal(table, every(x.dtype)):
        return x
    if x.ndim < 2:
        return table[x.view(np.uint8)]
    x = pixels_first(x)
    y = np.empty(x.shape, table.dtype)
    _look_up(table, x.view(np.uint8).ravel(), y.ravel())
    return channels_first(y)


@njit(nogil=True, cache=True)
def _look_up(table, x, y):
    for i in range(len(y)):
        y[i] = table[x[i]]


def apply_pair(table: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """table [256 · 256] at (a, b), whose shapes broadcast.

    >>> smaller = np.minimum(*np.indices((256, 256), np.uint8)).ravel()
    >>> apply_pair(smaller, np.uint8([[4, 7]]), np.uint8([[5, 6]])).tolist()
    [[4, 6]]
    """
    if a.shape != b.shape or a.ndim < 2:
        return table[a.view(np.uint8) * np.uint16(256) + b.view(np.uint8)]
    a, b = (pixels_first(x) for x in (a, b))
    y = np.empty(a.shape, table.dtype)
    _look_up_pair(table, a.view(np.uint8).ravel(), b.view(np.uint8).ravel(), y.ravel())
    return channels_first(y)


@njit(nogil=True, cache=True)
def _look_up_pair(table, a, b, y):
    for i in range(len(y)):
        y[i] = table[np.uint32(a[i]) << np.uint32(8) | np.uint32(b[i])]


def add(a: Quantization, b: Quantization, y: Quantization) -> Pair:
    """QLinearAdd; the operands' order matters, and onnxruntime swaps them where the first is broadcast.

    Images of one shape are added in float32, which is faster than looking up, if all 65536 pairs agree with the table.

    >>> a, b = Quantization(np.float32(1), np.uint8(0)), Quantization(np.float32(0.5), np.uint8(10))
    >>> add(a, b, a)(np.uint8([[1, 2, 250]]), np.uint8([[14, 15, 60]])).tolist()  # 1 + 2, 2 + 2.5, 250 + 25
    [[3, 4, 255]]
    """
    table = add_table(a, b, y)
    swapped = add_table(b, a, y).reshape(256, 256).T.ravel()
    limits, terms = np.iinfo(y.dtype), _add_terms(a, b, y)

    def added(p: np.ndarray, q: np.ndarray) -> np.ndarray:
        total = np.empty(p.shape, y.dtype)
        _add(p.ravel(), q.ravel(), *terms, np.float32(limits.min), np.float32(limits.max), total.ravel())
        return total

    agree = np.array_equal(added(np.repeat(every(a.dtype), 256), np.tile(every(b.dtype), 256)), table)

    def run(p: np.ndarray, q: np.ndarray) -> np.ndarray:
        if first_is_broadcast(p.shape, q.shape):
            return apply_pair(swapped, p, q)
        if agree and p.shape == q.shape and p.ndim > 2:
            return channels_first(added(pixels_first(p), pixels_first(q)))
        return apply_pair(table, p, q)

    return run


@intrinsic
def _fused(typing, x, y, z):
    """x · y + z rounded once, in compiled code."""
    return x(x, x, x), lambda context, builder, signature, values: builder.fma(*values)


@njit(nogil=True, cache=True)
def _add(a, b, ratio_a, ratio_b, constant, low, high, y):
    for i in range(len(y)):
        total = _fused(np.float32(a[i]), ratio_a, _fused(np.float32(b[i]), ratio_b, constant))
        y[i] = np.int32(min(max(np.rint(total), low), high))


def multiply(a: Quantization, b: Quantization, y: Quantization) -> Pair:
    """QLinearMul.

    >>> a, b = Quantization(np.float32(1), np.uint8(0)), Quantization(np.float32(0.5), np.uint8(10))
    >>> multiply(a, b, a)(np.uint8([[1, 2, 250]]), np.uint8([[14, 15, 60]])).tolist()  # 1 · 2, 2 · 2.5, 250 · 25
    [[2, 5, 255]]
    """
    table = multiply_table(a, b, y)
    return lambda p, q: apply_pair(table, p, q)


def concat(inputs: Sequence[Quantization], y: Quantization, axis: int) -> Callable[..., np.ndarray]:
    """QLinearConcat: each input brought to the output's scale by a table.

    >>> a, b = Quantization(np.float32(1), np.uint8(0)), Quantization(np.float32(0.5), np.uint8(10))
    >>> concat([a, b], a, axis=1)(np.uint8([[1, 2]]), np.uint8([[14, 15]])).tolist()  # 15 stands for 2.5
    [[1, 2, 2, 2]]
    """
    tables = [quantize(dequantize(every(x.dtype), x), y) for x in inputs]
    return lambda *parts: np.concatenate([apply(*pair) for pair in zip(tables, parts, strict=True)], axis)


def first_is_broadcast(a: Shape, b: Shape) -> bool:
    """Whether onnxruntime takes the first operand as one number for a whole run of the second's.

    The innermost axis that both operands have, and on which one of them is longer than 1, decides.
    Source: onnxruntime, core/providers/cpu/math/element_wise_ops.h, Broadcaster.

    >>> first_is_broadcast((4, 1, 1), (2, 4, 5, 5)), first_is_broadcast((2, 4, 1, 1), (4, 1, 1))
    (True, False)
    """
    common = list(zip_longest(reversed(a), reversed(b), fillvalue=1))[: max(1, min(len(a), len(b)))]
    return next((sizes for sizes in common if max(sizes) > 1), common[-1])[0] <= 1


def add_table(a: Quantization, b: Quantization, y: Quantization) -> np.ndarray:
    """QLinearAdd of every pair: rint(fma(qa, A, fma(qb, B, c))) with A = a/y, B = b/y, c = zy - (A·za + B·zb).

    Source: onnxruntime, core/mlas/lib/intrinsics/avx2/qladd_avx2.cpp.

    >>> a, b = Quantization(np.float32(1), np.uint8(0)), Quantization(np.float32(0.5), np.uint8(10))
    >>> table = add_table(a, b, a).reshape(256, 256)
    >>> int(table[1, 14]), int(table[2, 15]), int(table[250, 60])
    (3, 4, 255)
    """
    ratio_a, ratio_b, constant = _add_terms(a, b, y)
    qa, qb = (every(q.dtype).astype(np.float32) for q in (a, b))
    return rounded(fused(qa[:, None], ratio_a, fused(qb, ratio_b, constant)), y.dtype).ravel()


def _add_terms(a: Quantization, b: Quantization, y: Quantization) -> tuple[np.float32, np.float32, np.float32]:
    """A, B and c of add_table."""
    ratio_a, ratio_b = a.scale / y.scale, b.scale / y.scale
    zero_a, zero_b, zero_y = (np.float32(q.zero_point) for q in (a, b, y))
    return ratio_a, ratio_b, zero_y - fused(ratio_a, zero_a, ratio_b * zero_b)


def multiply_table(a: Quantization, b: Quantization, y: Quantization) -> np.ndarray:
    """QLinearMul of every pair: rint(float32((qa - za)(qb - zb)) · M + zy) with M = a · b / y.

    Source: onnxruntime, core/mlas/lib/qlmul.cpp.

    >>> a, b = Quantization(np.float32(1), np.uint8(0)), Quantization(np.float32(0.5), np.uint8(10))
    >>> table = multiply_table(a, b, a).reshape(256, 256)
    >>> int(table[1, 14]), int(table[2, 15]), int(table[250, 60])
    (2, 5, 255)
    """
    qa, qb = (every(q.dtype).astype(np.int32) - np.int32(q.zero_point) for q in (a, b))
    ratio = a.scale * b.scale / y.scale
    return rounded((qa[:, None] * qb).astype(np.float32) * ratio + np.float32(y.zero_point), y.dtype).ravel()


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


def rounded(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """float32 values as 8-bit integers, half to even; beyond int32, x86 converts to the smallest integer, and so here.

    >>> rounded(np.float32([2.5, 300, 3e9, -3e9]), np.uint8).tolist()
    [2, 255, 0, 0]
    """
    limits = np.iinfo(dtype)
    values = np.where(values < 2**31, np.rint(values), limits.min)
    return np.clip(values, limits.min, limits.max).astype(dtype)
