"""The ranges of all activations of a model by every calibration, and the distributions that they cut."""

from collections import defaultdict
from collections.abc import Container, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from lib.errors import InputError
from lib.files import reading
from lib.graph import Graph
from lib.quant import calibrate
from lib.quant.activations import activations

# As onnxruntime.quantization.quantize_static has them.
PERCENTILE_BINS = 2048
ENTROPY_LEVELS = 128
ENTROPY_BINS = 2048  # Migacz's choice
MSE_BINS = 8192
MSE_CANDIDATES = 100
BARS = 128  # of the distributions


@dataclass(frozen=True)
class Observed:
    """One activation over all samples: its extremes, the histogram of its values around 0, and that of its magnitudes.

    >>> x = np.array([0, 1, 2, 9], np.float32)
    >>> seen = Observed((x[0], x[-1]), calibrate.histogram([x], (-9, 9), MSE_BINS), calibrate.histogram([x], (0, 9), 9))
    >>> [float(seen.range(calibration)[1]) for calibration in ("minmax", "percentile 75")]
    [9.0, 2.0]
    """

    limits: calibrate.Range
    values: calibrate.Histogram
    magnitudes: calibrate.Histogram

    def range(self, calibration: str, bits: int = 8) -> calibrate.Range:
        """The range by "minmax", "percentile 99.99" (or any other share in per cent), "entropy" or "mse".

        bits : of the activation; only "mse" depends on it
        """
        match calibration.split():
            case ["minmax"]:
                return self.limits
            case ["percentile", share]:
                return calibrate.percentile_range(self.magnitudes, self.limits, float(share))
            case ["entropy"]:
                return self.entropy
            case ["mse"]:
                return calibrate.mse_range(self.values, self.limits, bits, MSE_CANDIDATES)
        raise InputError(f"calibration {calibration!r}: choose minmax, percentile <share>, entropy or mse")

    @cached_property
    def entropy(self) -> calibrate.Range:
        """The range by Entropy, whose search is the only slow one."""
        return calibrate.entropy_range(calibrate.coarser(self.values, ENTROPY_BINS), self.limits, ENTROPY_LEVELS)


def activation_ranges(
    graph: Graph, inputs: np.ndarray, calibration: str, bits: dict[str, int]
) -> dict[str, calibrate.Range]:
    """The range of each tensor of `bits`, its number of bits by name; see `Observed.range`.

    inputs : calibration samples [N, ...], over which the float model runs twice

    >>> from lib.examples import float_graph, inputs
    >>> ranges = activation_ranges(float_graph(), inputs(), "percentile 99", {"input": 8, "rectified": 8})
    >>> {tensor: (round(float(low), 2), round(float(high), 2)) for tensor, (low, high) in ranges.items()}
    {'input': (-2.31, 2.31), 'rectified': (0.0, 6.88)}
    """
    return {tensor: seen.range(calibration, bits[tensor]) for tensor, seen in observed(graph, inputs, bits).items()}


def observed(graph: Graph, inputs: np.ndarray, tensors: Container[str], bins: int = MSE_BINS) -> dict[str, Observed]:
    """What calibrations need to know of the activations called `tensors`.

    The model runs twice over `inputs` [N, ...], once for the extremes and once to count; no activation is kept.
    bins : of the histograms of values

    >>> from lib.examples import float_graph, inputs
    >>> seen = observed(float_graph(), inputs(), ["rectified"])["rectified"]  # [16, 4, 8, 8]
    >>> round(float(seen.limits[1]), 2), int(seen.values[0].sum())
    (11.2, 4096)
    """
    pairs = defaultdict(list)
    for key, x in _views(graph, inputs, tensors):
        pairs[key].append(calibrate.minmax([x]))
    limits = {key: calibrate.minmax(found) for key, found in pairs.items()}

    frames = {key: calibrate.around_zero(limit) if key[1] == "values" else limit for key, limit in limits.items()}
    number = {"values": bins, "magnitudes": PERCENTILE_BINS}
    counts, edges = defaultdict(int), {}
    for key, x in _views(graph, inputs, tensors):
        found, edges[key] = calibrate.histogram([x], frames[key], number[key[1]])
        counts[key] += found
    return {
        tensor: Observed(limits[tensor, "values"], *((counts[tensor, view], edges[tensor, view]) for view in number))
        for tensor in dict.fromkeys(tensor for tensor, _ in limits)
    }


