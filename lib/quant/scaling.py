"""What grows in this stage with the number of samples (measured by lib.bench.process)."""

from collections.abc import Callable

import numpy as np

from lib.quant.activations import load_finite
from lib.quant.ranges import observe


def calibration(size: int, model: str, percentile: float, entropy_bins: int) -> tuple[int, Callable]:
    """Ranges of all activations by every calibration from `size` samples of noise."""
    graph = load_finite(model)
    (shape,) = (graph.shapes[name][1:] for name in graph.inputs)
    x = np.random.default_rng(0).standard_normal((size, *shape), np.float32)
    return size, lambda: observe(graph, x, percentile, entropy_bins)
