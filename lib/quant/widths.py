"""Networks whose layers have widths of their own, put together from networks of one width."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from lib.graph import Graph
from lib.quant.low_bit import LowBitModel, activation_bits, quantize
from lib.quant.ranges import Observed

WIDE = 8  # bits of all that is not made narrow


def uniform(graph: Graph, observed: Mapping[str, Observed], widths: Iterable[int]) -> dict[int, LowBitModel]:
    """By width, and for WIDE in any case, the float model with weights and multiplied activations of so many bits.

    Ranges are those of the least squared error.
    observed : what calibration knows of each tensor of lib.quant.low_bit.quantized_tensors

    >>> from lib.examples import float_graph, observations
    >>> {width: model.size_kb for width, model in uniform(float_graph(), observations(), widths=[4, 2]).items()}
    {2: 0.04, 4: 0.052, 8: 0.076}
    """
    models = {}
    for width in sorted({*widths, WIDE}):
        bits = activation_bits(graph, width)
        ranges = {tensor: observed[tensor].range("mse", bits[tensor]) for tensor in bits}
        weights = {layer.name: width for layer in graph.layers}
        models[width] = quantize(graph, ranges, bits, weights, weight_range="mse")
    return models


def with_widths(
    models: Mapping[int, LowBitModel], weight: Mapping[str, int] = {}, activation: Mapping[str, int] = {}
) -> LowBitModel:
    """The network with WIDE weights and activations but for these layers and these tensors.

    models : from `uniform`; weight : width by layer; activation : width by tensor

    >>> from lib.examples import float_graph, observations
    >>> model = with_widths(uniform(float_graph(), observations(), widths=[2]), weight={"features": 2})
    >>> {layer: weight.bits for layer, weight in model.weights.items()}
    {'features': 2, 'logits': 8}
    """
    wide = models[WIDE]
    return replace(
        wide,
        weights=wide.weights | {layer: models[width].weights[layer] for layer, width in weight.items()},
        activations=wide.activations
        | {tensor: models[width].activations[tensor] for tensor, width in activation.items()},
    )
