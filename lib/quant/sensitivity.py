"""How much accuracy each layer costs when it alone is quantized."""

import numpy as np
import pandas as pd

from lib.graph import Graph
from lib.progress import Progress
from lib.quant.activations import logits
from lib.quant.calibrate import Range
from lib.quant.error import sqnr_db
from lib.quant.ptq import quantize
from lib.quant.scheme import Scheme


def sensitivity(
    graph: Graph, inputs: np.ndarray, labels: np.ndarray, ranges: dict[str, Range], scheme: Scheme
) -> pd.DataFrame:
    """One row per layer: accuracy (0 ... 1) with this layer quantized, points lost by it, SQNR of the logits.

    inputs, labels : test samples [N, ...] and their classes [N]
    ranges : (low, high) by tensor, from the calibration of `scheme`

    >>> from lib.examples import float_graph, inputs, observations
    >>> labels = logits(float_graph().model, inputs()).argmax(axis=1)
    >>> ranges = {tensor: seen.limits for tensor, seen in observations().items()}
    >>> table = sensitivity(float_graph(), inputs(), labels, ranges, Scheme.parse("qdq_uint8_channel_minmax"))
    >>> table[["layer", "accuracy", "drop_points", "sqnr_db"]].round(1)
          layer  accuracy  drop_points  sqnr_db
    0  features       1.0          0.0     49.3
    1    logits       1.0          0.0     50.8
    """
    exact = logits(graph.model, inputs)
    exact_correct = _correct(exact, labels)
    rows, progress = [], Progress(len(graph.layers), "layers")
    for layer in graph.layers:
        found = logits(quantize(graph, ranges, scheme, [layer.name]), inputs)
        found_correct = _correct(found, labels)
        rows.append(
            scheme.columns()
            | {
                "layer": layer.name,
                "samples": len(labels),
                "float32_accuracy": exact_correct / len(labels),
                "accuracy": found_correct / len(labels),
                "drop_points": 100 * (exact_correct - found_correct) / len(labels),
                "sqnr_db": sqnr_db(exact, found),
            }
        )
        progress(f"{layer.name}: {rows[-1]['drop_points']:.2f} points lost")
    return pd.DataFrame(rows)


def _correct(logits: np.ndarray, labels: np.ndarray) -> int:
    """Number of samples whose largest logit is that of their label."""
    return int(np.count_nonzero(logits.argmax(axis=1) == labels))
