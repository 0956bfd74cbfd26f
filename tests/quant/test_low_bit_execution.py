"""Few bits mean the same in our mathematics, in PyTorch's fake quantization, in the engine and in ONNX Runtime."""

import numpy as np
import onnxruntime
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from onnx import TensorProto, helper, numpy_helper
from torch.nn import functional

from lib.fixedpoint import IntegerModel
from lib.fixedpoint.exactness import SESSION_OPTION, exactness, with_quantized_outputs
from lib.graph import Graph, attributes
from lib.quant.activations import activations
from lib.quant.affine import asymmetric, dequantize, integer_range, symmetric
from lib.quant.affine import quantize as rounded
from lib.quant.calibrate import minmax
from lib.quant.layer_error import quantized_as
from lib.quant.low_bit import activation_bits, quantize, quantized_tensors, read
from lib.quant.ptq import save

EPS = float(np.finfo(np.float32).eps)
WIDTHS = st.integers(2, 8)
# How `quantize` may treat a network.
TREATMENTS = st.fixed_dictionaries(
    {
        "granularity": st.sampled_from(["channel", "tensor"]),
        "weight_symmetric": st.booleans(),
        "activation_symmetric": st.booleans(),
        "weight_range": st.sampled_from(["minmax", "mse"]),
    }
)
moderate = st.floats(-1e3, 1e3, width=32).filter(lambda value: value == 0 or abs(value) > 1e-3)
tensors = arrays(np.float32, array_shapes(min_dims=2, max_dims=3, max_side=6), elements=moderate)


def along(parameter, dimensions, axis):
    return parameter if axis is None else parameter.reshape([-1 if i == axis else 1 for i in range(dimensions)])


def assert_equal_but_at_ties(ours, theirs, exact, uncertainty):
    """Integers are equal, or neighbours where the exact value [steps] is halfway between them but for `uncertainty`."""
    apart = ours != theirs
    assert np.all(np.abs(ours - theirs) <= 1)
    from_tie = np.abs(exact - np.floor(exact) - 0.5)
    assert np.all(from_tie[apart] <= uncertainty[apart])


def fake_quantized(x, scale, zero_point, limits, axis=None):
    """PyTorch's fake quantization, per tensor or per channel."""
    x = torch.tensor(x)
    if axis is None:
        return torch.fake_quantize_per_tensor_affine(x, float(scale), int(zero_point), *limits).numpy()
    parameters = torch.tensor(scale), torch.tensor(zero_point)
    return torch.fake_quantize_per_channel_affine(x, *parameters, axis, *limits).numpy()


@settings(deadline=None, derandomize=True)
@given(tensors, WIDTHS, st.booleans(), st.booleans(), st.sampled_from([None, 0, 1]))
def test_pytorch_rounds_to_the_same_integers(x, bits, signed, symmetrical, axis):
    scale, zero_point = (symmetric if symmetrical else asymmetric)(x, bits, axis, signed)
    ours = rounded(x, scale, zero_point, bits, signed, axis)
    found = fake_quantized(x, scale, zero_point, integer_range(bits, signed), axis)
    step = along(scale, x.ndim, axis)
    theirs = np.rint(found / step).astype(int) + along(zero_point, x.ndim, axis)
    exact = x.astype(np.float64) / step
    assert_equal_but_at_ties(ours, theirs, exact, 2 * EPS * np.abs(exact))  # PyTorch multiplies by the inverse
    same = ours == theirs
    np.testing.assert_allclose(found[same], dequantize(ours, scale, zero_point, axis)[same], rtol=EPS)


@st.composite
def networks(draw):
    """A float network of one or two axes: convolutions, some with Relu, a shortcut, a pool, two linear layers."""
    axes, channels, groups = draw(st.integers(1, 2)), draw(st.sampled_from([2, 4])), draw(st.integers(1, 2))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    nodes, constants = [], {}

    def constant(name, *shape):
        constants[name] = rng.standard_t(4, shape).astype(np.float32)
        return name

    def node(op, inputs, output, **given):
        nodes.append(helper.make_node(op, inputs, [output], name=output, **given))
        return output

    def convolution(x, name, channels_in, groups=1):
        weight = constant(f"{name}.weight", channels, channels_in // groups, *[3] * axes)
        inputs = [x, weight, *([constant(f"{name}.bias", channels)] if draw(st.booleans()) else [])]
        return node("Conv", inputs, name, pads=[1] * 2 * axes, group=groups)

    x = convolution("input", "first", 2)
    x = node("Relu", [x], "relu") if draw(st.booleans()) else x
    if draw(st.booleans()):
        x = node("MaxPool", [x], "pool", kernel_shape=[2] * axes, strides=[2] * axes)
    y = convolution(x, "second", channels, groups)
    if draw(st.booleans()):
        y = node("Add", [y, x], "add")
    y = node("Relu", [y], "second_relu") if draw(st.booleans()) else y
    y = node("Flatten", [node("GlobalAveragePool", [y], "mean")], "flat")
    y = node("Gemm", [y, constant("hidden.weight", 5, channels), constant("hidden.bias", 5)], "hidden", transB=1)
    y = node("Relu", [y], "hidden_relu") if draw(st.booleans()) else y
    node("MatMul", [y, constant("last.weight", 5, 3)], "logits")

    ends = [("input", [None, 2, *[6] * axes]), ("logits", [None, 3])]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in ends]
    stored = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "network", values[:1], values[1:], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return Graph(model), rng.normal(size=(16, 2, *[6] * axes)).astype(np.float32)


