"""Topology: MACs equal the graph's, SCALE-Sim reads the CSV, bad files are named."""

import numpy as np
import pytest
from onnx import TensorProto, external_data_helper, helper, numpy_helper, save
from scalesim.topology_utils import topologies

from lib.arch.topology import HEADER, Layer, from_onnx, read, write
from lib.errors import InputError
from lib.graph import load


def one_node(path, op, input_shape, weight_shape, external=False, **attributes):
    """An ONNX file with a single Conv, Gemm or MatMul; with `external`, its weights are recorded but absent."""
    weight = numpy_helper.from_array(np.ones(weight_shape, np.float32), "w")
    if external:
        external_data_helper.set_external_data(weight, location="absent.bin")
        weight.ClearField("raw_data")
        weight.data_location = TensorProto.EXTERNAL
    node = helper.make_node(op, ["x", "w"], ["y"], name="layer", **attributes)
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, input_shape)]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * len(input_shape))]
    graph = helper.make_graph([node], "graph", inputs, outputs, [weight])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path


@pytest.mark.parametrize("fixture", ["signal_model", "tiny_model", "resnet_model", "dscnn_model"])
def test_macs_of_exported_networks_equal_the_graphs(fixture, request):
    path = request.getfixturevalue(fixture).path
    layers, found = from_onnx(path), load(path).layers
    assert [(layer.name, layer.macs) for layer in layers] == [(layer.name, layer.macs) for layer in found]


CASES = {
    "grouped": ("Conv", ["n", 8, 9, 9], [12, 2, 3, 3], {"group": 4}, Layer("layer", 9, 9, 3, 3, 2, 3, 1, 4)),
    "depthwise": (
        *("Conv", ["n", 8, 9, 9], [8, 1, 3, 3], {"group": 8, "pads": [1] * 4}),
        Layer("layer", 11, 11, 3, 3, 1, 1, 1, 8),
    ),
    "asymmetric pads": (
        *("Conv", ["n", 3, 8, 7], [4, 3, 3, 2], {"pads": [0, 1, 2, 3]}),
        Layer("layer", 10, 11, 3, 2, 3, 4, 1, 1),
    ),
    "auto_pad": (
        *("Conv", ["n", 3, 9, 9], [4, 3, 3, 3], {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
        Layer("layer", 11, 11, 3, 3, 3, 4, 2, 1),
    ),
    "stride with a remainder": (
        *("Conv", ["n", 3, 32, 32], [4, 3, 3, 3], {"pads": [1] * 4, "strides": [2, 2]}),
        Layer("layer", 33, 33, 3, 3, 3, 4, 2, 1),
    ),
    "1D": ("Conv", ["n", 4, 20], [6, 4, 5], {"strides": [3]}, Layer("layer", 1, 20, 1, 5, 4, 6, 3, 1)),
    "stride of a single output row": (
        *("Conv", ["n", 3, 3, 9], [4, 3, 3, 3], {"strides": [5, 2]}),
        Layer("layer", 3, 9, 3, 3, 3, 4, 2, 1),
    ),
    "two strides": (
        *("Conv", ["n", 3, 9, 9], [4, 3, 3, 3], {"strides": [1, 2]}),
        Layer("layer", 7, 4, 1, 1, 27, 4, 1, 1),
    ),
    "dilated": (
        *("Conv", ["n", 6, 9, 9], [4, 3, 3, 3], {"dilations": [2, 2], "group": 2}),
        Layer("layer", 5, 5, 1, 1, 27, 2, 1, 2),
    ),
    "3D": ("Conv", ["n", 2, 4, 5, 6], [3, 2, 2, 2, 2], {}, Layer("layer", 12, 5, 1, 1, 16, 3, 1, 1)),
    "batch": ("Conv", [4, 3, 8, 8], [5, 3, 3, 3], {}, Layer("layer", 24, 6, 1, 1, 27, 5, 1, 1)),
    "Gemm": ("Gemm", ["n", 64], [10, 64], {"transB": 1}, Layer("layer", 1, 1, 1, 1, 64, 10, 1, 1)),
    "MatMul over rows": ("MatMul", ["n", 7, 16], [16, 5], {}, Layer("layer", 7, 1, 1, 1, 16, 5, 1, 1)),
    "MatMul, weight per head": ("MatMul", ["n", 3, 7, 16], [3, 16, 5], {}, Layer("layer", 7, 1, 1, 1, 16, 5, 1, 3)),
}


@pytest.mark.parametrize(("op", "x", "w", "attributes", "expected"), CASES.values(), ids=CASES.keys())
def test_layer_of_one_node(op, x, w, attributes, expected, tmp_path):
    path = one_node(tmp_path / "model.onnx", op, x, w, **attributes)
    assert from_onnx(path) == [expected]
    assert expected.macs == load(path).layers[0].macs


def test_absent_weights_are_not_needed(tmp_path):
    path = one_node(tmp_path / "model.onnx", "Conv", ["n", 3, 8, 8], [4, 3, 3, 3], external=True)
    assert from_onnx(path) == [Layer("layer", 8, 8, 3, 3, 3, 4, 1, 1)]


def test_filter_larger_than_input_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"layer"):
        from_onnx(one_node(tmp_path / "model.onnx", "Conv", ["n", 3, 2, 2], [4, 3, 3, 3]))


def test_graph_without_weights_to_multiply_by_is_refused(tmp_path):
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "graph", inputs, outputs)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), tmp_path / "model.onnx")
    with pytest.raises(InputError, match="no Conv, Gemm or MatMul"):
        from_onnx(tmp_path / "model.onnx")


