"""Windows that slide over images: where they stand, and the patches they cut out."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np
from numba import njit

from lib.fixedpoint.layout import channels_first, pixels_first
from lib.graph import Shape, resolved_pads

WORD = 8  # bytes that are copied at a time


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
        out = tuple(-(-s // stride) for s, stride in zip(size, self.strides, strict=True))  # that of auto_pad SAME
        return resolved_pads(self.given, self.kernel, size, out)

    def output_size(self, size: Shape) -> Shape:
        """Output size for an image of `size`, rounded down; raises ValueError where the window does not fit.

        >>> Window((3, 3), {"strides": [2, 2], "pads": [1, 1, 1, 1]}).output_size((32, 31))
        (16, 16)
        """
        pads, axes = self.pads(size), len(self.kernel)
        positions = tuple(
            (size[i] + pads[i] + pads[i + axes] - (self.kernel[i] - 1) * self.dilations[i] - 1) // self.strides[i] + 1
            for i in range(axes)
        )
        if min(positions) < 1:
            raise ValueError(f"a window over {self.kernel} does not fit into an image of {tuple(size)}")
        return positions

    def padded(self, x: np.ndarray, fill: int) -> np.ndarray:
        """x [B, C, *size] with its spatial axes padded with `fill`."""
        pads, axes = self.pads(x.shape[2:]), len(self.kernel)
        if not any(pads):
            return x
        begins, ends = pads[:axes], pads[axes:]
        shape = (*x.shape[:2], *(b + s + e for b, s, e in zip(begins, x.shape[2:], ends, strict=True)))
        padded = channels_first(np.empty((shape[0], *shape[2:], shape[1]), x.dtype))
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
        """What the window sees at each output: int8 [B · outputs, taps · C], taps in row order, channels innermost.

        x : int8 [B, C, *size], padded with `fill`
        """
        size, channels = self.output_size(x.shape[2:]), x.shape[1]
        image = pixels_first(self.padded(x, fill))
        if prod(self.kernel) == prod(self.strides) == 1:
            return image.reshape(-1, channels)
        steps = np.array(image.strides[1:-1])  # bytes from one pixel to the next, per axis
        # Without dilation the taps of a kernel row are neighbours in memory and move together.
        together = self.kernel[-1] if self.dilations[-1] == 1 else 1
        taps = _offsets((*self.kernel[:-1], self.kernel[-1] // together), steps * self.dilations)
        windows = _offsets(size, steps * self.strides)
        rows = np.empty((len(x) * len(windows), prod(self.kernel) * channels), np.int8)
        images = image.reshape(len(x), -1)
        run = together * channels
        if run < WORD:
            _gather_bytes(images, windows, taps, run, rows.ravel())
        else:
            _gather_words(_words(images), windows, taps, run, _words(rows.ravel()))
        return rows


def _offsets(size: Shape, steps: np.ndarray) -> np.ndarray:
    """Byte offsets of all positions of a grid of `size`, `steps` bytes apart, in row order."""
    return np.tensordot(steps, np.indices(size).reshape(len(size), -1), 1)


def _words(x: np.ndarray) -> np.ndarray:
    """A view of the bytes [..., n] as overlapping words [..., n - 7], one at every byte."""
    return np.ndarray((*x.shape[:-1], x.shape[-1] - WORD + 1), np.int64, x, strides=x.strides)


@njit(nogil=True, cache=True)
def _gather_words(images, windows, taps, run, rows):
    """Copy `run` bytes of each tap of each window; the last word of a run may overlap the one before."""
    row = 0
    for sample in range(images.shape[0]):
        for window in windows:
            for tap in taps:
                source = window + tap
                for i in range(0, run - WORD, WORD):
                    rows[row + i] = images[sample, source + i]
                rows[row + run - WORD] = images[sample, source + run - WORD]
                row += run


@njit(nogil=True, cache=True)
def _gather_bytes(images, windows, taps, run, rows):
    row = 0
    for sample in range(images.shape[0]):
        for window in windows:
            for tap in taps:
                for i in range(run):
                    rows[row + i] = images[sample, window + tap + i]
                row += run
