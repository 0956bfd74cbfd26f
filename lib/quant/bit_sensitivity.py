"""What each layer's weight and each layer's input costs when it alone has few bits, why, and what foretells it."""

from collections.abc import Iterator, Mapping
from functools import cache

import numpy as np
import pandas as pd
from scipy.stats import kendalltau, permutation_test, rankdata

from lib.graph import ComputeLayer, Graph
from lib.progress import Progress
from lib.quant.accuracy import Right, points_lost
from lib.quant.activations import logits
from lib.quant.error import mse, sqnr_db
from lib.quant.layer_error import quantized_as
from lib.quant.low_bit import LowBitModel, multiplied
from lib.quant.ranges import Observed
from lib.quant.widths import WIDE, with_widths

# What may foretell a drop: noise in the logits, curvature of the loss, or a property of what is quantized.
PROXIES = {
    "weight": ("sqnr_db", "hessian", "outliers", "range", "parameters"),
    "activation": ("sqnr_db", "outliers", "range"),
}
LEAST_POINTS = 1.0  # where no layer loses as much, the order of the layers is chance


def bit_sensitivity(
    models: Mapping[int, LowBitModel],
    observed: Mapping[str, Observed],
    calibration: np.ndarray,
    right: Right,
    traces: Mapping[str, float],
) -> Iterator[dict]:
    """One row per layer, kind ("weight" or "activation") and width, with WIDE bits for everything else.

    models : of one width each, see lib.quant.widths.uniform
    observed, calibration : what is known of each quantized tensor, and the samples [N, C, …] that it is known from
    right : runs a quantized model on the test set
    traces : of the Hessian by layer, see lib.quant.hessian; empty for a network that PyTorch does not have

    Layers that multiply the same tensor share what is measured for it. The network's input always has WIDE bits.

    >>> from lib.examples import agrees, float_graph, inputs, observations
    >>> from lib.quant.widths import uniform
    >>> models = uniform(float_graph(), observations(), widths=[2])
    >>> rows = bit_sensitivity(models, observations(), inputs(), agrees, traces={})
    >>> [(row["kind"], row["layer"], row["drop_points"]) for row in rows if row["bits"] == 2]
    [('weight', 'features', 25.0), ('weight', 'logits', 18.75), ('activation', 'logits', 25.0)]
    """
    graph = models[WIDE].graph
    exact = logits(graph.model, calibration)

    @cache
    def measured(kind: str, operand: str, width: int) -> tuple[np.ndarray, float]:
        model = with_widths(models, **{kind: {operand: width}}).to_onnx()
        return right(model), sqnr_db(exact, logits(model, calibration))

    progress = Progress(len(operands(graph)) * len(models), "models")
    wide = "weight", graph.layers[0].name, WIDE  # the same network, whichever operand has WIDE bits
    for kind, layer, operand in operands(graph):
        weight = graph.initializers[layer.weight]
        about = {"layer": layer.name, "kind": kind, "tensor": layer.weight if kind == "weight" else operand}
        why = {"parameters": weight.size, "macs": layer.macs}
        why |= spread(weight.ravel()) if kind == "weight" else spread(*_occupied(observed[operand]))
        for width in models:
            hits, sqnr = measured(kind, operand, width) if width < WIDE else measured(*wide)
            row = about | {"bits": width, "samples": len(hits), "accuracy": float(hits.mean())}
            row |= {"drop_points": points_lost(measured(*wide)[0], hits), "sqnr_db": sqnr, "hessian": np.nan}
            if kind == "weight" and layer.name in traces:
                row["hessian"] = traces[layer.name] * mse(weight, models[width].weights[layer.name].restored())
            progress(f"{kind} of {layer.name}, {width} bits: {row['drop_points']:.2f} points lost")
            yield row | why


def operands(graph: Graph) -> list[tuple[str, ComputeLayer, str]]:
    """(kind, layer, the layer's name or its input tensor's) of all that can have few bits.

    >>> from lib.examples import float_graph
    >>> [(kind, layer.name, operand) for kind, layer, operand in operands(float_graph())]
    [('weight', 'features', 'features'), ('weight', 'logits', 'logits'), ('activation', 'logits', 'pooled')]
    """
    inputs = [("activation", layer, quantized_as(graph, layer.input)) for layer in graph.layers]
    return [
        *(("weight", layer, layer.name) for layer in graph.layers),
        *(found for found in inputs if found[2] in multiplied(graph)),
    ]