def test_topology_survives_the_csv(tmp_path):
    layers = [Layer("conv1", 34, 34, 3, 3, 3, 32, 1, 1), Layer("block1.conv2", 1, 131, 1, 5, 2, 3, 2, 8)]
    write(layers, tmp_path / "topology.csv")
    assert read(tmp_path / "topology.csv") == layers


def test_scalesim_reads_one_group_of_each_layer(tmp_path):
    # "DP" in a name makes SCALE-Sim expand a layer, a comma shifts its columns, an untrimmed input rounds up.
    layers = [Layer("/DP, 1", 34, 34, 3, 3, 4, 8, 2, 1), Layer("depthwise", 9, 9, 3, 3, 1, 1, 1, 16)]
    write(layers, tmp_path / "topology.csv")
    parsed = topologies()
    parsed.load_arrays(str(tmp_path / "topology.csv"))
    assert parsed.get_num_layers() == 2
    assert [parsed.get_layer_mac_ops(i) * layer.groups for i, layer in enumerate(layers)] == [a.macs for a in layers]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("conv1,34,34,3,3,3,32,1", "line 3"),
        ("conv1,34,34,3,3,3,32,1,1,1", "line 3"),
        ("conv1,34,34,3,3,three,32,1,1", "line 3.*three"),
        ("conv1,34,34,3,3,0,32,1,1", "line 3.*below 1"),
        ("conv1,34,34,3,3,-3,32,1,1", "line 3.*below 1"),
        ("conv1,2,34,3,3,3,32,1,1", "line 3.*larger than"),
        ("fc,34,34,3,3,3,32,1,1", "line 3.*second layer called fc"),
        ("", "line 3"),
    ],
)
def test_malformed_row_is_named(row, reason, tmp_path):
    path = tmp_path / "topology.csv"
    write([Layer("fc", 1, 1, 1, 1, 8, 8, 1, 1)], path)
    path.write_text(path.read_text() + row + "\n")
    with pytest.raises(InputError, match=reason):
        read(path)


@pytest.mark.parametrize("text", [None, "", "Layer name,IFMAP Height\nconv1,3\n", HEADER + "\n", "\0\1"])
def test_file_that_is_no_topology_is_refused(text, tmp_path):
    if text is not None:
        (tmp_path / "topology.csv").write_text(text)
    with pytest.raises(InputError, match=r"topology\.csv") as error:
        read(tmp_path / "topology.csv")
    assert "\n" not in str(error.value)


def test_layers_of_the_same_name_stay_apart_in_the_csv(tmp_path):
    write([Layer(name, 1, 1, 1, 1, 8, 8, 1, 1) for name in ("a b", "a_b", "a,b", "c")], tmp_path / "topology.csv")
    assert [layer.name for layer in read(tmp_path / "topology.csv")] == ["a_b", "a_b_", "a_b__", "c"]
