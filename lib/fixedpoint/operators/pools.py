"""Pools over 8-bit images [B, C, *size]."""

import numpy as np

from lib.fixedpoint.requantize import Quantization, quantize, requantize
from lib.fixedpoint.window import Window


def max_pool(x: np.ndarray, window: Window) -> np.ndarray:
    """Largest value under the window; padding never wins, being the type's smallest."""
    taps = window.taps(x, np.iinfo(x.dtype).min)
    largest = next(taps).copy(order="K")
    for tap in taps:
        np.maximum(largest, tap, out=largest)
    return largest


def global_average_pool(x: np.ndarray, a: Quantization, y: Quantization) -> np.ndarray:
    """QLinearGlobalAveragePool: the sum of q - zero point in int32, requantized with M = a / (y · pixels).

    Source: onnxruntime, core/mlas/lib/qlgavgpool.cpp.
    """
    axes, pixels = tuple(range(2, x.ndim)), int(np.prod(x.shape[2:]))
    sums = x.sum(axis=axes, dtype=np.int32) - np.int32(a.zero_point) * np.int32(pixels)
    scale = a.scale / (y.scale * np.float32(pixels))
    multiplier = np.full(sums.shape[1], scale, np.float32)
    return requantize(sums, multiplier, y.zero_point).reshape(*sums.shape, *(1,) * len(axes))


def float_global_average_pool(x: np.ndarray, levels: np.ndarray, y: Quantization) -> np.ndarray:
    """The mean of the float32 values that x stands for (table `levels` [256]), summed in four lanes, and quantized.

    ONNX Runtime's quantizer leaves this pool in float32 behind an unfused Relu, and float addition depends on its
    order: lane i adds the pixels i, i + 4, …; the lanes are added as (0 + 2) + (1 + 3); then come the last pixels.
    Source: onnxruntime, core/mlas/lib/pooling.cpp, MlasPoolGlobalKernel.
    """
    pixels = levels[x.view(np.uint8)].reshape(*x.shape[:2], -1)
    count = pixels.shape[2]
    lanes = np.zeros((*x.shape[:2], 4), np.float32)
    for first in range(0, count - 3, 4):
        lanes += pixels[:, :, first : first + 4]
    total = (lanes[..., 0] + lanes[..., 2]) + (lanes[..., 1] + lanes[..., 3])
    for pixel in range(count - count % 4, count):
        total += pixels[:, :, pixel]
    return quantize(total / np.float32(count), y).reshape(*x.shape[:2], *(1,) * (x.ndim - 2))
