"""What grows in this stage with the number of samples (measured by lib.bench.process)."""

from collections.abc import Callable

import numpy as np

from lib.quant.activations import load_finite
from lib.quant.ranges import observe


def calibration(size: int, model: str, percentile: float, entropy_bins: int) -> tuple[int, Callable]:
    """Ranges of all activations by every calibration from `size` samples of noise.

    >>> from lib.examples import float_model
    >>> count, call = calibration(5, float_model(), percentile=99.9, entropy_bins=128)
    >>> ranges, histograms = call()
    >>> count, sorted(set(ranges["calibration"]))
    (5, ['entropy', 'minmax', 'percentile'])
    """
    graph = load_finite(model)
    (shape,) = (graph.shapes[name][1:] for name in graph.inputs)
    x = np.random.default_rng(0).standard_normal((size, *shape), np.float32)
    return size, lambda: observe(graph, x, percentile, entropy_bins)
