"""Calibration: the range (low, high) that an activation's integers shall cover, from samples of the activation.

Every calibrator takes an iterable of float32 arrays of any shapes. Its result is that of all values together, however
they are cut into batches, and equals ONNX Runtime's calibrators (onnxruntime/quantization/calibrate.py) bit for bit.
Batches are read more than once: a list or another re-readable iterable costs no memory, an iterator is kept.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from lib.errors import InputError
from lib.quant.affine import asymmetric_range, dequantize, extremes, quantize

Batches = Iterable[np.ndarray]
Range = tuple[np.float32, np.float32]
Histogram = tuple[np.ndarray, np.ndarray]  # counts [bins], float32 edges [bins + 1]


def minmax(batches: Batches) -> Range:
    """The smallest and the largest value; raises InputError where there is none or one is not finite.

    >>> low, high = minmax([np.array([1.0, -2.0]), np.array([0.5])])
    >>> float(low), float(high)
    (-2.0, 1.0)
    """
    pairs = [extremes(batch) for batch in batches]
    low, high = extremes(np.array(pairs))
    return low, high


def percentile(batches: Batches, percentile: float = 99.999, bins: int = 2048) -> Range:
    """-t ... t within the extremes, where `percentile` per cent of the magnitudes are at most t.

    percentile : 0 ... 100; t is the lower edge of the first of `bins` bins at which the share is reached

    >>> low, high = percentile([np.arange(100, dtype=np.float32)], 89.5, bins=99)
    >>> float(low), float(high)
    (0.0, 89.0)
    """
    if not 0 <= percentile <= 100:
        raise InputError(f"percentile {percentile}: choose 0 to 100")
    batches = _reread(batches)
    magnitudes = [minmax([np.abs(batch)]) for batch in batches]
    return percentile_range(histogram(map(np.abs, batches), minmax(magnitudes), bins), minmax(batches), percentile)


def entropy(batches: Batches, bins: int = 128, levels: int = 128) -> Range:
    """The range, symmetric within the extremes, whose quantization to `levels` levels loses the least information.

    Candidates are the ranges around 0 of `levels` bins, two more, ... up to all `bins`, so that `bins` has to be larger
    than `levels` for a choice. With the defaults, which are those of onnxruntime.quantization.quantize_static, the
    result is that of minmax.

    >>> x = np.float32([*np.linspace(-1, 1, 1001), 8])
    >>> [float(limit) for limit in entropy([x], bins=1024)]
    [-1.0, 2.984375]
    """
    batches = _reread(batches)
    limits = minmax(batches)
    return entropy_range(histogram(batches, around_zero(limits), bins), limits, levels)


def mse(batches: Batches, bits: int = 8, bins: int = 8192, candidates: int = 100) -> Range:
    """The extremes, shrunk towards 0 by the factor with the least mean squared error of `bits`-bit quantization.

    Factors are 1/candidates ... 1; values count as the centres of their bins.
    Source: Nagel et al., "A White Paper on Neural Network Quantization", 2021, section 3.1 (range setting by MSE).

    >>> x = np.float32([*np.linspace(0, 1, 1001), 8])
    >>> [round(float(mse([x], bits)[1]), 2) for bits in (8, 4, 2)]
    [8.0, 6.4, 0.88]
    """
    batches = _reread(batches)
    limits = minmax(batches)
    return mse_range(histogram(batches, around_zero(limits), bins), limits, bits, candidates)


def _reread(batches: Batches) -> Batches:
    """The batches as something that can be read several times."""
    return list(batches) if isinstance(batches, Iterator) else batches


def around_zero(limits: Range) -> Range:
    """The smallest range around 0 that contains `limits`.

    >>> [float(limit) for limit in around_zero((-1.0, 3.0))]
    [-3.0, 3.0]
    """
    threshold = np.maximum(*np.abs(limits))
    return -threshold, threshold


def histogram(batches: Batches, limits: Range, bins: int) -> Histogram:
    """How many values are in each of `bins` equal bins [bins], and the float32 edges of the bins [bins + 1].

    >>> counts, edges = histogram([np.array([0.5, 1.5]), np.array([1.7, 9.0])], limits=(0, 4), bins=4)
    >>> counts.tolist(), edges.tolist()
    ([1, 2, 0, 0], [0.0, 1.0, 2.0, 3.0, 4.0])
    """
    counts = np.sum([np.histogram(batch, bins, limits)[0] for batch in batches], axis=0)
    return counts, np.histogram_bin_edges(np.empty(0, np.float32), bins, limits)


def coarser(values: Histogram, bins: int) -> Histogram:
    """The same histogram in `bins` bins, each made of 2, 4, 8, ... finer ones: what `histogram` counts in them itself.

    >>> counts, edges = coarser(histogram([np.float32([0, 1, 1, 3])], (0, 4), 4), 2)
    >>> counts.tolist(), edges.tolist()
    ([3, 1], [0.0, 2.0, 4.0])
    """
    counts, edges = values
    width = len(counts) // bins
    return counts.reshape(bins, width).sum(axis=1), edges[::width]


def _within(low: np.float32, high: np.float32, limits: Range) -> Range:
    """The range, cut to the values that occur."""
    return np.maximum(low, limits[0]), np.minimum(high, limits[1])


def percentile_range(magnitudes: Histogram, limits: Range, percentile: float) -> Range:
    """`percentile` from the histogram of magnitudes and the extremes.

    >>> magnitudes = np.array([6, 3, 1]), np.array([0.0, 1.0, 2.0, 3.0])
    >>> [float(limit) for limit in percentile_range(magnitudes, limits=(-0.5, 3.0), percentile=85)]
    [-0.5, 1.0]
    """
    counts, edges = magnitudes
    threshold = edges[np.searchsorted(np.cumsum(counts / counts.sum()), percentile / 100)]
    return _within(-threshold, threshold, limits)


def entropy_range(values: Histogram, limits: Range, levels: int) -> Range:
    """`entropy` from a histogram around 0 and the extremes.

    Source: Migacz, "8-bit Inference with TensorRT", GTC 2017, in the version of onnxruntime's HistogramCollector.

    >>> values = histogram([np.repeat([-1.5, -0.5, 0.5, 1.5, 7.5], [20, 30, 30, 20, 1])], (-8, 8), 16)
    >>> [float(limit) for limit in entropy_range(values, limits=(-1.5, 7.5), levels=4)]
    [-1.5, 3.0]
    """
    counts, edges = values
    below = np.concatenate([[0], np.cumsum(counts)])
    middle = len(counts) // 2
    divergences, ranges = [], []
    for half in range(levels // 2, middle + 1):
        start, end = middle - half, min(middle + half + 1, len(counts))
        inside = counts[start:end]
        reference = inside.copy()
        reference[0] += below[start]
        reference[-1] += below[-1] - below[end]
        divergences.append(_divergence(reference, _merged(inside, reference != 0, levels)))
        ranges.append((edges[start], edges[end]))
    return _within(*ranges[np.argmin(divergences)], limits)


def _merged(counts: np.ndarray, occupied: np.ndarray, levels: int) -> np.ndarray:
    """What is left of a histogram after quantization: each level's count, shared evenly among its occupied bins.

    Shares are truncated to integers; what does not fill a level at the end counts to the last level.
    """
    width = len(counts) // levels
    used = width * levels
    totals = counts[:used].reshape(levels, width).sum(axis=1)
    totals[-1] += counts[used:].sum()
    bins = occupied[:used].reshape(levels, width).sum(axis=1)
    result = np.zeros_like(counts)
    result[:used] = np.repeat(np.where(bins > 0, totals // np.maximum(bins, 1), 0), width)
    return result


def _divergence(p: np.ndarray, q: np.ndarray) -> np.float32:
    """Kullback-Leibler divergence of two histograms whose empty bins have been given a little of the others."""
    if not (p.any() and q.any()):
        return np.float32(np.inf)
    p, q = _smooth(p), _smooth(q)
    p, q = p / np.sum(p), q / np.sum(q)
    return np.sum(p * np.log(p / q))


def _smooth(counts: np.ndarray, share: float = 0.0001) -> np.ndarray:
    """The histogram in float32 with `share` in each empty bin, taken evenly from the occupied ones."""
    empty = counts == 0
    taken = share * float(empty.sum()) / float((~empty).sum())
    return counts.astype(np.float32) + np.where(empty, share, -taken).astype(np.float32)


def mse_range(values: Histogram, limits: Range, bits: int, candidates: int) -> Range:
    """`mse` from a histogram around 0 and the extremes.

    >>> values = histogram([np.repeat([-1.5, -0.5, 0.5, 1.5, 7.5], [20, 30, 30, 20, 1])], (-8, 8), 16)
    >>> [float(limit) for limit in mse_range(values, limits=(-2, 8), bits=2, candidates=8)]
    [-1.0, 4.0]
    """
    counts, edges = values
    centres = (edges[:-1] + edges[1:]) / 2
    low, high = limits
    ranges = [(low * factor, high * factor) for factor in np.arange(1, candidates + 1, dtype=np.float32) / candidates]

    def noise(low: np.float32, high: np.float32) -> float:
        parameters = asymmetric_range(low, high, bits)
        quantized = dequantize(quantize(centres, *parameters, bits, signed=False), *parameters)
        return float(np.sum(counts * np.square(centres - quantized, dtype=np.float64)))

    return min(ranges, key=lambda candidate: noise(*candidate))
