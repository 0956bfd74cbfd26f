"""Integer matrix products: exact as fast as the machine allows, and saturating in the order of a sequential unit."""

from functools import cache

import numpy as np
from numba import njit


def exact_product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a @ b for int8 a [M, K] and integers b [K, N] of at most 9 bits, as int32 (modulo 2^32), without any rounding.

    Where b is int8, the machine's int8 dot products do it. Otherwise float64 does it, which is exact:
    every partial sum is an integer below 2^53 as long as K < 2^37.
    """
    if b.dtype == np.int8 and (int8_product := _int8_product()):
        return int8_product(a, b)
    product = a.astype(np.float64) @ b.astype(np.float64)
    return product.astype(np.int64).astype(np.int32)


@cache
def _int8_product():
    """torch's int8 product; None where torch is missing or, without VNNI, may add pairs in saturating 16 bits."""
    try:
        import torch
    except ImportError:
        return None
    if not torch.cpu._is_vnni_supported():
        return None

    def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        # Patches may be views in which windows overlap; torch misreads those.
        a = np.require(a, requirements=["C_CONTIGUOUS", "WRITEABLE"])
        return torch._int_mm(torch.from_numpy(a), torch.from_numpy(b)).numpy()

    return product


@njit(nogil=True, cache=True)
def saturating_product(a, b, order, zero_point, start, low, high):
    """start + (a - zero_point) @ b, where every addition saturates to low … high, in the order of b's rows.

    a : int8 [M, K]; b : int32 [K, N], at most 9 bits; order : [K], which column of a belongs to each row of b
    start : int32 [N]; low, high : int32, of at most 31 bits, so that
    an accumulator plus one product fits an int32 lane
    """
    rows, columns = a.shape[0], b.shape[1]
    sums = np.empty((rows, columns), np.int32)
    lanes = np.empty((4, columns), np.int32)
    s0, s1, s2, s3 = lanes[0], lanes[1], lanes[2], lanes[3]
    for first in range(0, rows, 4):
        # Four rows share each load of b; past the end, the last row is computed again.
        r0, r1, r2, r3 = first, min(first + 1, rows - 1), min(first + 2, rows - 1), min(first + 3, rows - 1)
        for column in range(columns):
            s0[column] = s1[column] = s2[column] = s3[column] = min(max(start[column], low), high)
        for k in range(a.shape[1]):
            weights = b[k]
            source = order[k]
            a0 = np.int32(a[r0, source]) - zero_point
            a1 = np.int32(a[r1, source]) - zero_point
            a2 = np.int32(a[r2, source]) - zero_point
            a3 = np.int32(a[r3, source]) - zero_point
            for column in range(columns):
                weight = weights[column]
                # numba adds int32 in int64, which halves the lanes: the casts bring them back.
                t0 = np.int32(s0[column] + np.int32(a0 * weight))
                t1 = np.int32(s1[column] + np.int32(a1 * weight))
                t2 = np.int32(s2[column] + np.int32(a2 * weight))
                t3 = np.int32(s3[column] + np.int32(a3 * weight))
                s0[column] = min(max(t0, low), high)
                s1[column] = min(max(t1, low), high)
                s2[column] = min(max(t2, low), high)
                s3[column] = min(max(t3, low), high)
        sums[r0], sums[r1], sums[r2], sums[r3] = s0, s1, s2, s3
    return sums
