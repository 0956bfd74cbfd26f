"""Quantization-aware training: fake quantization is the integers', its gradients are LSQ's, and it learns."""

import logging

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from lib.errors import InputError
from lib.fixedpoint import IntegerModel
from lib.graph import Graph, load
from lib.model.train import Recipe
from lib.quant import affine
from lib.quant.low_bit import LowBitModel, activation_bits, quantize
from lib.quant.qat import FakeQuantized, fake_quantize, train_quantized
from lib.quant.ranges import activation_ranges

LOG = logging.getLogger("test")
RECIPE = Recipe(epochs=2, batch=32, learning_rate=0.02)


def rounded(graph: Graph, inputs: np.ndarray, weight_bits: int, bits: int) -> LowBitModel:
    """The float model with every weight rounded to the nearest integer."""
    widths = activation_bits(graph, bits)
    ranges = activation_ranges(graph, inputs, "mse", widths)
    return quantize(graph, ranges, widths, {layer.name: weight_bits for layer in graph.layers}, weight_range="mse")


def engine_logits(model: LowBitModel, x: np.ndarray) -> np.ndarray:
    return IntegerModel.from_graph(Graph(model.to_onnx())).run({"input": x})["logits"]


def fake_logits(network: FakeQuantized, x: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return network(torch.from_numpy(x)).numpy()


@given(
    arrays(np.float32, array_shapes(max_dims=2, max_side=8), elements=st.floats(-1e3, 1e3, width=32)),
    st.floats(2**-10, 2**10, width=32),
    st.integers(2, 8),
    st.data(),
)
def test_fake_quantization_is_to_quantize_and_back(x, step, bits, data):
    low, high = affine.integer_range(bits, signed=False)
    zero_point = data.draw(st.integers(low, high))
    integers = affine.quantize(x, np.float32(step), np.int32(zero_point), bits, signed=False)
    exact = affine.dequantize(integers, np.float32(step), np.int32(zero_point))
    fake = fake_quantize(torch.from_numpy(x), torch.tensor(step), low - zero_point, high - zero_point)
    np.testing.assert_array_equal(fake.numpy(), exact)


def test_gradients_are_those_of_learned_step_sizes():
    """Esser et al., equation 3: rint(x / s) - x / s where x is inside, the limit where it is not."""
    x = torch.tensor([-9.0, -1.3, 0.6, 9.0], requires_grad=True)
    step = torch.tensor(1.0, requires_grad=True)
    upstream = torch.tensor([1.0, 10.0, 100.0, 1000.0])
    fake_quantize(x, step, -2, 3).backward(upstream)
    assert x.grad.tolist() == [0, 10, 100, 0]
    assert step.grad.item() == pytest.approx(1 * -2 + 10 * 0.3 + 100 * 0.4 + 1000 * 3)


@pytest.mark.parametrize("weight_bits, bits", [(2, 8), (4, 4)])
def test_fake_quantization_agrees_with_the_integer_engine(calibrated, weight_bits, bits):
    """Both compute the same but for float32 sums, which show where they fall on a tie of rounding."""
    model = rounded(calibrated.graph, calibrated.inputs, weight_bits, bits)
    x, _ = calibrated.dataset.test(100)
    exact, fake = engine_logits(model, x), fake_logits(FakeQuantized(model), x)
    steps = np.abs(exact - fake) / model.activations["logits"].scale
    assert np.mean(steps > 0.5) < 0.01 and steps.max() < 3
    assert np.mean(exact.argmax(1) == fake.argmax(1)) >= 0.99


def test_training_learns_and_the_integers_keep_what_it_learned(tiny_model):

    graph, data = load(tiny_model.path), tiny_model.dataset
    start = rounded(graph, data.calibration(64, seed=1), weight_bits=2, bits=4)
    trained, history = train_quantized(start, data, RECIPE, seed=1, threads=1, log=LOG)
    x, labels = data.test()
    before, after = (np.mean(engine_logits(model, x).argmax(1) == labels) for model in (start, trained))
    assert after > before + 0.1
    assert after == pytest.approx(history.test_accuracy.iloc[-1], abs=2.5 / len(x))
    for weight in trained.weights.values():
        assert set(np.unique(weight.integers)) <= {-1, 0, 1}


def test_training_repeats_itself(signal_model):
    start = rounded(load(signal_model.path), signal_model.dataset.calibration(64, seed=1), weight_bits=3, bits=3)
    once = Recipe(epochs=1, batch=64, learning_rate=0.01)
    first, second = (train_quantized(start, signal_model.dataset, once, 1, 1, LOG)[0].to_onnx() for _ in range(2))
    assert first == second != start.to_onnx()


def test_without_training_the_integers_stay(calibrated):
    model = rounded(calibrated.graph, calibrated.inputs, weight_bits=4, bits=4)
    assert FakeQuantized(model).low_bit_model().to_onnx() == model.to_onnx()


def test_networks_of_other_operators_are_refused(signal_model):
    graph = load(signal_model.path)
    for node in graph.model.graph.node:
        if node.op_type == "Relu":
            node.op_type = "HardSwish"
    other = rounded(Graph(graph.model, "other.onnx"), signal_model.dataset.calibration(8, seed=1), 4, 4)
    with pytest.raises(InputError, match=r"other\.onnx: node 'relu' \(HardSwish\)"):
        FakeQuantized(other)(torch.zeros(1, 1, 128))
