"""How many samples calibration needs, and how much the choice of samples matters: every method on many draws."""

from collections.abc import Callable, Iterator, Sequence
from itertools import product

import numpy as np

from lib.graph import Graph
from lib.progress import Progress
from lib.quant import low_bit
from lib.quant.accuracy import Right
from lib.quant.ranges import observed

WEIGHT_BITS = 8


def calibration_study(
    graph: Graph,
    draw: Callable[[int, int], np.ndarray],
    right: Right,
    samples: Sequence[int],
    seeds: int,
    seed: int,
    percentiles: Sequence[float],
    activation_bits: Sequence[int],
) -> Iterator[dict]:
    """One row per draw, calibration and activation width: the accuracy with weights of 8 bits per channel.

    draw(number, seed) : calibration samples [number, ...]; the float model sees each draw once for all methods
    right : runs a quantized model on the test set
    samples : numbers of calibration samples; seeds : draws of each number, with the seeds from `seed` on
    percentiles : shares of the magnitudes [%] that percentile ranges cover

    >>> from lib.examples import agrees, dataset, float_graph
    >>> sizes = {"samples": [8], "seeds": 1, "seed": 0, "percentiles": [90], "activation_bits": [2]}
    >>> rows = calibration_study(float_graph(), dataset().calibration, agrees, **sizes)
    >>> {row["calibration"]: row["accuracy"] for row in rows}
    {'minmax': 0.875, 'percentile 90': 0.6875, 'entropy': 0.875, 'mse': 0.6875}
    """
    calibrations = ["minmax", *(f"percentile {share}" for share in percentiles), "entropy", "mse"]
    weights = {layer.name: WEIGHT_BITS for layer in graph.layers}
    draws = list(product(samples, range(seed, seed + seeds)))
    progress = Progress(len(draws) * len(calibrations) * len(activation_bits), "models")
    for number, drawn in draws:
        found = observed(graph, draw(number, drawn), low_bit.quantized_tensors(graph))
        for calibration, width in product(calibrations, activation_bits):
            bits = low_bit.activation_bits(graph, width)
            ranges = {tensor: seen.range(calibration, bits[tensor]) for tensor, seen in found.items()}
            correct = right(low_bit.quantize(graph, ranges, bits, weights).to_onnx())
            accuracy = float(np.mean(correct))
            progress(f"{calibration}, {width} bits, {number} samples: accuracy {accuracy:.4f}")
            row = {"calibration": calibration, "activation_bits": width, "calibration_samples": number, "seed": drawn}
            yield row | {"samples": len(correct), "accuracy": accuracy}
