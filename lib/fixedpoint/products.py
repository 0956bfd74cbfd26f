"""Exact integer matrix products of patches, where lib.fixedpoint.vnni has no convolution."""

import numpy as np
from numba import njit


def exact_product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a @ b for int8 a [M, K] and integers b [K, N] of at most 9 bits, as int32 (modulo 2^32), without any rounding.

    Floating point does it, exactly: every partial sum is an integer that float32 (below 2^24) or float64 (below 2^53,
    as long as K < 2^37) holds.

    >>> a, b = np.full((1, 2001), 127, np.int8), np.full((2001, 1), 127, np.int8)
    >>> exact_product(a, b).item(), (a.astype(np.float32) @ b.astype(np.float32)).item()
    (32274129, 32274128.0)
    """
    largest = 128 * np.abs(b.astype(np.int32)).sum(axis=0).max(initial=0)
    real = np.float32 if largest < 1 << 24 else np.float64
    return (a.astype(real) @ b.astype(real)).astype(np.int64).astype(np.int32)


@njit(nogil=True, cache=True)
def depthwise_product(a, b):
    """Sums over taps of a [M, taps · C] times b [taps, C], channel by channel: int32 [M, C].

    >>> a, b = np.int8([[1, 2, 3, 4]]), np.int32([[10, 20], [30, 40]])
    >>> depthwise_product(a, b).tolist()  # 1 · 10 + 3 · 30, 2 · 20 + 4 · 40
    [[100, 200]]
    """
    taps, channels = b.shape
    sums = np.zeros((a.shape[0], channels), np.int32)
    for row in range(a.shape[0]):
        for tap in range(taps):
            for channel in range(channels):
                product = np.int32(a[row, tap * channels + channel]) * b[tap, channel]
                sums[row, channel] = np.int32(sums[row, channel] + np.int32(product))
    return sums
