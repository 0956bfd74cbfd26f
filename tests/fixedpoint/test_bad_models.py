"""Models that cannot be run exactly are refused in one line that names node and operator; others equal onnxruntime."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from lib.errors import InputError
from lib.fixedpoint import IntegerModel, UnsupportedModelError

X = np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32)
WEIGHT = np.random.default_rng(1).integers(-128, 128, (4, 3), dtype=np.int8)
CONSTANTS = {
    "s": np.float32(0.03), "z": np.uint8(120), "w": WEIGHT, "ws": np.float32(0.01), "wz": np.int8(0),
    "ys": np.float32(0.05), "yz": np.uint8(128),
}  # fmt: skip


def node(op, inputs, outputs, **attributes):
    return helper.make_node(op, inputs, outputs, name=f"my {op}", **attributes)


def network(x="x", weight_axis=None, weights="w", middle=()) -> list:
    """QuantizeLinear, MatMul, QuantizeLinear, DequantizeLinear; `middle` comes behind the MatMul."""
    axis = {} if weight_axis is None else {"axis": weight_axis}
    return [
        node("QuantizeLinear", [x, "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node("DequantizeLinear", [weights, "ws", "wz"], ["dw"], **axis),
        node("MatMul", ["d", "dw"], ["m"]),
        *middle,
        helper.make_node("QuantizeLinear", ["m" if not middle else "n", "ys", "yz"], ["qy"]),
        node("DequantizeLinear", ["qy", "ys", "yz"], ["y"]),
    ]


@pytest.fixture
def refusal(model_of):
    """The message with which a model is refused, which is one line."""

    def message(nodes, constants=CONSTANTS, feeds=None, change=lambda model: None, dtype=np.float32, **fields) -> str:
        model, path = model_of(nodes, feeds or {"x": X}, constants, dtype, **fields)
        change(model)
        onnx.save(model, path)
        with pytest.raises(UnsupportedModelError) as error:
            IntegerModel.from_onnx(path)
        assert "\n" not in str(error.value)
        return str(error.value)

    return message


def test_the_network_itself_equals_onnxruntime(graph_differing):
    assert graph_differing(network(), {"x": X}, CONSTANTS, np.float32) == 0


def test_dynamic_quantization_is_refused(tmp_path):
    initializers = [numpy_helper.from_array(WEIGHT.astype(np.float32), "w")]
    ends = [helper.make_tensor_value_info(name, 1, [None, size]) for name, size in (("x", 4), ("y", 3))]
    graph = helper.make_graph([node("MatMul", ["x", "w"], ["y"])], "g", ends[:1], ends[1:], initializers)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / "float.onnx")
    quantize_dynamic(tmp_path / "float.onnx", tmp_path / "dynamic.onnx", weight_type=QuantType.QInt8)
    with pytest.raises(UnsupportedModelError, match=r"\(DynamicQuantizeLinear\).*calibration"):
        IntegerModel.from_onnx(tmp_path / "dynamic.onnx")


@pytest.mark.parametrize("op", ["Softmax", "Exp", "Erf", "LayerNormalization", "CumSum"])
def test_float_operators_in_the_middle_are_refused(refusal, op):
    extra = {"LayerNormalization": ["ys"], "CumSum": ["axis"]}.get(op, [])
    message = refusal(network(middle=[node(op, ["m", *extra], ["n"])]), CONSTANTS | {"axis": np.int64(1)})
    assert f"'my {op}' ({op})" in message


@pytest.mark.parametrize("op", ["If", "Loop"])
def test_control_flow_is_refused(refusal, op):
    result = helper.make_tensor_value_info("r", 1, None)
    result.type.tensor_type.shape.SetInParent()
    branch = helper.make_graph([helper.make_node("Identity", ["m"], ["r"])], "branch", [], [result])
    if op == "If":
        middle = node("If", ["condition"], ["n"], then_branch=branch, else_branch=branch)
    else:
        types = {"i": TensorProto.INT64, "c": TensorProto.BOOL, "v": TensorProto.FLOAT, "co": TensorProto.BOOL}
        ends = [helper.make_tensor_value_info(name, kind, []) for name, kind in types.items()]
        steps = [helper.make_node("Identity", ["c"], ["co"]), helper.make_node("Identity", ["v"], ["r"])]
        body = helper.make_graph(steps, "body", ends[:3], [ends[3], result])
        middle = node("Loop", ["count", "condition", "m"], ["n"], body=body)
    constants = CONSTANTS | {"condition": np.array(True), "count": np.int64(2)}
    assert f"'my {op}' ({op}): control flow" in refusal(network(middle=[middle]), constants)


def test_functions_are_refused(refusal):
    function = helper.make_function("mine", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])],
                                    [helper.make_opsetid("", 20)])  # fmt: skip

    def add(model):
        model.functions.append(function)
        model.opset_import.append(helper.make_opsetid("mine", 1))

    assert "functions" in refusal(network(middle=[node("Twice", ["m"], ["n"], domain="mine")]), change=add)


def test_operators_of_other_domains_are_refused_even_if_they_sound_known(refusal):
    other = lambda model: model.opset_import.append(helper.make_opsetid("other", 1))  # noqa: E731
    message = refusal(network(middle=[node("Relu", ["m"], ["n"], domain="other")]), change=other)
    assert "'my Relu' (Relu)" in message and "'other'" in message


@pytest.mark.parametrize("kind", [TensorProto.INT4, TensorProto.UINT4, TensorProto.INT16])
def test_weights_of_other_widths_are_refused(refusal, kind):
    def change(model):
        values = WEIGHT.clip(0, 7)
        for name, array in (("w", values), ("wz", np.zeros((), np.int8))):
            stored = next(tensor for tensor in model.graph.initializer if tensor.name == name)
            stored.CopyFrom(helper.make_tensor(name, kind, array.shape, array.ravel().tolist()))

    message = refusal(network(), change=change, opset=21)
    assert "'my MatMul' (MatMul)" in message or "(DequantizeLinear): type" in message


@pytest.mark.parametrize("dtype", [np.uint16, np.int16])
def test_activations_of_16_bits_are_refused(refusal, dtype):
    zeros = {"z": dtype(3), "yz": dtype(3)}
    assert np.dtype(dtype).name in refusal(network(), CONSTANTS | zeros, opset=21)


def test_weights_quantized_along_their_inputs_are_refused(refusal):
    constants = CONSTANTS | {"ws": np.full(4, 0.01, np.float32), "wz": np.zeros(4, np.int8)}
    assert "'my MatMul' (MatMul): weights quantized along axis 0" in refusal(network(weight_axis=0), constants)


def test_weights_quantized_along_their_outputs_equal_onnxruntime(graph_differing):
    constants = CONSTANTS | {"ws": np.float32([0.01, 0.02, 0.03]), "wz": np.zeros(3, np.int8)}
    for axis in (1, -1, None):
        assert graph_differing(network(weight_axis=axis), {"x": X}, constants, np.float32) == 0


def test_block_wise_quantization_is_refused(refusal):
    nodes = network()
    nodes[2] = node("DequantizeLinear", ["w", "ws", "wz"], ["dw"], axis=0, block_size=2)
    constants = CONSTANTS | {"ws": np.full((2, 3), 0.01, np.float32), "wz": np.zeros((2, 3), np.int8)}
    assert "(DequantizeLinear): block_size" in refusal(nodes, constants, opset=21)


def test_activations_quantized_per_channel_are_refused(refusal):
    constants = CONSTANTS | {"s": np.full(4, 0.03, np.float32), "z": np.zeros(4, np.uint8)}
    assert "'my QuantizeLinear' (QuantizeLinear)" in refusal(network(), constants)


@pytest.mark.parametrize("scale", [0, -0.1, np.nan, np.inf])
def test_scales_that_are_no_positive_numbers_are_refused(refusal, scale):
    for name in ("s", "ws", "ys"):
        assert "scales" in refusal(network(), CONSTANTS | {name: np.float32(scale)})


def test_scales_whose_quotient_overflows_are_refused(refusal):
    constants = CONSTANTS | {"ys": np.float32(1e-38), "ws": np.float32(1e3), "s": np.float32(1e3)}
    assert "'my MatMul' (MatMul)" in refusal(network(), constants)


def test_missing_zero_points_are_0_as_in_onnxruntime(graph_differing):
    nodes = network()
    for stage in nodes:
        if "Linear" in stage.op_type:
            del stage.input[2]
    assert graph_differing(nodes, {"x": X}, CONSTANTS, np.float32) == 0
    signed = [node("QuantizeLinear", ["x", "s"], ["y"], output_dtype=TensorProto.INT8)]
    assert graph_differing(signed, {"x": X}, CONSTANTS, np.int8, opset=21) == 0


def test_two_quantizations_in_a_row_are_refused(refusal):
    """onnxruntime merges them into one and gives other results than the graph says."""
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node("QuantizeLinear", ["d", "ys", "yz"], ["q2"], name="second"),
        helper.make_node("DequantizeLinear", ["q2", "ys", "yz"], ["y"]),
    ]
    assert "'second' (QuantizeLinear)" in refusal(nodes)


def test_a_bias_of_another_scale_is_refused(refusal):
    """onnxruntime runs such a Conv in float32."""
    nodes = network()
    bias = helper.make_node("DequantizeLinear", ["b", "bs"], ["db"])
    nodes[3:4] = [bias, node("Gemm", ["d", "dw", "db"], ["m"])]
    assert "bias's scale" in refusal(nodes, CONSTANTS | {"b": np.int32([1, 2, 3]), "bs": np.float32(0.1)})


def test_int8_activations_with_uint8_weights_are_refused(refusal):
    """onnxruntime runs such a group in float32."""
    zeros = {"z": np.int8(3), "yz": np.int8(3), "w": WEIGHT.view(np.uint8), "wz": np.uint8(128)}
    assert "uint8 weights" in refusal(network(), CONSTANTS | zeros)


def test_products_of_two_activations_are_refused(refusal):
    nodes = network()
    nodes[3] = node("MatMul", ["d", "d"], ["m"])
    del nodes[2]
    assert "'my MatMul' (MatMul)" in refusal(nodes)


def test_float_results_with_two_readers_are_refused(refusal):
    nodes = [*network(), helper.make_node("Relu", ["m"], ["unused"])]
    assert "'my MatMul' (MatMul): its float result has other readers" in refusal(nodes)


def test_rounding_up_of_pools_is_refused(refusal):
    feeds = {"x": np.zeros((1, 2, 5, 5), np.uint8)}
    pool = node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
    assert "'my MaxPool' (MaxPool): ceil_mode" in refusal([pool], {}, feeds, dtype=np.uint8)


def test_inputs_with_a_default_are_refused(refusal):
    def make_optional(model):
        model.graph.input.append(helper.make_tensor_value_info("w", TensorProto.INT8, [4, 3]))

    assert "'w'" in refusal(network(), change=make_optional)


def refused_by_the_reader(model, path):
    onnx.save(model, path)
    with pytest.raises(InputError) as error:
        IntegerModel.from_onnx(path)
    assert "\n" not in str(error.value) and str(path) in str(error.value)


def test_cycles_and_repeated_names_are_refused(model_of):
    model, path = model_of(network(), {"x": X}, CONSTANTS, np.float32)
    cycle = onnx.ModelProto.FromString(model.SerializeToString())
    cycle.graph.node[0].input[0] = "y"
    refused_by_the_reader(cycle, path)
    repeated = onnx.ModelProto.FromString(model.SerializeToString())
    repeated.graph.node.append(helper.make_node("Identity", ["q"], ["q"]))
    refused_by_the_reader(repeated, path)


def test_an_output_listed_twice_is_computed_once(model_of, runtime):
    model, path = model_of(network(), {"x": X}, CONSTANTS, np.float32)
    model.graph.output.append(model.graph.output[0])
    onnx.save(model, path)
    ours, theirs = IntegerModel.from_onnx(path).run({"x": X}), runtime(model)({"x": X})
    np.testing.assert_array_equal(ours["y"], theirs["y"])


@pytest.mark.parametrize("location", ["../outside.bin", "/etc/hostname"])
def test_weights_outside_the_models_folder_are_refused(model_of, location):
    model, path = model_of(network(), {"x": X}, CONSTANTS, np.float32)
    (path.parent.parent / "outside.bin").write_bytes(bytes(12))
    stored = next(tensor for tensor in model.graph.initializer if tensor.name == "w")
    stored.ClearField("raw_data")
    stored.data_location = TensorProto.EXTERNAL
    stored.external_data.add(key="location", value=location)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError) as error:
        IntegerModel.from_onnx(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("x", "problem"),
    [
        (X[:, :3], "shape"),
        (X[0], "shape"),
        (X.astype(np.float64), "float32"),
        (X * np.float32(np.nan), "NaN"),
        (X * np.float32(np.inf), "infinity"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(model_of, x, problem):
    _, path = model_of(network(), {"x": X}, CONSTANTS, np.float32)
    with pytest.raises(InputError, match=problem):
        IntegerModel.from_onnx(path).run({"x": x})


def test_shapes_that_do_not_fit_a_layer_are_refused_by_its_name(model_of):
    x = np.zeros((1, 5), np.float32)
    _, path = model_of(network(), {"x": x}, CONSTANTS, np.float32)
    with pytest.raises(InputError, match="'my MatMul': inputs of shape"):
        IntegerModel.from_onnx(path).run({"x": x})