def low_bit(graph, x, weight_bits, bits, treatment):
    (batch,) = activations(graph, x)
    ranges = {tensor: minmax([batch[tensor]]) for tensor in quantized_tensors(graph)}
    weights = {layer.name: weight_bits for layer in graph.layers}
    return quantize(graph, ranges, activation_bits(graph, bits), weights, **treatment)


def runtime(model):
    """ONNX Runtime's outputs and quantized tensors by name, as a function of a batch."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry(*SESSION_OPTION)
    content = with_quantized_outputs(model).SerializeToString()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda batch: dict(zip(names, session.run(names, {"input": batch}), strict=True))


@settings(deadline=None, derandomize=True, max_examples=30)
@given(networks(), WIDTHS, WIDTHS, TREATMENTS)
def test_onnxruntime_computes_the_same_integers(network, weight_bits, bits, treatment):
    graph, x = network
    model = IntegerModel.from_graph(Graph(low_bit(graph, x, weight_bits, bits, treatment).to_onnx()))
    rows = exactness(model, runtime(model), 2 * x)  # also values outside the calibrated ranges
    assert {row["tensor"]: row["differing"] for row in rows} == {row["tensor"]: 0 for row in rows}


@settings(deadline=None, derandomize=True, max_examples=30)
@given(networks(), WIDTHS, WIDTHS, TREATMENTS)
def test_layers_in_pytorch_with_fake_quantization_give_the_engines_integers(
    tmp_path_factory, network, weight_bits, bits, treatment
):
    graph, x = network
    path = tmp_path_factory.mktemp("low_bit") / "model.onnx"
    save(low_bit(graph, x, weight_bits, bits, treatment).to_onnx(), path)
    model = read(path, graph)  # with biases as they were rounded
    traced = IntegerModel.from_onnx(path).trace({"input": x})
    for layer in graph.layers:
        weight, meaning = model.weights[layer.name], model.activations[quantized_as(graph, layer.input)]
        inputs = dequantize(traced[f"{layer.input}_quantized"], meaning.scale, np.int32(meaning.zero_point))
        axis = weight.axis if weight.scale.ndim else None
        stored = graph.initializers[layer.weight]
        restored = fake_quantized(stored, weight.scale, weight.zero_point, weight.limits, axis)
        np.testing.assert_allclose(restored, weight.restored(), rtol=EPS)
        bias = model.biases.get(layer.name)
        exact = product(graph, layer, inputs, restored, bias, np.float64)
        size = product(graph, layer, np.abs(inputs), np.abs(restored), None if bias is None else np.abs(bias), float)
        found = product(graph, layer, inputs, restored, bias, np.float32)

        output, readers = layer.output, graph.consumers.get(layer.output, [])
        if [reader.op_type for reader in readers] == ["Relu"]:
            output, found = readers[0].output[0], np.maximum(found, 0)
        y = model.activations[quantized_as(graph, output)]
        theirs = fake_quantized(found, y.scale, y.zero_point, y.limits)
        steps = np.rint(theirs / y.scale).astype(int) + y.zero_point
        uncertainty = (layer.macs_per_output + 8) * EPS * size / y.scale
        assert_equal_but_at_ties(traced[f"{output}_quantized"].astype(int), steps, exact / y.scale, uncertainty)


def product(graph, layer, x, weight, bias, dtype):
    """A layer in PyTorch, in float32 or float64."""
    x, weight = (torch.from_numpy(values.astype(dtype)) for values in (x, weight))
    bias = None if bias is None else torch.from_numpy(bias.astype(dtype))
    if layer.op == "Conv":
        pads = layer.pads[: len(layer.kernel)]
        return [functional.conv1d, functional.conv2d][len(pads) - 1](x, weight, bias, 1, pads, 1, layer.groups).numpy()
    transposed = attributes(graph.producer[layer.output]).get("transB")
    return functional.linear(x, weight if transposed else weight.T, bias).numpy()
