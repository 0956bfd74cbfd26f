"""Pools over 8-bit images [B, C, *size]."""

from dataclasses import dataclass
from math import prod

import numpy as np
from numba import njit

from lib.fixedpoint.layout import channels_first, pixels_first
from lib.fixedpoint.operators.tables import apply, every, rounded
from lib.fixedpoint.requantize import Quantization, dequantize, quantize
from lib.fixedpoint.rescale import requantizer
from lib.fixedpoint.window import Window


def max_pool(x: np.ndarray, window: Window) -> np.ndarray:
    """Largest value under the window; padding never wins, being the type's smallest.

    >>> x = np.arange(16, dtype=np.uint8).reshape(1, 1, 4, 4)
    >>> max_pool(x, Window((2, 2), {"strides": [2, 2]})).tolist()
    [[[[5, 7], [13, 15]]]]
    """
    *above, columns = window.output_size(x.shape[2:])
    image = pixels_first(window.padded(x, np.iinfo(x.dtype).min))
    samples, *_, width, channels = image.shape
    kernel, strides, dilations = (  # one spatial axis is an image of height 1
        (1, *given)[-2:] for given in (window.kernel, window.strides, window.dilations)
    )
    everywhere = np.empty((samples, *above, width, channels), x.dtype)
    lines = (array.reshape(samples, prod(array.shape[1:-2]), width * channels) for array in (image, everywhere))
    _line_maxima(*lines, kernel, strides[0], (dilations[0], dilations[1] * channels))
    return channels_first(everywhere[..., :: strides[1], :][..., :columns, :])


@njit(nogil=True, cache=True)
def _line_maxima(x, y, kernel, stride, dilations):
    """From lines x [B, H, n] to y, the largest of the window that begins at each value, every `stride` lines.

    Whole lines are compared, also where no window of the pool begins: that is faster than short pieces.
    """
    line = np.empty(x.shape[2], x.dtype)
    for sample in range(y.shape[0]):
        for row in range(y.shape[1]):
            _keep_larger(line, x[sample, row * stride], True)
            for tap in range(1, kernel[0]):
                _keep_larger(line, x[sample, row * stride + tap * dilations[0]], False)
            _keep_larger(y[sample, row], line, True)
            for tap in range(1, kernel[1]):
                _keep_larger(y[sample, row], line[tap * dilations[1] :], False)


@njit(inline="always")
def _keep_larger(y, x, first):
    for i in range(len(x)):  # numba's own assignment of slices takes ten times as long
        y[i] = x[i] if first or x[i] > y[i] else y[i]


@dataclass(frozen=True)
class GlobalAveragePool:
    """QLinearGlobalAveragePool: the sum of q - zero point in int32, requantized with M = a / (y · pixels).

    Source: onnxruntime, core/mlas/lib/qlgavgpool.cpp.

    >>> half, quarter = Quantization(np.float32(0.5), np.uint8(0)), Quantization(np.float32(0.25), np.uint8(10))
    >>> pool = GlobalAveragePool(half, quarter)
    >>> pool(np.uint8([[[[1, 2], [3, 5]]]])).tolist()  # the mean 11 / 8 is 5.5 steps of 0.25
    [[[[16]]]]
    >>> pool.multiplier(pixels=4).tolist(), [bound.tolist() for bound in pool.interval(pixels=4)]
    ([0.5], [[0], [1020]])
    """

    a: Quantization
    y: Quantization
    requantization: str = "float32"

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """8-bit [B, C, *size] to [B, C, 1, …]."""
        axes, pixels = tuple(range(2, x.ndim)), prod(x.shape[2:])
        images = pixels_first(x).reshape(len(x), pixels, x.shape[1])
        sums = _pixel_sums(images) - np.int32(self.a.zero_point) * np.int32(pixels)
        rescale = requantizer(self.requantization, np.repeat(self.multiplier(pixels), sums.shape[1]))
        return rescale(sums, self.y.zero_point).reshape(*sums.shape, *(1,) * len(axes))

    def multiplier(self, pixels: int) -> np.ndarray:
        """M, float32 [1]."""
        return np.atleast_1d(self.a.scale / (self.y.scale * np.float32(pixels)))

    def interval(self, pixels: int) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest sum, [1] each."""
        limits, zero = np.iinfo(self.a.dtype), int(self.a.zero_point)
        return np.array([pixels * (limits.min - zero)]), np.array([pixels * (limits.max - zero)])


@njit(nogil=True, cache=True)
def _pixel_sums(x):
    """8-bit [B, pixels, C] to int32 [B, C]."""
    sums = np.zeros((x.shape[0], x.shape[2]), np.int32)
    for sample in range(x.shape[0]):
        for pixel in range(x.shape[1]):
            for channel in range(x.shape[2]):
                sums[sample, channel] = np.int32(sums[sample, channel] + np.int32(x[sample, pixel, channel]))
    return sums


def float_global_average_pool(x: np.ndarray, levels: np.ndarray, y: Quantization) -> np.ndarray:
    """The mean of the float32 values that x stands for (table `levels` [256]), summed in four lanes, and quantized.

    ONNX Runtime's quantizer leaves this pool in float32 behind an unfused Relu, and float addition depends on its
    order: lane i adds the pixels i, i + 4, …; the lanes are added as (0 + 2) + (1 + 3); then come the last pixels.
    Source: onnxruntime, core/mlas/lib/pooling.cpp, MlasPoolGlobalKernel.

    >>> levels = np.maximum(np.arange(256, dtype=np.float32) - 128, 0)  # Relu behind a zero point of 128
    >>> x = np.uint8([[[[0, 128], [130, 134]]]])
    >>> float_global_average_pool(x, levels, Quantization(np.float32(0.5), np.uint8(0))).tolist()  # (2 + 6) / 4 / 0.5
    [[[[4]]]]
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


def average_pool(x: np.ndarray, window: Window, a: Quantization, y: Quantization, include_pad: bool) -> np.ndarray:
    """QLinearAveragePool: the float32 values that x stands for are added tap by tap and divided by their number.

    include_pad : whether padding counts; it adds the real 0
    The zero point is added before rounding, so that ties go to even integers, not to even distances from it.
    A window as large as the image is computed as a global average pool.
    Source: onnxruntime, contrib_ops/cpu/quantization/qlinear_pool.cc.

    >>> one, x = Quantization(np.float32(1), np.uint8(0)), np.uint8([[[[8, 8], [8, 8]]]])
    >>> window = Window((2, 2), {"pads": [1, 1, 0, 0]})
    >>> average_pool(x, window, one, one, include_pad=False).tolist()
    [[[[8, 8], [8, 8]]]]
    >>> average_pool(x, window, one, one, include_pad=True).tolist()
    [[[[2, 4], [4, 8]]]]
    """
    size = x.shape[2:]
    if size == window.kernel and not any(window.pads(size)):
        return GlobalAveragePool(a, y)(x)
    values = apply(dequantize(every(a.dtype), a), x)
    total = sum(window.taps(values, 0))
    inside = sum(window.taps(np.ones((1, 1, *size), np.float32), 0))
    count = np.float32(prod(window.kernel)) if include_pad else inside
    return rounded(total / count / y.scale + np.float32(y.zero_point), y.dtype)
