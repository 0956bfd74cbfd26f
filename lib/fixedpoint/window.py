"""Windows that slide over images: where they stand, and the patches they cut out."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from lib.graph import Shape, resolved_pads


@dataclass(frozen=True)
class Window:
    """A Conv's or pool's window over one or two spatial axes, as the ONNX attributes give it."""

    kernel: Shape
    given: dict

    @property
    def strides(self) -> Shape:
        """Step per axis."""
        return tuple(self.given.get("strides", (1,) * len(self.kernel)))

    @property
    def dilations(self) -> Shape:
        """Distance of neighbouring taps per axis."""
        return tuple(self.given.get("dilations", (1,) * len(self.kernel)))

    def pads(self, size: Shape) -> Shape:
        """Padding for an image of `size`: all begins, then all ends."""
        out = tuple(-(-s // stride) for s, stride in zip(size, self.strides, strict=True))
        return resolved_pads(self.given, self.kernel, size, out)

    def output_size(self, size: Shape) -> Shape:
        """Output size for an image of `size`, rounded down.

        >>> Window((3, 3), {"strides": [2, 2], "pads": [1, 1, 1, 1]}).output_size((32, 31))
        (16, 16)
        """
        pads, axes = self.pads(size), len(self.kernel)
        return tuple(
            (size[i] + pads[i] + pads[i + axes] - (self.kernel[i] - 1) * self.dilations[i] - 1) // self.strides[i] + 1
            for i in range(axes)
        )

    def padded(self, x: np.ndarray, fill: int) -> np.ndarray:
        """x [B, C, *size] with its spatial axes padded with `fill`."""
        pads, axes = self.pads(x.shape[2:]), len(self.kernel)
        if not any(pads):
            return x
        begins, ends = pads[:axes], pads[axes:]
        shape = (*x.shape[:2], *(b + s + e for b, s, e in zip(begins, x.shape[2:], ends, strict=True)))
        padded = channels_last(shape, x.dtype)
        padded[...] = fill
        inside = tuple(slice(b, b + s) for b, s in zip(begins, x.shape[2:], strict=True))
        padded[(slice(None), slice(None), *inside)] = x
        return padded

    def taps(self, x: np.ndarray, fill: int) -> Iterator[np.ndarray]:
        """For every kernel position, in row order, the samples it sees: views [B, C, *output size]."""
        size = self.output_size(x.shape[2:])
        x = self.padded(x, fill)
        for tap in np.ndindex(*self.kernel):
            starts = (t * d for t, d in zip(tap, self.dilations, strict=True))
            spans = (slice(a, a + (n - 1) * s + 1, s) for a, n, s in zip(starts, size, self.strides, strict=True))
            yield x[(slice(None), slice(None), *spans)]

    def patches(self, x: np.ndarray, fill: int) -> np.ndarray:
        """What the window sees at each output: [B · outputs, taps · C], taps in row order, channels innermost."""
        axes = tuple(range(1, 1 + len(self.kernel)))
        image = np.moveaxis(self.padded(x, fill), 1, -1)
        reach = [(k - 1) * d + 1 for k, d in zip(self.kernel, self.dilations, strict=True)]
        windows = sliding_window_view(image, reach, axes)  # [B, *positions, C, *reach]
        steps = (1, *self.strides, 1, *self.dilations)
        windows = np.moveaxis(windows[tuple(slice(None, None, step) for step in steps)], 1 + len(axes), -1)
        # Neighbouring taps of a row are neighbours in memory, so this copies whole rows of the window.
        return windows.reshape(-1, prod(self.kernel) * x.shape[1])


def channels_last(shape: Shape, dtype: np.dtype) -> np.ndarray:
    """An uninitialized array [B, C, *size] whose memory holds the channels innermost, as the kernels read them."""
    return np.moveaxis(np.empty((shape[0], *shape[2:], shape[1]), dtype), -1, 1)
