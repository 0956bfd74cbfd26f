"""Conv, Gemm and MatMul: sums of products in an accumulator of chosen width, then requantization."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from lib.fixedpoint import vnni
from lib.fixedpoint.accumulator import INT32, Accumulator
from lib.fixedpoint.arithmetic import signed_bits
from lib.fixedpoint.layout import channels_first
from lib.fixedpoint.operators.narrow import narrow_sums
from lib.fixedpoint.products import depthwise_product, exact_product
from lib.fixedpoint.requantize import Quantization, requantize
from lib.fixedpoint.rescale import requantizer
from lib.fixedpoint.window import Window

PART_OUTPUTS = 1 << 21  # sums made at a time: they stay in the last-level cache


@dataclass(frozen=True)
class Linear:
    """y = clip(rint(float32(accumulator) · M) + y.zero_point), accumulator = bias + sum (x - x_zero_point) · weight.

    Padding stands for the real 0 and adds nothing. The accumulator starts with the bias and takes one product at a
    time in the order of the ONNX weight layout: channel, then kernel row, then kernel column. In an accumulator
    narrower than 32 bits every addition wraps or saturates; saturation depends on this order, wrapping does not.

    weight : [N, C / groups, *kernel], zero point subtracted; for Gemm and MatMul [N, K] and no window
    bias : int32 [N]; x_zero_point : int8 or uint8; multiplier : M, float32, one or [N]; y : the result's quantization

    >>> y = Quantization(np.float32(0.5), np.uint8(10))
    >>> layer = Linear(np.array([[3, -2]]), np.int32([7]), np.uint8(128), np.float32([0.25]), y, None, 1)
    >>> x = np.uint8([[130, 125]])
    >>> layer.accumulate(x).item(), layer(x).item()  # 7 + 2 · 3 + 3 · 2, rint(19 / 4) + 10
    (19, 15)
    >>> layer.interval, layer.bound_bits
    ((array([-631]), array([644])), 11)
    """

    weight: np.ndarray
    bias: np.ndarray
    x_zero_point: np.ndarray
    multiplier: np.ndarray
    y: Quantization
    window: Window | None
    groups: int
    accumulator: Accumulator = INT32
    requantization: str = "float32"

    def __call__(self, x: np.ndarray, observe: Callable[[np.ndarray, np.ndarray], None] | None = None) -> np.ndarray:
        """Integers in, integers out; observe(x, accumulators) sees each part of the batch before it is requantized."""
        channels, axes = self.weight.shape[1] * self.groups, self.weight.ndim if self.window else max(2, x.ndim)
        if x.ndim != axes or x.shape[1 if self.window else -1] != channels:
            raise ValueError(f"the weights take {channels} channels and {axes} axes")
        size = self.window.output_size(x.shape[2:]) if self.window else x.shape[1:-1]
        filters = len(self.weight)
        step = max(1, PART_OUTPUTS // max(1, prod(size) * filters))
        parts = [self._part(x[first : first + step], observe) for first in range(0, max(1, len(x)), step)]
        y = (parts[0] if len(parts) == 1 else np.concatenate(parts)).reshape(len(x), *size, filters)
        return channels_first(y) if self.window else y

    def _part(self, x: np.ndarray, observe: Callable | None) -> np.ndarray:
        if observe is None and self.requantization == "float32" and self.fits:  # the usual case, in one pass
            if self._convolution:
                images, zero = self._images(x)
                return self._convolution.outputs(images, self._multipliers, self.y.zero_point, self.offset(zero))
            sums, offset = self.sums(x)
            return requantize(sums, self._multipliers, self.y.zero_point, offset)
        sums = self.accumulate(x)
        if observe:
            observe(x, sums)
        return requantizer(self.requantization, self._multipliers)(sums, self.y.zero_point)

    def accumulate(self, x: np.ndarray, exact: bool = False) -> np.ndarray:
        """Accumulators of x [B, …] as [B · outputs, N]; `exact` ignores the chosen width and overflow policy."""
        if not exact and not self.fits:
            return narrow_sums(self, x)
        sums, offset = self.sums(x)
        return sums + offset

    def sums(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sums of products, int32 [B · outputs, N], and what has still to be added, int32 [N]."""
        if self._convolution:
            images, zero = self._images(x)
            return self._convolution(images), self.offset(zero)
        rows, zero = self.rows(x)
        return self.product(rows), self.offset(zero)

    @cached_property
    def _convolution(self) -> vnni.Convolution | None:
        """The convolution without patches, where the CPU has it; rows of a matrix are images of one pixel."""
        weight, window = (self.weight, self.window) if self.window else (self.weight[..., None], Window((1,), {}))
        _, zero = _unsigned(self.x_zero_point, self.x_zero_point)
        return vnni.convolution(weight, zero, window, self.groups)

    def _images(self, x: np.ndarray) -> tuple[np.ndarray, int]:
        """x as the images of the convolution, uint8, and their zero point."""
        unsigned, zero = _unsigned(x, self.x_zero_point)
        return unsigned if self.window else unsigned.reshape(-1, x.shape[-1], 1), zero

    def rows(self, x: np.ndarray) -> tuple[np.ndarray, int]:
        """Patches of x as int8 [B · outputs, taps · C], and their zero point; uint8 is moved by 128."""
        zero = int(self.x_zero_point)
        if x.dtype == np.uint8:
            x, zero = (x ^ np.uint8(128)).view(np.int8), zero - 128
        return (self.window.patches(x, zero) if self.window else x.reshape(-1, x.shape[-1])), zero

    def exact_sums(self, rows: np.ndarray, zero: int) -> np.ndarray:
        """bias + sum (rows - zero) · weight, int32 [B · outputs, N], whatever the width of the accumulator."""
        sums = self.product(rows)
        sums += self.offset(zero)
        return sums

    def product(self, rows: np.ndarray) -> np.ndarray:
        """Sums of products with the weights alone, int32 [B · outputs, N]."""
        if self.is_depthwise:
            return depthwise_product(rows, self._depthwise_matrix)
        sums = [exact_product(x, w) for x, w in zip(self.by_group(rows), self.matrices, strict=True)]
        return sums[0] if self.groups == 1 else np.concatenate(sums, axis=1)

    def offset(self, zero: int) -> np.ndarray:
        """What the bias and the inputs' zero point add to each filter's sum, int32 [N] (modulo 2^32)."""
        return (self.bias - zero * self._weight_sums).astype(np.int32)

    @property
    def fits(self) -> bool:
        """Whether no input can overflow the accumulator."""
        low, high = self.interval
        if self.accumulator.tile:  # the bias is in the second level, where it balances no tile
            low, high = low - self.bias, high - self.bias
        return signed_bits(int(low.min()), int(high.max())) <= self.accumulator.bits

    @cached_property
    def interval(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest value, per filter [N], that any partial sum can take over all 8-bit inputs.

        Every product's interval contains 0, so the bound of the whole sum also holds for its parts and any order.
        """
        kinds = np.iinfo(self.x_zero_point.dtype)
        low, high = kinds.min - int(self.x_zero_point), kinds.max - int(self.x_zero_point)
        weight = self.weight.reshape(len(self.weight), -1).astype(np.int64)
        positive, negative = np.maximum(weight, 0).sum(1), np.minimum(weight, 0).sum(1)
        return self.bias + positive * low + negative * high, self.bias + positive * high + negative * low

    @cached_property
    def bound_bits(self) -> int:
        """Bits of an accumulator that these weights cannot make overflow, whatever the input."""
        low, high = self.interval
        return signed_bits(int(low.min()), int(high.max()))

    @property
    def macs_per_output(self) -> int:
        """Products summed into one output."""
        return self.weight[0].size

    @property
    def taps(self) -> int:
        """Positions of the kernel."""
        return prod(self.weight.shape[2:])

    @property
    def is_depthwise(self) -> bool:
        """One filter for each channel."""
        return self.groups == len(self.weight) > 1 and self.weight.shape[1] == 1

    @cached_property
    def _multipliers(self) -> np.ndarray:
        return np.ascontiguousarray(np.broadcast_to(self.multiplier, len(self.weight)))

    @cached_property
    def _weight_sums(self) -> np.ndarray:
        return self.weight.reshape(len(self.weight), -1).astype(np.int64).sum(1)

    @cached_property
    def _depthwise_matrix(self) -> np.ndarray:
        return np.ascontiguousarray(self.weight.reshape(len(self.weight), -1).T)

    @cached_property
    def matrices(self) -> list[np.ndarray]:
        """Weights of each group as [taps · C / groups, N / groups], rows in the order of the patches' columns."""
        kind = np.int8 if self.weight.min() >= -128 and self.weight.max() <= 127 else np.int16
        weight = self.weight.astype(kind).reshape(*self.weight.shape[:2], -1)
        return [np.ascontiguousarray(w.transpose(2, 1, 0).reshape(-1, len(w))) for w in np.split(weight, self.groups)]

    def by_group(self, rows: np.ndarray) -> list[np.ndarray]:
        """The columns of the patches that each group sees: int8 [B · outputs, taps · C / groups]."""
        if self.groups == 1:
            return [rows]
        split = rows.reshape(len(rows), self.taps, self.groups, -1)
        return [np.ascontiguousarray(split[:, :, group]).reshape(len(rows), -1) for group in range(self.groups)]


def _unsigned(x: np.ndarray, zero_point: np.ndarray) -> tuple[np.ndarray, int]:
    """x as uint8, and its zero point; int8 is moved by 128."""
    if x.dtype == np.uint8:
        return x, int(zero_point)
    return x.view(np.uint8) ^ np.uint8(128), int(zero_point) + 128
