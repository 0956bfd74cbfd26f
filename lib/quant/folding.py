"""What becomes of the channels of every weight before it is rounded: trained, batch norm folded, equalized.

Folding multiplies output channel c by gamma_c / sqrt(var_c + eps) (Jacob et al., CVPR 2018, section 3.2), so that
channels that were alike in training may differ a lot: one scale for the tensor then wastes integers on the small ones,
one per channel does not, and cross-layer equalization evens them out.
"""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from lib.graph import Graph
from lib.quant.error import sqnr_db
from lib.quant.layer_error import channel_axis
from lib.quant.weights import quantize_weight


def folding(
    graph: Graph, stages: Mapping[str, Mapping[str, np.ndarray]], bits: Iterable[int] = (8, 4)
) -> Iterator[dict]:
    """One row per layer, stage and width: the channels' ranges, and the SQNR with a scale per tensor and per channel.

    stages : by stage, each layer's weight by the layer's name; output channels are along the same axis in all of them

    >>> from lib.examples import float_graph
    >>> weights = {"logits": np.float32([[0.4, 0.7], [7, -3]]), "features": np.float32([[1], [1]])}
    >>> rows = folding(float_graph(), {"trained": weights}, bits=[4])
    >>> {row["layer"]: (row["spread"], round(row["sqnr_db_tensor"], 1), row["sqnr_db_channel"]) for row in rows}
    {'features': (1.0, inf, inf), 'logits': (10.0, 23.7, inf)}
    """
    for layer in graph.layers:
        axis = channel_axis(graph, layer)
        for stage, weights in stages.items():
            weight = weights[layer.name]
            ranges = np.abs(np.moveaxis(weight, axis, 0)).reshape(weight.shape[axis], -1).max(axis=1)
            for width in bits:
                sqnr = {
                    f"sqnr_db_{granularity}": sqnr_db(
                        weight, quantize_weight(weight, width, axis, granularity=granularity).restored()
                    )
                    for granularity in ("tensor", "channel")
                }
                yield {
                    "layer": layer.name,
                    "stage": stage,
                    "channels": len(ranges),
                    "largest": ranges.max(),
                    "median_largest": np.median(ranges),
                    "spread": spread(ranges),
                    "bits": width,
                } | sqnr


def spread(ranges: np.ndarray) -> float:
    """Largest over smallest range of the channels, without those that are all zero.

    >>> spread(np.array([0.5, 0.0, 2.0]))
    4.0
    """
    return float(ranges.max() / ranges[ranges > 0].min()) if ranges.any() else 1.0
