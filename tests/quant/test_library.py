"""The public library quantizes what it is said to quantize, and its table is complete."""

import numpy as np
import pytest
import torch
from brevitas.nn.quant_layer import QuantWeightBiasInputOutputLayer

from lib.model.export import fold_batch_norm
from lib.quant.library import ROUNDINGS, library_study, predicted, quantized


@pytest.mark.parametrize("name", ["signal_model", "resnet_model", "dscnn_model"])
def test_weights_and_layer_inputs_have_their_widths(name, request):
    model = request.getfixturevalue(name)
    inputs = torch.from_numpy(model.dataset.calibration(8, seed=1))
    network = quantized(fold_batch_norm(model.network), inputs, weight_bits=3, activation_bits=4, rounding="GPTQ")
    layers = [module for module in network.modules() if isinstance(module, QuantWeightBiasInputOutputLayer)]
    plain = [module for module in model.network.modules() if getattr(module, "weight", torch.empty(0)).ndim > 1]
    assert len(layers) == len(plain)
    assert [int(layer.input_quant.bit_width()) for layer in layers] == [8] + [4] * (len(layers) - 1)
    for layer in layers:
        integers = layer.quant_weight().int()
        assert integers.min() >= -3 and integers.max() <= 3


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_eight_bits_hardly_differ_from_float32(dscnn_model, rounding):
    inputs = torch.from_numpy(dscnn_model.dataset.calibration(32, seed=1))
    x = torch.from_numpy(dscnn_model.dataset.test(100)[0])
    network = quantized(fold_batch_norm(dscnn_model.network), inputs, 8, 8, rounding)
    assert np.mean(predicted(network, x) == predicted(dscnn_model.network, x)) > 0.97


def test_table_has_a_row_for_every_width_and_way_to_round(signal_model):
    data = signal_model.dataset
    inputs, (x, labels) = data.calibration(8, seed=1), data.test(40)
    rows = list(library_study(signal_model.network, inputs, x, labels, [(4, 8), (2, 4)], ["GPTQ"]))
    assert [(row["weight_bits"], row["activation_bits"]) for row in rows] == [(4, 8), (2, 4)]
    for row in rows:
        assert row["samples"] == 40 and row["ci_low"] <= row["accuracy"] <= row["ci_high"]
        assert row["library"] == "Brevitas" and row["version"]
