"""Golden vectors: a C program that knows the files alone recomputes every value, and notices any that is changed."""

import hashlib
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from lib import graph
from lib.errors import InputError
from lib.fixedpoint import IntegerModel
from lib.fixedpoint.exactness import with_quantized_outputs
from lib.fixedpoint.vectors import CHECKER, write_vectors

NETWORK_LAYERS = [
    ("signal_model", "qoperator", "uint8", "conv2"),
    ("signal_model", "qdq", "int8", "fc"),
    ("tiny_model", "qoperator", "uint8", "conv1"),
    ("tiny_model", "qdq", "int8sym", "conv2"),
    ("resnet_model", "qoperator", "int8", "block2.conv1"),
    ("resnet_model", "qdq", "uint8", "block3.shortcut"),
    ("dscnn_model", "qoperator", "uint8", "block1.conv_depthwise"),
]
CONVOLUTIONS = {
    "1D": ((6, 30), (5, 6, 4), {"strides": [2], "pads": [3, 1], "dilations": [2]}),
    "2D": ((3, 11, 9), (4, 3, 3, 2), {"strides": [2, 1], "pads": [1, 0, 2, 1]}),
    "dilated": ((2, 12, 12), (3, 2, 3, 3), {"dilations": [2, 3], "pads": [2, 0, 1, 3]}),
    "same": ((2, 12, 11), (3, 2, 3, 4), {"strides": [2, 3], "auto_pad": "SAME_LOWER"}),
    "grouped": ((6, 7, 8), (9, 2, 3, 3), {"group": 3, "pads": [1, 1, 1, 1]}),
    "depthwise": ((5, 8, 8), (5, 1, 3, 3), {"group": 5, "strides": [2, 2], "pads": [0, 0, 1, 1]}),
}


@pytest.fixture(scope="module")
def check(tmp_path_factory):
    """Exit code and line of the C checker for a folder."""
    compiler = shutil.which("cc") or pytest.skip("there is no C compiler called cc")
    program = tmp_path_factory.mktemp("checker") / "check"
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-O2", "-ffp-contract=off"]
    subprocess.run([compiler, *flags, "-o", program, CHECKER, "-lm"], check=True)

    def run(folder) -> tuple[int, str]:
        result = subprocess.run([program, folder], capture_output=True, text=True, timeout=60)
        assert result.stderr == "" and result.stdout.count("\n") == 1
        return result.returncode, result.stdout

    return run


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "vectors"


def random_integers(rng, shape, dtype):
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max + 1, shape, dtype=dtype)


def convolution(one_node, case, dtype, weight_dtype=np.int8):
    """A QLinearConv on random integers whose outputs spread over the 8-bit range: model, path, feeds."""
    size, kernel, attributes = CONVOLUTIONS[case]
    rng = np.random.default_rng(0)
    x, weight = random_integers(rng, (2, *size), dtype), random_integers(rng, kernel, weight_dtype)
    filters = len(weight)
    scale = rng.uniform(1e-3, 2e-3, filters).astype(np.float32)
    zero = np.full(filters, 0 if weight_dtype == np.int8 else 77, weight_dtype)
    bias = rng.integers(-9000, 9000, filters, dtype=np.int32)
    y_scale = np.float32(0.1 * np.sqrt(weight[0].size))
    inputs = [None, np.float32(1), dtype(17), weight, scale, zero, y_scale, dtype(100), bias]
    return *one_node("QLinearConv", {"x": x}, inputs, dtype, domain="", **attributes), {"x": x}


def product(one_node, dtype):
    """A QLinearMatMul of random integers: model, path, feeds."""
    rng = np.random.default_rng(1)
    x, weight = random_integers(rng, (3, 40), dtype), random_integers(rng, (40, 7), np.int8)
    inputs = [None, np.float32(0.1), dtype(3), weight, np.float32(0.1), np.int8(0), np.float32(40), dtype(5)]
    return *one_node("QLinearMatMul", {"x": x}, inputs, dtype, domain=""), {"x": x}


def load(folder, name):
    return np.load(folder / f"{name}.npy")


@pytest.mark.parametrize(("fixture", "graph_format", "activation", "layer"), NETWORK_LAYERS)
def test_layers_of_networks(fixture, graph_format, activation, layer, quantized, runtime, request, check, folder):
    model = IntegerModel.from_onnx(quantized(fixture, graph_format, activation))
    x, _ = request.getfixturevalue(fixture).dataset.test(2)
    write_vectors(folder, model, layer, x, {})
    assert check(folder)[0] == 0
    step = next(step for step in model.layers if step.node == layer)
    theirs = runtime(with_quantized_outputs(model))({"input": x})[step.output]
    np.testing.assert_array_equal(load(folder, "output_float32"), theirs)


@pytest.mark.parametrize("fixture", ["signal_model", "tiny_model", "resnet_model", "dscnn_model"])
def test_the_float_network_names_the_same_layers(fixture, quantized, request):
    names = {layer.name for layer in graph.load(request.getfixturevalue(fixture).path).layers}
    assert names == {step.node for step in IntegerModel.from_onnx(quantized(fixture)).layers}


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_convolutions_of_every_kind(case, dtype, one_node, runtime, check, folder):
    model, path, feeds = convolution(one_node, case, dtype)
    write_vectors(folder, IntegerModel.from_onnx(path), "node", feeds["x"], {})
    assert check(folder)[0] == 0
    y = load(folder, "output_float32")
    np.testing.assert_array_equal(y, runtime(model)(feeds)["y"])
    assert len(np.unique(y)) > 50


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_matrix_products(dtype, one_node, runtime, check, folder):
    model, path, feeds = product(one_node, dtype)
    write_vectors(folder, IntegerModel.from_onnx(path), "node", feeds["x"], {})
    assert check(folder)[0] == 0
    np.testing.assert_array_equal(load(folder, "output_float32"), runtime(model)(feeds)["y"])


