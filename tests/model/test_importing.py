"""A model that was brought becomes one that all stages can work with, and computes what it computed."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import ModelProto, TensorProto, helper, numpy_helper

from lib.data.own import own
from lib.errors import InputError
from lib.graph import load
from lib.model.importing import agreement, read, runner, standardized

OWN = Path(__file__).parents[1] / "data" / "own_model"
SAMPLES = np.random.default_rng(1).normal(size=(10, 3, 8, 8)).astype(np.float32)


def weights(**shapes: tuple[int, ...]) -> list[TensorProto]:
    rng = np.random.default_rng(0)
    drawn = {name: rng.uniform(0.1, 1, shape).astype(np.float32) for name, shape in shapes.items()}
    return [numpy_helper.from_array(values, name) for name, values in drawn.items()]


def network(batch: int | str = 1, opset: int = 13, ir: int = 8, tail=("Softmax",), flatten="Reshape") -> ModelProto:
    """A classifier as other tools write one: nothing folded, nodes without names, probabilities as output."""
    statistics = dict.fromkeys(("gamma", "beta", "mean", "var"), (4,))
    constants = weights(w=(4, 3, 3, 3), **statistics, shift=(4, 1, 1), w2=(5, 4, 3, 3), fc=(80, 6), b=(1, 6))
    constants.append(numpy_helper.from_array(np.array([batch if batch != "N" else -1, 80]), "shape"))
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1] * 4, strides=[2, 2]),
        helper.make_node("BatchNormalization", ["c", "gamma", "beta", "mean", "var"], ["n"]),
        helper.make_node("Add", ["n", "shift"], ["s"]),
        helper.make_node("Relu", ["s"], ["r"]),
        helper.make_node("Conv", ["r", "w2"], ["c2"], auto_pad="SAME_UPPER"),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node(flatten, ["r2", "shape"] if flatten == "Reshape" else ["r2"], ["f"]),
        helper.make_node("MatMul", ["f", "fc"], ["m"]),
        helper.make_node("Add", ["m", "b"], ["logits of mine"]),
    ]
    if opset >= 14 and flatten == "Reshape":  # as PyTorch exports it
        nodes[6].attribute.append(helper.make_attribute("allowzero", 1))
    for op in tail:
        nodes.append(helper.make_node(op, nodes[-1].output, [op], axis=1))
    kind = TensorProto.INT64 if "ArgMax" in tail else TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "brought",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, 8, 8])],
        [helper.make_tensor_value_info(nodes[-1].output[0], kind, [batch, 1 if "ArgMax" in tail else 6])],
        constants,
    )
    if ir < 4:
        graph.input.extend(helper.make_tensor_value_info(c.name, c.data_type, c.dims) for c in constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir)


def pooled(axes: list[int], keepdims: int) -> ModelProto:
    """A convolution and a mean over `axes`, which are all logits."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("ReduceMean", ["c"], ["y"], axes=axes, keepdims=keepdims),
    ]
    graph = helper.make_graph(
        nodes,
        "pooled",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, "H", "W"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 6, 1, 1] if keepdims else ["N", 6])],
        weights(w=(6, 3, 3, 3)),
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def imported(model: ModelProto, folder: Path, classes: int = 6) -> Path:
    """The file of the model as the workflow makes it."""
    onnx.save(model, folder / "given.onnx")
    given = read(folder / "given.onnx")
    onnx.save(standardized(given, folder / "given.onnx", SAMPLES.shape[1:], classes), folder / "made.onnx")
    return folder / "made.onnx"


def operators(path: Path) -> list[str]:
    return [node.op_type for node in load(path).nodes]


FORMS = {
    "fixed batch of 1": {},
    "fixed batch of 4": {"batch": 4},
    "free batch": {"batch": "N"},
    "old opset, constants as inputs": {"opset": 9, "ir": 3},
    "new opset": {"opset": 22, "ir": 10},
    "class instead of logits": {"tail": ["Softmax", "ArgMax"]},
    "logits": {"tail": []},
    "Flatten": {"flatten": "Flatten", "batch": "N"},
}


@pytest.mark.parametrize("form", FORMS)
def test_any_form_becomes_the_same_graph_of_the_same_function(form, tmp_path):
    made = imported(network(**FORMS[form]), tmp_path)
    moved = "Flatten" if "flatten" in FORMS[form] else "Reshape"
    assert operators(made) == ["Conv", "Relu", "Conv", "Relu", moved, "Gemm"]
    found = agreement(read(tmp_path / "given.onnx"), made, SAMPLES)
    assert found["same_class_share"] == 1 and found["max_abs_difference"] < 1e-3
    model = onnx.load(made)
    assert [entry.version for entry in model.opset_import] == [20]
    assert [value.name for value in (*model.graph.input, *model.graph.output)] == ["input", "logits"]


def test_logits_of_a_cut_model_are_those_before_softmax(tmp_path):
    made = imported(network(), tmp_path)
    probabilities, logits = (runner(model)(torch.from_numpy(SAMPLES)) for model in (network(), onnx.load(made)))
    torch.testing.assert_close(torch.softmax(logits, 1), probabilities)


