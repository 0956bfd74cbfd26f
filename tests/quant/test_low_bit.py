"""Networks of few bits as ONNX graphs: what stands in them, and that they run and read back."""

from itertools import product

import numpy as np
import onnx
import pytest

from lib.errors import InputError
from lib.fixedpoint import IntegerModel
from lib.graph import Graph
from lib.quant.activations import logits
from lib.quant.error import squared_error
from lib.quant.low_bit import activation_bits, multiplied, quantize, quantized_tensors, read
from lib.quant.ptq import quantize as quantize_static
from lib.quant.ptq import save
from lib.quant.scheme import Scheme
from lib.quant.weights import quantize_weight


def low_bit(calibrated, weights: int, activations: int, **options):
    graph = calibrated.graph
    bits = activation_bits(graph, activations)
    return quantize(
        graph, calibrated.ranges["minmax"], bits, {layer.name: weights for layer in graph.layers}, **options
    )


def test_eight_bits_are_what_onnxruntime_makes(calibrated):
    ours = low_bit(calibrated, 8, 8).to_onnx()
    theirs = quantize_static(calibrated.graph, calibrated.ranges["minmax"], Scheme.parse("qdq_uint8_channel_minmax"))
    x, _ = calibrated.dataset.test()
    assert np.array_equal(logits(ours, x), logits(theirs, x))


@pytest.mark.parametrize(
    ("granularity", "symmetric", "signed"), list(product(["tensor", "channel"], [True, False], [True, False]))
)
def test_integers_stay_within_their_widths_and_answers_are_those_of_the_float_model(
    calibrated, granularity, symmetric, signed
):
    options = {"granularity": granularity, "weight_symmetric": symmetric, "activation_symmetric": signed}
    model = low_bit(calibrated, 6, 7, **options)
    x, _ = calibrated.dataset.test()
    engine = IntegerModel.from_graph(Graph(model.to_onnx()))
    traced = engine.trace({"input": x})
    for tensor, meaning in model.activations.items():
        integers = traced[f"{tensor}_quantized"]
        low, high = meaning.limits
        assert integers.min() >= low and integers.max() <= high
    for weight in model.weights.values():
        assert weight.limits[0] <= weight.integers.min() and weight.integers.max() <= weight.limits[1]
    (found,) = engine.run({"input": x}).values()
    exact = logits(calibrated.graph.model, x)
    assert squared_error(exact, found).sum() < 0.1 * np.square(exact).sum()


def test_reading_gives_the_same_model_back(calibrated, tmp_path):
    model = low_bit(calibrated, 3, 4, granularity="tensor", weight_symmetric=False)
    save(model.to_onnx(), tmp_path / "model.onnx")
    again = read(tmp_path / "model.onnx", calibrated.graph)
    assert again.activations == model.activations
    assert again.to_onnx().SerializeToString() == model.to_onnx().SerializeToString()


def test_other_models_are_refused(calibrated, tmp_path):
    save(calibrated.graph.model, tmp_path / "float.onnx")
    with pytest.raises(InputError, match=r"float\.onnx: not a low-bit model of"):
        read(tmp_path / "float.onnx", calibrated.graph)


def test_only_what_layers_multiply_is_narrow(resnet_model):
    graph = Graph(onnx.load(resnet_model.path))
    narrow = multiplied(graph)
    assert "input" not in narrow and "logits" not in narrow
    assert narrow < set(quantized_tensors(graph))
    assert {graph.producer[tensor].op_type for tensor in narrow} == {"Relu", "GlobalAveragePool"}
    bits = activation_bits(graph, 4)
    assert {bits[tensor] for tensor in narrow} == {4} and bits["input"] == bits["logits"] == 8


def test_ranges_with_the_least_squared_error_lose_no_more_than_the_extremes():
    values = np.random.default_rng(0).standard_t(3, (8, 5, 3, 3)).astype(np.float32)
    for bits, symmetric, granularity in product([2, 3, 4, 8], [True, False], ["tensor", "channel"]):
        noise = {
            weight_range: squared_error(
                values, quantize_weight(values, bits, 0, symmetric, granularity, weight_range).restored()
            ).sum(axis=(1, 2, 3))
            for weight_range in ("minmax", "mse")
        }
        if granularity == "channel":
            assert np.all(noise["mse"] <= noise["minmax"])
        assert noise["mse"].sum() <= noise["minmax"].sum()
