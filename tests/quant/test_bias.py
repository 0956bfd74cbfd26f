"""Bias correction: no layer's output is off on average, as far as the calibration samples say."""

import numpy as np

from lib.quant.bias import correct_bias, mean_error
from lib.quant.layer_error import quantized_as
from lib.quant.low_bit import activation_bits, quantize


def test_mean_errors_vanish_on_the_calibration_samples(calibrated):
    graph, inputs = calibrated.graph, calibrated.inputs[:32]
    widths = {layer.name: 3 for layer in graph.layers}
    model = quantize(graph, calibrated.ranges["minmax"], activation_bits(graph, 4), widths)
    corrected = correct_bias(model, inputs)
    assert corrected.weights == model.weights and corrected.activations == model.activations
    for layer in (graph.layers[0], graph.layers[-1]):
        # Biases are integers: rounding them before and after leaves up to half a step each.
        step = model.activations[quantized_as(graph, layer.input)].scale * model.weights[layer.name].scale
        assert np.all(np.abs(mean_error(corrected, layer, inputs)) < 1.01 * step)
    assert np.any(np.abs(mean_error(model, layer, inputs)) > 5 * step)