def spread(values: np.ndarray, counts: np.ndarray | None = None) -> dict[str, float]:
    """Why values may be hard to quantize: their range, and the largest magnitude over the root mean square.

    values : [N]; counts : how often each occurs [N], once if None

    >>> spread(np.array([-1.0, 3.0, -1.0, -1.0]))["range"], round(spread(np.array([-1.0, 7.0]))["outliers"], 2)
    (4.0, 1.4)
    """
    rms = np.sqrt(np.average(np.square(values, dtype=np.float64), weights=counts))
    return {"outliers": float(np.abs(values).max() / rms) if rms else 1.0, "range": float(np.ptp(values))}


def _occupied(observed: Observed) -> tuple[np.ndarray, np.ndarray]:
    """Centres of the histogram's bins that hold values, and how many each holds."""
    counts, edges = observed.values
    return ((edges[:-1] + edges[1:]) / 2)[counts > 0], counts[counts > 0]


def proxies(sensitivity: pd.DataFrame) -> pd.DataFrame:
    """One row per kind and proxy: how well it ranks the layers of each width by the drop that is measured.

    sensitivity : the table of `bit_sensitivity`; widths at which no layer loses LEAST_POINTS are left out
    spearman, kendall : rank correlations among `layers` layers that have the same width, averaged over the widths
    p_value : share of the orders of the layers that agree at least as well or as badly (Spearman)
    spearman_over_widths : of all layers and widths together, which also rewards knowing that fewer bits lose more

    >>> table = pd.DataFrame({"kind": "activation", "tensor": ["a", "b", "c"], "bits": 2, "drop_points": [1, 2, 9]})
    >>> table = table.assign(sqnr_db=[30, 20, 10], outliers=[2, 4, 9], range=[1, 3, 2])
    >>> proxies(table).set_index("proxy")["spearman"].round(2).to_dict()
    {'sqnr_db': -1.0, 'outliers': 1.0, 'range': 0.5}
    """
    found = []
    for kind, rows in sensitivity.drop_duplicates(["tensor", "bits"]).groupby("kind", sort=False):
        drops = rows.pivot(index="tensor", columns="bits", values="drop_points")
        drops = drops.loc[:, drops.max() >= LEAST_POINTS]
        for proxy in PROXIES[kind]:
            values = rows.pivot(index="tensor", columns="bits", values=proxy)[drops.columns].to_numpy()
            if min(drops.shape) and len(drops) > 1 and not np.isnan(values).any():
                over_widths = _unit_ranks(values.ravel()) @ _unit_ranks(drops.to_numpy().ravel())
                row = agreement(values, drops.to_numpy()) | {"spearman_over_widths": over_widths}
                found.append({"kind": kind, "proxy": proxy, "layers": len(drops)} | row)
    columns = ["kind", "proxy", "layers", "spearman", "kendall", "p_value", "spearman_over_widths"]
    return pd.DataFrame(found, columns=columns)


def agreement(proxy: np.ndarray, drops: np.ndarray) -> dict[str, float]:
    """Rank correlations of two arrays [layers, widths] among the layers, averaged over the widths.

    The p-value is exact up to seven layers; for more, the orders are a random sample.

    >>> agreement(np.array([[1], [2], [3], [4]]), np.array([[10], [20], [30], [50]]))["p_value"]
    0.08333333333333333
    """
    ours, theirs = _unit_ranks(proxy), _unit_ranks(drops)
    test = permutation_test(
        (np.arange(len(ours)),),
        lambda order: float(np.mean(np.sum(ours[order] * theirs, axis=0))),
        permutation_type="pairings",
        rng=0,
        vectorized=False,
    )
    kendall = np.mean([np.nan_to_num(kendalltau(*pair).statistic) for pair in zip(proxy.T, drops.T, strict=True)])
    return {"spearman": test.statistic, "kendall": float(kendall), "p_value": float(test.pvalue)}


def _unit_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks along the first axis around 0 and of norm 1, so that sums of products are Spearman's; 0 where all tie."""
    centred = rankdata(values, axis=0) - (len(values) + 1) / 2
    return centred / np.maximum(np.linalg.norm(centred, axis=0), 1)