def observe(
    graph: Graph, inputs: np.ndarray, percentile: float, entropy_bins: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ranges (calibration, tensor, low, high) of every activation, and distributions of each layer's operands.

    inputs : calibration samples [N, ...], over which the float model runs twice
    percentile : share of an activation's magnitudes [%] that its percentile range covers
    entropy_bins : a multiple of 128. 2048 is Migacz's choice; 128, ONNX Runtime's default, leaves the search a single
        candidate, the extremes
    The distributions have columns kind (weight or activation), layer, tensor, bin_low, bin_high, count.

    >>> from lib.examples import float_graph, inputs
    >>> ranges, distributions = observe(float_graph(), inputs(), percentile=99, entropy_bins=2048)
    >>> ranges[ranges.tensor == "rectified"].round(1)
       calibration     tensor  low  high
    9       minmax  rectified  0.0  11.2
    10  percentile  rectified  0.0   6.9
    11     entropy  rectified  0.0   7.7
    """
    found = observed(graph, inputs, [*graph.inputs, *graph.producer], entropy_bins)
    rows = []
    for tensor, seen in found.items():
        ranges = {
            "minmax": seen.limits,
            "percentile": calibrate.percentile_range(seen.magnitudes, seen.limits, percentile),
            "entropy": calibrate.entropy_range(seen.values, seen.limits, ENTROPY_LEVELS),
        }
        rows += [(calibration, tensor, *limits) for calibration, limits in ranges.items()]
    ranges = pd.DataFrame(rows, columns=["calibration", "tensor", "low", "high"])
    return ranges, _distributions(graph, found)


def _views(graph: Graph, inputs: np.ndarray, tensors: Container[str]) -> Iterator[tuple[tuple[str, str], np.ndarray]]:
    """The activations called `tensors`, batch by batch: ((tensor, "values"), x) and ((tensor, "magnitudes"), |x|)."""
    for batch in activations(graph, inputs):
        for tensor in (tensor for tensor in batch if tensor in tensors):
            yield (tensor, "values"), batch[tensor]
            yield (tensor, "magnitudes"), np.abs(batch[tensor])


def _distributions(graph: Graph, found: dict[str, Observed]) -> pd.DataFrame:
    """Histograms of every layer's weight and input activation, in `BARS` bins around 0."""
    frames = []
    for layer in graph.layers:
        weight = graph.initializers[layer.weight]
        limits = calibrate.around_zero(calibrate.minmax([weight]))
        bars = {
            ("weight", layer.weight): calibrate.histogram([weight], limits, BARS),
            ("activation", layer.input): calibrate.coarser(found[layer.input].values, BARS),
        }
        for (kind, tensor), (counts, edges) in bars.items():
            columns = {"kind": kind, "layer": layer.name, "tensor": tensor}
            frames.append(pd.DataFrame(columns | {"bin_low": edges[:-1], "bin_high": edges[1:], "count": counts}))
    return pd.concat(frames, ignore_index=True)


def read_ranges(path: str | Path) -> dict[str, dict[str, calibrate.Range]]:
    """Ranges of a table written from `observe`: {calibration: {tensor: (low, high)}}, in float32 as they were.

    >>> from lib.examples import folder
    >>> table = pd.DataFrame({"calibration": "minmax", "tensor": ["input"], "low": -1.5, "high": 2.0})
    >>> table.to_csv(folder() / "ranges.csv", index=False)
    >>> read_ranges(folder() / "ranges.csv")
    {'minmax': {'input': (-1.5, 2.0)}}
    """
    with reading(path, "a table of ranges"):
        table = pd.read_csv(path).astype({"low": np.float32, "high": np.float32})
        return {
            calibration: dict(zip(rows["tensor"], zip(rows["low"], rows["high"], strict=True), strict=True))
            for calibration, rows in table.groupby("calibration")
        }
