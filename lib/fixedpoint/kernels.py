"""The reference INT8 convolution, written to be read: what a hardware or firmware team checks its own against.

It shares nothing with the engine but the definition of the arithmetic, so that each is a test of the other.
"""

import numpy as np
from numba import njit


def convolve(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray,
    multiplier: np.ndarray,
    x_zero_point: int,
    y_zero_point: np.ndarray,
    weight_zero_point: np.ndarray | int = 0,
    strides: tuple[int, ...] = (1, 1),
    pads: tuple[int, ...] = (0, 0, 0, 0),
    dilations: tuple[int, ...] = (1, 1),
    groups: int = 1,
) -> np.ndarray:
    """8-bit convolution with int32 accumulators, as onnxruntime's QLinearConv computes it; 1D or 2D.

    accumulator = bias + sum (x - x_zero_point)(weight - weight_zero_point)
    y = clip(rint(float32(accumulator) · multiplier) + y_zero_point)

    x : int8 or uint8 [B, C, *size], padded with its zero point, which stands for the real 0
    weight : int8 or uint8 [N, C / groups, *kernel]; weight_zero_point : scalar or [N]
    bias : int32 [N]; multiplier : float32 [N], x_scale · weight_scale / y_scale
    y_zero_point : int8 or uint8 scalar, whose type is the result's
    strides, dilations : per spatial axis; pads : all begins, then all ends

    >>> x = np.arange(9, dtype=np.uint8).reshape(1, 1, 3, 3)
    >>> box = np.ones((1, 1, 2, 2), np.int8)
    >>> convolve(x, box, np.int32([0]), np.float32([0.25]), 0, np.uint8(0)).tolist()
    [[[[2, 3], [5, 6]]]]
    """
    axes = x.ndim - 2
    edges = [(0, 0), (0, 0), *zip(pads[:axes], pads[axes:], strict=True)]
    x = np.pad(x.astype(np.int32) - x_zero_point, edges)
    weight = weight.astype(np.int32) - np.reshape(weight_zero_point, (-1,) + (1,) * (axes + 1)).astype(np.int32)

    reach = [(k - 1) * d + 1 for k, d in zip(weight.shape[2:], dilations, strict=False)]
    windows = np.lib.stride_tricks.sliding_window_view(x, reach, axis=tuple(range(2, x.ndim)))
    for axis in range(axes):
        windows = windows[(slice(None),) * (2 + axis) + (slice(None, None, strides[axis]),)]
        windows = windows[(slice(None),) * (2 + axes + axis) + (slice(None, None, dilations[axis]),)]
    batch, _, *size = windows.shape[: 2 + axes]

    accumulator = np.empty((batch, len(weight), *size), np.int32)
    for x_group, weight_group, sums in zip(
        np.split(windows, groups, axis=1),
        np.split(weight, groups),
        np.split(accumulator, groups, axis=1),
        strict=True,
    ):
        patches = np.moveaxis(x_group, 1, 1 + axes).reshape(batch, np.prod(size), -1)
        sums[...] = _integer_product(patches, weight_group.reshape(len(weight_group), -1).T).reshape(sums.shape)
    per_channel = (-1,) + (1,) * axes
    accumulator += bias.reshape(per_channel)

    limits = np.iinfo(y_zero_point.dtype)
    scaled = np.rint(accumulator.astype(np.float32) * multiplier.reshape(per_channel)) + np.float32(y_zero_point)
    return np.clip(scaled, limits.min, limits.max).astype(y_zero_point.dtype)


@njit(nogil=True, cache=True)
def _integer_product(patches, weight):
    """int32 [B, P, K] by [K, N] in plain loops, one multiply-accumulate at a time: [B, N, P]."""
    batch, positions, depth = patches.shape
    filters = weight.shape[1]
    sums = np.zeros((batch, filters, positions), np.int32)
    for sample in range(batch):
        for position in range(positions):
            for k in range(depth):
                for n in range(filters):
                    sums[sample, n, position] += patches[sample, position, k] * weight[k, n]
    return sums
