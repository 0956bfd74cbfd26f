"""Sums of products in the order of a sequential unit: saturating at every addition, and how far they reach on the way.

Both kernels keep a block of outputs as vector lanes and go through one filter's products after the other, so that each
filter may have its own order of additions and its own channels (groups).
"""

import numpy as np
from numba import njit

BLOCK = 256  # outputs computed side by side: their inputs stay in the second-level cache
UNROLL = 4  # products per visit of the sums


def saturating_product(
    rows: np.ndarray, zero: int, weights: np.ndarray, source: np.ndarray, start: np.ndarray, low: int, high: int
) -> np.ndarray:
    """start + sum over k of (rows[:, source[n, k]] - zero) · weights[n, k], every addition saturating to low … high.

    rows : int8 [M, C], with the zero point `zero`; start : int32 [N]
    weights, source : [N, K], of at most 9 bits, and 0 … C - 1
    low, high : of at most 31 bits, so that a sum plus one product fits an int32 lane; those of 32 bits never bind, and
        the sums are then exact modulo 2^32

    Returns int32 [M, N].

    >>> rows, weights, source = np.int8([[100, 100, 100]]), np.int32([[90, 90, -90]]), np.array([[0, 1, 2]])
    >>> start = np.zeros(1, np.int32)
    >>> saturating_product(rows, 0, weights, source, start, -16384, 16383).item()  # 9000, 16383, 7383
    7383
    >>> saturating_product(rows, 0, weights[:, [0, 2, 1]], source, start, -16384, 16383).item()  # 9000, 0, 9000
    9000
    """
    sums = np.empty((len(rows), len(weights)), np.int32)
    start = np.clip(start, low, high).astype(np.int32)
    _saturating(rows, np.int32(zero), *_unrolled(weights, source), start, np.int32(low), np.int32(high), sums)
    return sums


def partial_sum_range(
    rows: np.ndarray, zero: int, weights: np.ndarray, source: np.ndarray, start: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest value, int32 [N], of any partial sum of saturating_product without limits, start included.

    >>> rows, weights, source = np.int8([[100, 100, 100]]), np.int32([[90, 90, -90]]), np.array([[0, 1, 2]])
    >>> lows, highs = partial_sum_range(rows, 0, weights, source, np.zeros(1, np.int32))
    >>> lows.tolist(), highs.tolist()
    ([0], [18000])
    """
    lows, highs = start.astype(np.int32), start.astype(np.int32)
    _extremes(rows, np.int32(zero), *_unrolled(weights, source), start.astype(np.int32), lows, highs)
    return lows, highs


def _unrolled(weights: np.ndarray, source: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights and sources of a multiple of UNROLL products: those added multiply by 0 and change no sum."""
    missing = ((0, 0), (0, -weights.shape[1] % UNROLL))
    return np.pad(weights.astype(np.int32), missing), np.pad(source.astype(np.int32), missing)


@njit(nogil=True, cache=True)
def _columns(rows, zero, columns):
    """Up to a block of rows as columns [C, BLOCK], their zero point taken off."""
    for c in range(rows.shape[1]):
        for i in range(len(rows)):
            columns[c, i] = np.int32(rows[i, c]) - zero


@njit(nogil=True, cache=True)
def _saturating(rows, zero, weights, source, start, low, high, sums):
    columns, lanes = np.empty((rows.shape[1], BLOCK), np.int32), np.empty(BLOCK, np.int32)
    for first in range(0, len(rows), BLOCK):
        block = sums[first : first + BLOCK]
        count = len(block)
        _columns(rows[first : first + BLOCK], zero, columns)
        for n in range(len(weights)):
            lanes[:] = start[n]
            for k in range(0, weights.shape[1], UNROLL):
                w0, w1, w2, w3 = weights[n, k], weights[n, k + 1], weights[n, k + 2], weights[n, k + 3]
                c0, c1 = columns[source[n, k]], columns[source[n, k + 1]]
                c2, c3 = columns[source[n, k + 2]], columns[source[n, k + 3]]
                for i in range(count):
                    # numba adds int32 in int64, which halves the lanes: the casts bring them back.
                    total = min(max(np.int32(lanes[i] + np.int32(c0[i] * w0)), low), high)
                    total = min(max(np.int32(total + np.int32(c1[i] * w1)), low), high)
                    total = min(max(np.int32(total + np.int32(c2[i] * w2)), low), high)
                    lanes[i] = min(max(np.int32(total + np.int32(c3[i] * w3)), low), high)
            for i in range(count):
                block[i, n] = lanes[i]


@njit(nogil=True, cache=True)
def _extremes(rows, zero, weights, source, start, lows, highs):
    columns, lanes = np.empty((rows.shape[1], BLOCK), np.int32), np.empty(BLOCK, np.int32)
    low, high = np.empty(BLOCK, np.int32), np.empty(BLOCK, np.int32)
    for first in range(0, len(rows), BLOCK):
        count = min(BLOCK, len(rows) - first)
        _columns(rows[first : first + BLOCK], zero, columns)
        for n in range(len(weights)):
            lanes[:] = low[:] = high[:] = start[n]
            for k in range(0, weights.shape[1], UNROLL):
                w0, w1, w2, w3 = weights[n, k], weights[n, k + 1], weights[n, k + 2], weights[n, k + 3]
                c0, c1 = columns[source[n, k]], columns[source[n, k + 1]]
                c2, c3 = columns[source[n, k + 2]], columns[source[n, k + 3]]
                for i in range(count):
                    total0 = np.int32(lanes[i] + np.int32(c0[i] * w0))
                    total1 = np.int32(total0 + np.int32(c1[i] * w1))
                    total2 = np.int32(total1 + np.int32(c2[i] * w2))
                    total3 = np.int32(total2 + np.int32(c3[i] * w3))
                    low[i] = min(low[i], total0, total1, total2, total3)
                    high[i] = max(high[i], total0, total1, total2, total3)
                    lanes[i] = total3
            lows[n], highs[n] = min(lows[n], low.min()), max(highs[n], high.max())
