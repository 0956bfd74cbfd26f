"""The ranges of all activations of a model by every calibration, and the distributions that they cut."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from lib.graph import Graph
from lib.quant import calibrate
from lib.quant.activations import activations

# As onnxruntime.quantization.quantize_static has them.
PERCENTILE_BINS = 2048
ENTROPY_LEVELS = 128
BARS = 128  # of the distributions


def observe(
    graph: Graph, inputs: np.ndarray, percentile: float, entropy_bins: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ranges (calibration, tensor, low, high) of every activation, and distributions of each layer's operands.

    The model runs twice over `inputs` [N, ...], once for the extremes and once to count; no activation is kept.
    percentile : share of an activation's magnitudes [%] that its percentile range covers
    entropy_bins : a multiple of 128. 2048 is Migacz's choice; 128, ONNX Runtime's default, leaves the search a single
        candidate, the extremes
    The distributions have columns kind (weight or activation), layer, tensor, bin_low, bin_high, count.
    """
    pairs = defaultdict(list)
    for key, x in views(graph, inputs):
        pairs[key].append(calibrate.minmax([x]))
    limits = {key: calibrate.minmax(found) for key, found in pairs.items()}

    frames = {key: calibrate.around_zero(limit) if key[1] == "values" else limit for key, limit in limits.items()}
    bins = {"values": entropy_bins, "magnitudes": PERCENTILE_BINS}
    counts, edges = defaultdict(int), {}
    for key, x in views(graph, inputs):
        found, edges[key] = calibrate.histogram([x], frames[key], bins[key[1]])
        counts[key] += found
    histograms = {key: (counts[key], edges[key]) for key in limits}

    rows = []
    for tensor in (tensor for tensor, view in limits if view == "values"):
        extremes = limits[tensor, "values"]
        magnitudes, values = histograms[tensor, "magnitudes"], histograms[tensor, "values"]
        ranges = {
            "minmax": extremes,
            "percentile": calibrate.percentile_range(magnitudes, extremes, percentile),
            "entropy": calibrate.entropy_range(values, extremes, ENTROPY_LEVELS),
        }
        rows += [(calibration, tensor, *found) for calibration, found in ranges.items()]
    ranges = pd.DataFrame(rows, columns=["calibration", "tensor", "low", "high"])
    return ranges, distributions(graph, histograms)


def views(graph: Graph, inputs: np.ndarray) -> Iterator[tuple[tuple[str, str], np.ndarray]]:
    """Every activation, batch by batch: ((tensor, "values"), x) and ((tensor, "magnitudes"), |x|)."""
    for batch in activations(graph, inputs):
        for tensor, x in batch.items():
            yield (tensor, "values"), x
            yield (tensor, "magnitudes"), np.abs(x)


def distributions(graph: Graph, histograms: dict) -> pd.DataFrame:
    """Histograms of every layer's weight and input activation, in `BARS` bins around 0."""
    frames = []
    for layer in graph.layers:
        weight = graph.initializers[layer.weight]
        limits = calibrate.around_zero(calibrate.minmax([weight]))
        counts, edges = histograms[layer.input, "values"]
        bars = {
            ("weight", layer.weight): calibrate.histogram([weight], limits, BARS),
            ("activation", layer.input): (counts.reshape(BARS, -1).sum(axis=1), edges[:: len(counts) // BARS]),
        }
        for (kind, tensor), (counts, edges) in bars.items():
            columns = {"kind": kind, "layer": layer.name, "tensor": tensor}
            frames.append(pd.DataFrame(columns | {"bin_low": edges[:-1], "bin_high": edges[1:], "count": counts}))
    return pd.concat(frames, ignore_index=True)


def read_ranges(path: str | Path) -> dict[str, dict[str, calibrate.Range]]:
    """Ranges of a table written from `observe`: {calibration: {tensor: (low, high)}}, in float32 as they were."""
    table = pd.read_csv(path).astype({"low": np.float32, "high": np.float32})
    return {
        calibration: dict(zip(rows["tensor"], zip(rows["low"], rows["high"], strict=True), strict=True))
        for calibration, rows in table.groupby("calibration")
    }