@pytest.mark.parametrize("keepdims", [0, 1])
def test_mean_over_space_becomes_a_global_average_pool_and_the_logits_flat(keepdims, tmp_path):
    made = imported(pooled([-1, 2], keepdims), tmp_path)
    assert operators(made) == ["Conv", "GlobalAveragePool", "Flatten"]
    assert agreement(read(tmp_path / "given.onnx"), made, SAMPLES)["max_abs_difference"] < 1e-4


def test_names_are_unique_and_fit_file_names(tmp_path):
    model = network()
    given = ["/net/conv/Conv", "", "", "a b", "net conv/Conv", "..", "shape", "é", "input", "softmax"]
    for node, name in zip(model.graph.node, given, strict=True):
        node.name = name
    nodes = load(imported(model, tmp_path)).nodes
    assert [node.name for node in nodes] == ["net_conv_Conv", "a_b", "net_conv_Conv_1", "relu", "shape", "gemm"]
    assert [node.output[0] for node in nodes] == [*(node.name for node in nodes[:-1]), "logits"]


def refused(model: ModelProto, folder: Path, **more) -> str:
    with pytest.raises(InputError) as error:
        imported(model, folder, **more)
    message = str(error.value)
    assert message.startswith(str(folder / "given.onnx")) and "\n" not in message
    return message


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    model = network()
    values = numpy_helper.to_array(model.graph.initializer[0]).copy()
    values[0, 0, 0, 0] = np.nan
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(values, "w"))
    assert "weight 'w' holds NaN" in refused(model, tmp_path)


def test_a_second_output_is_refused_by_name(tmp_path):
    model = network()
    model.graph.output.append(helper.make_tensor_value_info("r", TensorProto.FLOAT, [1, 4, 4, 4]))
    assert "output Softmax, r" in refused(model, tmp_path)


def test_another_number_of_classes_is_refused(tmp_path):
    assert "do not fit a data set of 7 classes" in refused(network(), tmp_path, classes=7)


def test_another_input_size_is_refused_with_both_sizes(tmp_path):
    model = network()
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 9
    assert "takes samples of 3x9x8, the data set has 3x8x8" in refused(model, tmp_path)


def test_operators_of_others_are_refused_by_name(tmp_path):
    model = network()
    model.graph.node[3].op_type, model.graph.node[3].domain = "FusedRelu", "com.microsoft"
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    assert "'r' (FusedRelu) is of com.microsoft" in refused(model, tmp_path)


def test_a_quantized_model_is_refused(tmp_path):
    model = network("N", tail=[])
    scale = weights(scale=())
    model.graph.initializer.extend(scale)
    model.graph.node[-1].output[0] = "q"
    model.graph.node.append(helper.make_node("QuantizeLinear", ["q", "scale"], ["q8"]))
    model.graph.node.append(helper.make_node("DequantizeLinear", ["q8", "scale"], ["logits of mine"]))
    assert "(QuantizeLinear): the model is quantized" in refused(model, tmp_path)


def test_external_data_is_read_from_the_models_own_folder_alone(tmp_path):
    (tmp_path / "own").mkdir()
    path = tmp_path / "own" / "model.onnx"
    onnx.save(network(), path, save_as_external_data=True, location="weights", size_threshold=0)
    read(path)
    (tmp_path / "own" / "weights").rename(tmp_path / "weights")
    model = onnx.load(path, load_external_data=False)
    for constant in model.graph.initializer:
        for entry in constant.external_data:
            entry.value = "../weights" if entry.key == "location" else entry.value
    onnx.save(model, path)
    with pytest.raises(InputError, match="not a valid ONNX model"):
        read(path)


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "model.onnx").write_bytes((OWN / "mnist.onnx").read_bytes()[:20_000])
    with pytest.raises(InputError, match="not a valid ONNX model"):
        read(tmp_path / "model.onnx")


def test_a_result_that_computes_something_else_is_refused(tmp_path):
    made = imported(network(), tmp_path)
    model = read(tmp_path / "given.onnx")
    (weight,) = [constant for constant in model.graph.initializer if constant.name == "fc"]
    weight.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(weight), "fc"))
    with pytest.raises(InputError, match="of the test samples only"):
        agreement(model, made, SAMPLES)


def test_the_model_zoos_digits_are_recognized_as_in_the_file_given(tmp_path):
    digits, _ = own(OWN / "digits.tar.xz", "digits", seed=1, size=28, channels=1, mean=0, std=1)
    inputs, labels = digits.test()
    given = read(OWN / "mnist.onnx")
    onnx.save(standardized(given, "mnist.onnx", inputs.shape[1:], 10), tmp_path / "made.onnx")
    assert operators(tmp_path / "made.onnx") == ["Conv", "Relu", "MaxPool"] * 2 + ["Reshape", "Gemm"]
    assert agreement(given, tmp_path / "made.onnx", inputs)["same_class_share"] == 1
    classes = runner(onnx.load(tmp_path / "made.onnx"))(torch.from_numpy(inputs)).argmax(1).numpy()
    assert np.mean(classes == labels) > 0.88
