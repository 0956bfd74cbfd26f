"""How images lie in memory: arrays are [B, C, *size] as in ONNX, their memory holds the channels innermost."""

import numpy as np


def pixels_first(x: np.ndarray) -> np.ndarray:
    """x [B, C, *size] as a contiguous array [B, *size, C]; no copy where its memory has this order already.

    >>> pixels_first(np.array([[[[1, 2], [3, 4]], [[10, 20], [30, 40]]]])).tolist()
    [[[[1, 10], [2, 20]], [[3, 30], [4, 40]]]]
    """
    return np.ascontiguousarray(x.transpose(0, *range(2, x.ndim), 1))


def channels_first(x: np.ndarray) -> np.ndarray:
    """A view [B, C, *size] of x [B, *size, C].

    >>> channels_first(np.array([[[[1, 10], [2, 20]], [[3, 30], [4, 40]]]])).tolist()
    [[[[1, 2], [3, 4]], [[10, 20], [30, 40]]]]
    """
    return x.transpose(0, -1, *range(1, x.ndim - 1))
