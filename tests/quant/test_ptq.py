"""Quantized models: the same as quantize_static makes, integer throughout, deterministic."""

import os
import subprocess
import sys
from itertools import product

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

from lib.graph import Graph
from lib.quant.activations import activations, load_finite, logits
from lib.quant.affine import symmetric
from lib.quant.calibrate import minmax
from lib.quant.layer_error import activation_parameters, channel_axis, quantized_as
from lib.quant.ptq import quantize, save
from lib.quant.scheme import PARTS, Scheme

METHODS = {
    "minmax": CalibrationMethod.MinMax,
    "percentile": CalibrationMethod.Percentile,
    "entropy": CalibrationMethod.Entropy,
}
MOVES_OR_CONVERTS = {"QuantizeLinear", "DequantizeLinear", "MaxPool", "Flatten"}
SCHEMES = [Scheme(*parts) for parts in product(*PARTS.values())]


def initializers(model):
    return {
        tensor.name: (numpy_helper.to_array(tensor).tobytes(), tensor.data_type) for tensor in model.graph.initializer
    }


@pytest.mark.parametrize("calibration", PARTS["calibration"])
def test_models_equal_those_of_quantize_static(calibrated, reader, calibration, tmp_path, capsys):
    """The first scheme from the calibration data themselves, the others from what ONNX Runtime found with it."""
    for scheme in (scheme for scheme in SCHEMES if scheme.calibration == calibration):
        quantize_static(
            calibrated.path,
            tmp_path / "reference.onnx",
            reader,
            calibration_cache_path=tmp_path / "cache.json",
            calibrate_method=METHODS[calibration],
            quant_format=QuantFormat.QDQ if scheme.format == "qdq" else QuantFormat.QOperator,
            activation_type=QuantType.QUInt8 if scheme.activation == "uint8" else QuantType.QInt8,
            weight_type=QuantType.QInt8,
            per_channel=scheme.granularity == "channel",
            extra_options={
                "ActivationSymmetric": scheme.activation == "int8sym",
                "CalibPercentile": calibrated.percentile,
            },
        )
        expected = onnx.load(tmp_path / "reference.onnx")
        found = quantize(calibrated.graph, calibrated.ranges[calibration], scheme)
        assert list(found.graph.node) == list(expected.graph.node), scheme.name
        assert initializers(found) == initializers(expected), scheme.name


@pytest.mark.parametrize("activation", ["uint8", "int8"])
def test_every_operator_computes_in_integers(calibrated, activation):
    model = quantize(
        calibrated.graph, calibrated.ranges["minmax"], Scheme("qoperator", activation, "channel", "minmax")
    )
    kinds = [node.op_type for node in model.graph.node]
    assert all(kind.startswith(("QLinear", "QGemm")) or kind in MOVES_OR_CONVERTS for kind in kinds), kinds
    assert (kinds.count("QuantizeLinear"), kinds.count("DequantizeLinear")) == (1, 1)

    model = quantize(calibrated.graph, calibrated.ranges["minmax"], Scheme("qdq", activation, "channel", "minmax"))
    graph = Graph(model)
    for node in graph.nodes:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            assert all(graph.producer[name].op_type == "DequantizeLinear" for name in node.input), node.name
            assert all(reader.op_type == "QuantizeLinear" for reader in graph.consumers[node.output[0]]), node.name


@pytest.mark.parametrize("scheme", [s for s in SCHEMES if s.format == "qdq"], ids=lambda scheme: scheme.name)
def test_scales_are_those_of_the_hand_written_mathematics(calibrated, scheme):
    """What the error tables and the integer engine take for granted."""
    graph = Graph(quantize(calibrated.graph, calibrated.ranges[scheme.calibration], scheme))
    deployed = {layer.name: layer for layer in graph.layers}
    for layer in calibrated.graph.layers:
        axis = channel_axis(calibrated.graph, layer) if scheme.granularity == "channel" else None
        node = graph.producer[deployed[layer.name].output]
        pairs = {
            node.input[0]: activation_parameters(
                *calibrated.ranges[scheme.calibration][quantized_as(calibrated.graph, layer.input)], scheme
            ),
            node.input[1]: symmetric(calibrated.graph.initializers[layer.weight], 8, axis),
        }
        for tensor, (scale, zero_point) in pairs.items():
            _, stored_scale, stored_zero_point = graph.producer[tensor].input
            np.testing.assert_array_equal(graph.initializers[stored_scale], scale)
            np.testing.assert_array_equal(graph.initializers[stored_zero_point], zero_point)