def test_weights_beyond_eight_bits_without_their_zero_point(one_node, check, folder):
    _, path, feeds = convolution(one_node, "2D", np.uint8, weight_dtype=np.uint8)
    write_vectors(folder, IntegerModel.from_onnx(path), "node", feeds["x"], {})
    assert check(folder)[0] == 0
    assert load(folder, "weight").dtype == np.int16


def test_a_filter_without_weights_whose_multiplier_is_next_to_nothing(one_node, check, folder):
    inputs = [None, np.float32(1), np.uint8(0), np.int8([[[0]], [[1]]]), np.float32([1e-20, 0.5])]
    inputs += [np.int8([0, 0]), np.float32(1), np.uint8(9)]
    x = np.arange(6, dtype=np.uint8).reshape(1, 1, 6)
    _, path = one_node("QLinearConv", {"x": x}, inputs, np.uint8, domain="")
    write_vectors(folder, IntegerModel.from_onnx(path), "node", x, {})
    assert check(folder)[0] == 0
    assert load(folder, "output_float32").tolist() == [[[9] * 6, [9, 9, 10, 11, 11, 11]]]
    assert load(folder, "output_fixed_point").tolist() == [[[9] * 6, [9, 10, 10, 11, 11, 12]]]


def test_one_changed_value_in_any_file_fails(one_node, check, folder):
    _, path, feeds = convolution(one_node, "grouped", np.int8)
    write_vectors(folder, IntegerModel.from_onnx(path), "node", feeds["x"], {})
    assert check(folder)[0] == 0
    files = sorted(folder.glob("*.hex"))
    assert len(files) == 12
    for file in files:
        text = file.read_text()
        lines = text.splitlines(keepends=True)
        for index in {1, len(lines) // 2, len(lines) - 1}:  # the first line is a comment
            changed = f"{int(lines[index], 16) ^ 1:0{len(lines[index]) - 1}x}\n"
            file.write_text("".join([*lines[:index], changed, *lines[index + 1 :]]))
            assert check(folder)[0] == 1, f"{file.name}, line {index + 1}"
        file.write_text(text)
    assert check(folder)[0] == 0


@pytest.mark.parametrize("damage", ["missing", "short", "long", "wide", "text", "parameter"])
def test_damaged_files_are_named(damage, one_node, check, folder):
    _, path, feeds = product(one_node, np.uint8)
    write_vectors(folder, IntegerModel.from_onnx(path), "node", feeds["x"], {})
    file = folder / ("layer.vh" if damage == "parameter" else "bias.hex")
    text = file.read_text()
    file.write_text(
        {
            "missing": "",
            "short": text[: text.rindex("\n", 0, -1) + 1],
            "long": text + "00000000\n",
            "wide": text.replace("\n", "0\n"),
            "text": text + "something\n",
            "parameter": text.replace("GROUPS", "GROUP"),
        }[damage]
    )
    if damage == "missing":
        file.unlink()
    code, line = check(folder)
    assert code == 1 and ("GROUPS" if damage == "parameter" else "bias.hex") in line


def test_hex_npy_and_manifest_agree(one_node, folder):
    _, path, feeds = convolution(one_node, "1D", np.int8)
    write_vectors(folder, IntegerModel.from_onnx(path), "node", feeds["x"], {"workload": "w", "dataset": "d"})
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["workload"], manifest["dataset"], manifest["layer"]) == ("w", "d", "node")
    assert manifest["sha256"].keys() | {"manifest.json"} == {file.name for file in folder.iterdir()}
    for name, digest in manifest["sha256"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    for name, about in manifest["tensors"].items():
        values = load(folder, name)
        assert (list(values.shape), str(values.dtype)) == (about["shape"], about["type"])
        comment, *lines = (folder / f"{name}.hex").read_text().splitlines()
        assert comment.startswith("//") and {len(line) for line in lines} == {about["bits"] // 4}
        words = np.array([int(line, 16) for line in lines], f"u{values.itemsize}")
        np.testing.assert_array_equal(words.view(values.dtype).reshape(values.shape), values)
    parameters = dict(re.findall(r"^localparam (\w+) = (-?\d+);$", (folder / "layer.vh").read_text(), re.MULTILINE))
    assert {name: int(value) for name, value in parameters.items()} == manifest["geometry"]
    window = {"STRIDE_WIDTH": 2, "DILATION_WIDTH": 2, "PAD_LEFT": 3, "PAD_RIGHT": 1, "INPUT_HEIGHT": 1}
    assert window.items() <= manifest["geometry"].items()
    assert manifest["padding_value"] == 17


def test_an_unknown_layer_is_refused_with_the_names_that_exist(one_node, folder):
    _, path, feeds = product(one_node, np.int8)
    with pytest.raises(InputError, match=r"'conv9'.*node"):
        write_vectors(folder, IntegerModel.from_onnx(path), "conv9", feeds["x"], {})
    assert not folder.exists()
