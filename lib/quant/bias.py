"""Bias correction: what quantization adds to a layer's mean output is taken off its bias.

Rounded weights times activations that are not zero on average shift every output channel. Layer by layer in graph
order, b += mean over calibration samples and pixels of (float output - quantized output), the earlier layers being
corrected already. No labels are used.

Source: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019, section 4.2
and, for measured means, its appendix D.
"""

from dataclasses import replace

import numpy as np

from lib.graph import ComputeLayer, Graph
from lib.quant.activations import activations
from lib.quant.low_bit import LowBitModel


def correct_bias(model: LowBitModel, inputs: np.ndarray) -> LowBitModel:
    """The model with the biases of all layers that have one corrected on calibration samples [N, ...].

    >>> from lib.examples import inputs, low_bit_model
    >>> model = low_bit_model(weight_bits=2)
    >>> layer = model.graph.layers[0]
    >>> [mean_error(one, layer, inputs()).round(2).tolist() for one in (model, correct_bias(model, inputs()))]
    [[-0.07, -0.07, -0.05, -0.07], [-0.01, -0.02, 0.0, -0.01]]
    """
    for layer in model.graph.layers:
        if layer.name in model.biases:
            bias = model.biases[layer.name] + mean_error(model, layer, inputs)
            model = replace(model, biases=model.biases | {layer.name: np.float32(bias)})
    return model


def mean_error(model: LowBitModel, layer: ComputeLayer, inputs: np.ndarray) -> np.ndarray:
    """Mean of float minus quantized output of a layer, before its activation is quantized, in float64 [channels].

    >>> from lib.examples import inputs, low_bit_model
    >>> model = low_bit_model(weight_bits=2)
    >>> mean_error(model, model.graph.layers[1], inputs()).round(2)
    array([-1.53, -1.6 ,  0.17])
    """
    quantized, deployed = deployed_layer(model, layer.name)
    runs = activations(model.graph, inputs, [layer.output]), activations(quantized, inputs, [deployed.output])
    channels = 1 if layer.op == "Conv" else -1
    total = rows = 0
    for exact, found in zip(*runs, strict=True):
        error = np.moveaxis(exact[layer.output] - found[deployed.output], channels, 0)
        error = error.reshape(len(error), -1)
        total, rows = total + error.sum(axis=1, dtype=np.float64), rows + error.shape[1]
    return total / rows


def deployed_layer(model: LowBitModel, name: str) -> tuple[Graph, ComputeLayer]:
    """The quantized graph and the layer called `name` in it.

    >>> from lib.examples import low_bit_model
    >>> graph, layer = deployed_layer(low_bit_model(), "features")
    >>> layer.input, layer.weight, layer.output
    ('input_dequantized', 'features_weight_quantized', 'features_real')
    """
    graph = Graph(model.to_onnx())
    return graph, next(layer for layer in graph.layers if layer.name == name)
