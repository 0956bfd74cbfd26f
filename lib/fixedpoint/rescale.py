"""From accumulators to 8-bit integers: the ways in which hardware multiplies by the real factor M."""

from collections.abc import Callable

import numpy as np

from lib.errors import InputError
from lib.fixedpoint.requantize import requantize

Requantizer = Callable[[np.ndarray, np.ndarray], np.ndarray]


def requantizer(mode: str, multiplier: np.ndarray) -> Requantizer:
    """The function (accumulators int32 [rows, N], zero point) -> 8-bit integers [rows, N] of a mode.

    mode : "float32", onnxruntime's; multiplier : M, float32 [N]

    Raises InputError for an unknown mode.
    """
    if mode != "float32":
        raise InputError(f"requantization {mode!r} is unknown; use 'float32'")
    multiplier = np.ascontiguousarray(multiplier)
    return lambda accumulator, zero_point: requantize(accumulator, multiplier, zero_point)