def test_qdq_and_qoperator_agree(calibrated):
    x = calibrated.inputs[:16]
    found = [
        logits(quantize(calibrated.graph, calibrated.ranges["minmax"], Scheme(form, "uint8", "channel", "minmax")), x)
        for form in PARTS["format"]
    ]
    exact = logits(calibrated.graph.model, x)
    np.testing.assert_array_equal(*found)
    assert np.abs(found[0] - exact).max() < 0.1 * np.abs(exact).max()


def test_files_do_not_depend_on_the_run(tiny_model, tmp_path):
    """Byte by byte the same in two processes with different hash seeds, and without a trace of the machine."""
    code = """
import sys
from lib.quant.activations import load_finite
from lib.quant.ptq import quantize, save
from lib.quant.scheme import Scheme
graph = load_finite(sys.argv[1])
ranges = {name: (-1.0, 1.0) for name in graph.inputs + list(graph.producer)}
for form in ("qdq", "qoperator"):
    save(quantize(graph, ranges, Scheme(form, "uint8", "channel", "minmax")), f"{sys.argv[2]}/{form}.onnx")
"""
    folders = [tmp_path / seed for seed in "12"]
    for folder in folders:
        environment = os.environ | {"PYTHONHASHSEED": folder.name, "PYTHONPATH": os.pathsep.join(sys.path)}
        subprocess.run([sys.executable, "-c", code, str(tiny_model.path), str(folder)], check=True, env=environment)
    for form in ("qdq", "qoperator"):
        one, other = (folder.joinpath(f"{form}.onnx").read_bytes() for folder in folders)
        assert one == other
        for trace in (str(tmp_path), str(tiny_model.path.parent), "/tmp"):
            assert trace.encode() not in one


def replaced(model, name, change):
    """A copy of the model with another initializer `name`."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for tensor in copy.graph.initializer:
        if tensor.name == name:
            tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor).copy()), name))
    return copy


@pytest.mark.parametrize("form", PARTS["format"])
def test_an_all_zero_channel_stays_zero(tiny_model, form):
    def clear(values):
        values[0] = 0
        return values

    model = replaced(replaced(onnx.load(tiny_model.path), "conv1.weight", clear), "conv1.bias", clear)
    ranges = extremes_of(Graph(model), tiny_model.dataset.calibration(8, 0))
    quantized = quantize(Graph(model), ranges, Scheme(form, "uint8", "channel", "minmax"))
    scale, _ = symmetric(Graph(model).initializers["conv1.weight"], 8, axis=0)
    assert scale[0] == 1
    assert Graph(quantized).initializers["conv1.weight_scale"].tolist() == scale.tolist()
    assert not Graph(quantized).initializers["conv1.weight_quantized"][0].any()
    assert np.isfinite(logits(quantized, tiny_model.dataset.calibration(8, 0))).all()


def extremes_of(graph, inputs):
    """MinMax ranges from a single batch."""
    (batch,) = activations(graph, inputs)
    return {tensor: minmax([x]) for tensor, x in batch.items()}


@pytest.mark.parametrize("form", PARTS["format"])
@pytest.mark.parametrize("activation", PARTS["activation"])
def test_a_constant_activation_is_kept(tiny_model, form, activation, tmp_path):
    """With weights of zero, a layer's output is its bias, and behind a negative bias all is zero."""
    model = replaced(onnx.load(tiny_model.path), "conv3.weight", np.zeros_like)
    model = replaced(model, "conv3.bias", lambda bias: -np.ones_like(bias))
    x = tiny_model.dataset.calibration(8, 0)
    ranges = extremes_of(Graph(model), x)
    assert ranges["flatten"] == (0, 0)
    quantized = quantize(Graph(model), ranges, Scheme(form, activation, "channel", "minmax"))
    save(quantized, tmp_path / "constant.onnx")
    expected = logits(model, x)
    found = logits(load_finite(tmp_path / "constant.onnx").model, x)
    assert np.abs(found - expected).max() <= np.abs(expected).max() / 127
