"""Conv, Gemm and MatMul: sums of products in an accumulator of chosen width, then requantization."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lib.fixedpoint.accumulator import INT32, Accumulator
from lib.fixedpoint.arithmetic import signed_bits
from lib.fixedpoint.operators.narrow import narrow_sums
from lib.fixedpoint.products import exact_product
from lib.fixedpoint.requantize import Quantization
from lib.fixedpoint.rescale import requantizer
from lib.fixedpoint.window import Window, channels_last

PATCH_BYTES = 1 << 20  # patches made at a time: they stay in the second-level cache


@dataclass(frozen=True)
class Linear:
    """y = clip(rint(float32(accumulator) · M) + y.zero_point), accumulator = bias + sum (x - x_zero_point) · weight.

    Padding stands for the real 0 and adds nothing. The accumulator starts with the bias and takes one product at a
    time in the order of the ONNX weight layout: channel, then kernel row, then kernel column. In an accumulator
    narrower than 32 bits every addition wraps or saturates; saturation depends on this order, wrapping does not.

    weight : [N, C / groups, *kernel], zero point subtracted; for Gemm and MatMul [N, K] and no window
    bias : int32 [N]; x_zero_point : int8 or uint8; multiplier : M, float32, one or [N]; y : the result's quantization
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
        size = self.window.output_size(x.shape[2:]) if self.window else x.shape[1:-1]
        filters = len(self.weight)
        shape = (len(x), filters, *size) if self.window else (len(x), *size, filters)
        y = channels_last(shape, self.y.dtype) if self.window else np.empty(shape, self.y.dtype)
        rows = np.moveaxis(y, 1, -1) if self.window else y
        outputs = int(np.prod(size))
        step = max(1, PATCH_BYTES // max(1, outputs * self.macs_per_output * self.groups))
        for first in range(0, len(x), step):
            part = slice(first, first + step)
            sums = self.accumulate(x[part])
            if observe:
                observe(x[part], sums)
            rows[part] = self._requantize(sums, self.y.zero_point).reshape(-1, *size, filters)
        return y

    def accumulate(self, x: np.ndarray, exact: bool = False) -> np.ndarray:
        """Accumulators of x [B, …] as [B · outputs, N]; `exact` ignores the chosen width and overflow policy."""
        signed, zero = self._signed(x)
        rows = self.window.patches(signed, zero) if self.window else signed.reshape(-1, signed.shape[-1])
        if exact or self.bound_bits <= self.accumulator.bits:
            return self.exact_sums(rows, zero)
        return narrow_sums(self, rows, zero)

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
        return int(np.prod(self.weight.shape[2:]))

    @cached_property
    def _requantize(self) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        return requantizer(self.requantization, np.broadcast_to(self.multiplier, len(self.weight)))

    def _signed(self, x: np.ndarray) -> tuple[np.ndarray, int]:
        """x and its zero point as int8, which the fastest products take: uint8 is moved by 128."""
        if x.dtype == np.int8:
            return x, int(self.x_zero_point)
        return (x ^ np.uint8(128)).view(np.int8), int(self.x_zero_point) - 128

    @cached_property
    def matrices(self) -> list[np.ndarray]:
        """Weights of each group as [taps · C / groups, N / groups], rows in the order of the patches' columns."""
        kind = np.int8 if self.weight.min() >= -128 and self.weight.max() <= 127 else np.int16
        weight = self.weight.astype(kind).reshape(*self.weight.shape[:2], -1)
        return [np.ascontiguousarray(w.transpose(2, 1, 0).reshape(-1, len(w))) for w in np.split(weight, self.groups)]

    def by_group(self, rows: np.ndarray) -> list[np.ndarray]:
        if self.groups == 1:
            return [rows]
        split = rows.reshape(len(rows), self.taps, self.groups, -1)
        return [np.ascontiguousarray(split[:, :, group]).reshape(len(rows), -1) for group in range(self.groups)]

    def exact_sums(self, rows: np.ndarray, zero: int) -> np.ndarray:
        """Sums of products with x; what the zero point adds to each filter is a constant, taken off with the bias."""
        sums = [exact_product(x, w) for x, w in zip(self.by_group(rows), self.matrices, strict=True)]
        sums = sums[0] if self.groups == 1 else np.concatenate(sums, axis=1)
        sums += self._offset(zero)
        return sums

    def _offset(self, zero: int) -> np.ndarray:
        weights = self.weight.reshape(len(self.weight), -1).astype(np.int64).sum(1)
        return (self.bias - zero * weights).astype(np.int32)
