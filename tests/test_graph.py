"""The graph reader: shapes at batch 1, layers, pads, and refusal of damaged files."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lib.errors import InputError
from lib.graph import load, resolved_pads


def save(path, nodes, constants, shape_in, shape_out):
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape_in)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape_out)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path


def test_grouped_strided_convolution_has_the_macs_of_its_definition(tmp_path):
    weight = np.zeros((12, 2, 3, 5), np.float32)
    node = helper.make_node(
        "Conv", ["x", "w"], ["y"], name="c", group=4, strides=[2, 1], pads=[0, 1, 2, 3], dilations=[2, 1]
    )
    path = save(tmp_path / "m.onnx", [node], {"w": weight}, ["n", 8, 17, 20], ["n", 12, "h", "w"])
    (layer,) = load(path).layers
    height, width = (17 + 2 - 5) // 2 + 1, 20 + 4 - 5 + 1
    assert layer.output_shape == (1, 12, height, width)
    assert (layer.macs, layer.parameters) == (12 * height * width * 2 * 3 * 5, weight.size)
    assert (layer.groups, layer.strides, layer.pads, layer.dilations) == (4, (2, 1), (0, 1, 2, 3), (2, 1))


def test_matmul_with_rows_counts_every_row(tmp_path):
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="projection")
    path = save(tmp_path / "m.onnx", [node], {"w": np.zeros((8, 3), np.float32)}, ["n", 5, 8], ["n", 5, 3])
    (layer,) = load(path).layers
    assert (layer.macs, layer.macs_per_output, layer.output_shape) == (5 * 3 * 8, 8, (1, 5, 3))


@pytest.mark.parametrize("transpose", [0, 1])
def test_gemm_sums_over_the_inner_dimension_however_it_is_stored(transpose, tmp_path):
    node = helper.make_node("Gemm", ["x", "w"], ["y"], name="fc", transA=transpose, transB=transpose)
    weight = np.zeros((3, 8) if transpose else (8, 3), np.float32)
    path = save(tmp_path / "m.onnx", [node], {"w": weight}, [8, 1] if transpose else [1, 8], [1, 3])
    (layer,) = load(path).layers
    assert (layer.macs_per_output, layer.macs) == (8, 24)


@pytest.mark.parametrize("auto_pad, pads", [("VALID", (0, 0)), ("SAME_UPPER", (1, 2)), ("SAME_LOWER", (2, 1))])
def test_auto_pad_follows_the_specification(auto_pad, pads):
    assert resolved_pads({"auto_pad": auto_pad}, (4,), (9,), (9 if auto_pad != "VALID" else 6,)) == pads


def test_shapes_are_those_of_onnxruntime_for_one_sample(resnet_model):
    import onnxruntime

    graph = load(resnet_model.path)
    model = graph.model
    tensors = [name for node in model.graph.node for name in node.output if name != "logits"]
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    exposed.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in tensors)
    session = onnxruntime.InferenceSession(exposed.SerializeToString(), providers=["CPUExecutionProvider"])
    values = session.run(tensors, {"input": resnet_model.dataset.test(1)[0]})
    assert {name: value.shape for name, value in zip(tensors, values, strict=True)} == {
        name: graph.shapes[name] for name in tensors
    }


def test_damaged_models_are_refused_in_one_line_that_names_the_file(signal_model, tmp_path):
    whole = signal_model.path.read_bytes()
    path = tmp_path / "damaged.onnx"
    for damaged in (b"", whole[: len(whole) // 2], b"\x00" * 64, whole.replace(b"conv2.weight", b"conv9.weight", 1)):
        path.write_bytes(damaged)
        with pytest.raises(InputError) as error:
            load(path)
        assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_weights_of_another_rank_than_the_input_that_lists_them_are_refused(tmp_path):
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    path = save(tmp_path / "m.onnx", nodes, {"w": np.ones((16, 15), np.float32)}, [1, 16], [1, 15])
    model = onnx.load(path)
    model.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [4, 4, 15]))
    onnx.save(model, path)
    with pytest.raises(InputError, match=r"m\.onnx: not a model whose shapes agree \(.+\); export it again"):
        _ = load(path).shapes


def test_weights_without_the_axes_of_the_kernel_are_refused(tmp_path):
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], "conv", kernel_shape=[3, 3], pads=[1, 1, 1, 1])]
    path = save(tmp_path / "m.onnx", nodes, {"w": np.ones((4, 3), np.float32)}, [1, 3, 8, 8], [1, 4, 8, 8])
    with pytest.raises(InputError, match=r"m\.onnx: pads \[1, 1, 1, 1\] at node conv \(Conv\) do not fit"):
        _ = load(path).layers


@pytest.mark.parametrize("auto_pad", ["same", b"\xff"])
def test_unknown_padding_is_refused(auto_pad, tmp_path):
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], "conv", auto_pad=auto_pad)]
    path = save(tmp_path / "m.onnx", nodes, {"w": np.ones((4, 3, 1, 1), np.float32)}, [1, 3, 8, 8], [1, 4, 8, 8])
    with pytest.raises(InputError, match=r"m\.onnx: auto_pad '.+' at node conv \(Conv\) is unknown"):
        _ = load(path).layers


def test_absent_model_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such model file"):
        load(tmp_path / "absent.onnx")


def test_external_data_outside_the_models_folder_is_refused(tmp_path):
    (tmp_path / "secret").write_bytes(b"\x00" * 1000)
    folder = tmp_path / "model"
    folder.mkdir()
    path = save(
        folder / "m.onnx",
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        {"w": np.ones((16, 15), np.float32)},
        [1, 16],
        [1, 15],
    )
    model = onnx.load(path)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret")
    onnx.save(model, path)
    with pytest.raises(InputError, match=r"m\.onnx"):
        load(path)
    assert load(path, weights=False).layers[0].macs == 16 * 15
