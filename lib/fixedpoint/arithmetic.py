"""Two's-complement overflow, and how many bits integers and sums of products need."""

from math import ceil, log2

import numpy as np


def limits(bits: int) -> tuple[int, int]:
    """Smallest and largest two's-complement integer of `bits` bits.

    >>> limits(8)
    (-128, 127)
    """
    return -(1 << (bits - 1)), (1 << (bits - 1)) - 1


def saturate(x: np.ndarray | int, bits: int) -> np.ndarray:
    """int64 values clipped to `bits` bits (1 … 64), as a saturating adder leaves them.

    >>> int(saturate(40000, 16)), int(saturate(-40000, 16))
    (32767, -32768)
    """
    return np.clip(np.asarray(x, np.int64), *limits(bits))


def wrap(x: np.ndarray | int, bits: int) -> np.ndarray:
    """int64 values reduced modulo 2^bits to two's complement of `bits` bits (1 … 64), as a plain adder leaves them.

    >>> int(wrap(40000, 16)), int(wrap(-32769, 16))
    (-25536, 32767)
    """
    return _keep_low_bits(np.array(x, np.int64), 64 - bits)


def wrap_int32(x: np.ndarray, bits: int) -> np.ndarray:
    """wrap for an int32 array and at most 32 bits, in place.

    >>> wrap_int32(np.int32([32767, 32768, 40000]), 16).tolist()
    [32767, -32768, -25536]
    """
    return _keep_low_bits(x, 32 - bits)


def _keep_low_bits(x: np.ndarray, unused: int) -> np.ndarray:
    x <<= x.dtype.type(unused)
    x >>= x.dtype.type(unused)
    return x


def signed_bits(low: int, high: int) -> int:
    """Bits of the narrowest two's-complement integer that holds every value of low … high.

    >>> signed_bits(-128, 127), signed_bits(0, 128), signed_bits(0, 0)
    (8, 9, 1)
    """
    return 1 + max(max(high, 0).bit_length(), (-min(low, 0) - 1).bit_length() if low < 0 else 0)


def accumulator_bits(activation_bits: int, weight_bits: int, macs: int) -> int:
    """Textbook bit growth: product width plus ceil(log2 K) carries for a sum of K = `macs` products.

    >>> accumulator_bits(8, 8, 576)
    26
    """
    return activation_bits + weight_bits + ceil(log2(macs))
