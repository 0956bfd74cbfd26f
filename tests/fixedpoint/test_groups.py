"""Operators between DequantizeLinear and QuantizeLinear equal onnxruntime's, which fuses or moves some of them."""

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from lib.fixedpoint import IntegerModel
from lib.fixedpoint.exactness import exactness, with_quantized_outputs
from lib.fixedpoint.operators.tables import every

quick = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
eight_bits = st.sampled_from([np.int8, np.uint8])
scales = st.floats(-6, 4).map(lambda exponent: np.float32(10**exponent))
seeds = st.integers(0, 2**32 - 1)


def node(op, inputs, outputs, **attributes):
    return helper.make_node(op, inputs, outputs, name=f"{op} {outputs[0]}", **attributes)


def group(middle: list, operands: dict, y: tuple) -> tuple[list, dict]:
    """Nodes and constants: operands name -> (scale, zero point) dequantized as `name real`, `result` quantized as y."""
    constants = {"y_scale": y[0], "y_zero": y[1]}
    nodes = []
    for name, (scale, zero) in operands.items():
        constants |= {f"{name}_scale": scale, f"{name}_zero": zero}
        nodes.append(node("DequantizeLinear", [name, f"{name}_scale", f"{name}_zero"], [f"{name} real"]))
    return [*nodes, *middle, node("QuantizeLinear", ["result", "y_scale", "y_zero"], ["y"])], constants


def integers(rng, shape, dtype):
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max + 1, shape, dtype=dtype)


@st.composite
def pools(draw):
    axes = draw(st.sampled_from([1, 2]))
    kernel = [draw(st.integers(1, 4)) for _ in range(axes)]
    pads = [draw(st.integers(0, k - 1)) for k in kernel * 2]
    size = [k + draw(st.integers(0, 6)) for k in kernel]
    strides = [draw(st.integers(1, 3)) for _ in range(axes)]
    rest = {"count_include_pad": draw(st.sampled_from([0, 1]))}
    return size, {"kernel_shape": kernel, "pads": pads, "strides": strides, **rest}


@quick
@given(seeds, eight_bits, pools(), scales, st.floats(0.05, 4), st.data())
def test_average_pool_equals_onnxruntime_in_both_formats(
    differing, graph_differing, seed, dtype, pool, scale, ratio, data
):
    size, attributes = pool
    rng = np.random.default_rng(seed)
    x, zeros = integers(rng, (2, 5, *size), dtype), integers(rng, 2, dtype)
    y = np.float32(scale * ratio), zeros[1]
    assert differing("QLinearAveragePool", {"x": x}, [None, scale, zeros[0], *y], dtype, **attributes) == 0
    nodes, constants = group([node("AveragePool", ["x real"], ["result"], **attributes)], {"x": (scale, zeros[0])}, y)
    assert graph_differing(nodes, {"x": x}, constants, dtype) == 0


SHAPES = [  # of one sample; the first axis is added where it is fed
    ((3, 4, 5), (3, 4, 5)),
    ((3, 4, 5), (3, 1, 1)),
    ((3, 4, 5), (1, 1, 5)),
    ((3, 4, 5), (1, 1, 1)),
    ((1, 4, 5), (3, 1, 5)),
    ((3, 1, 1), (3, 1, 1)),
    ((1,), (1,)),
]


@pytest.mark.parametrize("op", ["Add", "Mul"])
@pytest.mark.parametrize("stored", ["", "a", "b"])
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_broadcasting_pairs_equal_onnxruntime(graph_differing, op, shapes, stored, dtype):
    rng = np.random.default_rng(0)
    for first, second in (shapes, shapes[::-1]):
        operands = {"a": integers(rng, (2, *first), dtype), "b": integers(rng, (2, *second), dtype)}
        if stored:
            operands[stored] = operands[stored][0]
        scale, zeros = np.float32(10 ** rng.uniform(-5, 3)), integers(rng, 3, dtype)
        meanings = {n: (np.float32(scale * rng.uniform(0.1, 30)), z) for n, z in zip("ab", zeros[:2], strict=True)}
        y_scale = scale if op == "Add" else np.float32(scale * scale * 40)
        nodes, constants = group([node(op, ["a real", "b real"], ["result"])], meanings, (y_scale, zeros[2]))
        feeds = {name: x for name, x in operands.items() if name != stored}
        constants |= {stored: operands[stored]} if stored else {}
        assert graph_differing(nodes, feeds, constants, dtype) == 0
        inputs = [i for name in "ab" for i in (name, f"{name}_scale", f"{name}_zero")]
        quantized = node(f"QLinear{op}", [*inputs, "y_scale", "y_zero"], ["y"], domain="com.microsoft")
        assert graph_differing([quantized], feeds, constants, dtype) == 0


PADS = np.int64([0, 0, 1, 2, 0, 0, 2, 1])


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
@pytest.mark.parametrize("mode", ["constant", "edge"])
@pytest.mark.parametrize("y_scale", [0.1, 0.13])
@pytest.mark.parametrize("value", [None, 0.7])
def test_pad_equals_onnxruntime_in_both_formats(graph_differing, dtype, mode, y_scale, value):
    x, zeros = integers(np.random.default_rng(0), (2, 3, 5, 6), dtype), np.array([3, 9], dtype)
    last, fill = (["fill"], {"fill": np.float32(value)}) if value else ([], {})
    middle = [node("Pad", ["x real", "pads", *last], ["result"], mode=mode)]
    nodes, constants = group(middle, {"x": (np.float32(0.1), zeros[0])}, (np.float32(y_scale), zeros[1]))
    assert graph_differing(nodes, {"x": x}, constants | fill | {"pads": PADS}, dtype) == 0
    fill = {"fill": zeros[1]} if value else {}
    assert (
        graph_differing([node("Pad", ["x", "pads", *last], ["y"], mode=mode)], {"x": x}, fill | {"pads": PADS}, dtype)
        == 0
    )


FUNCTIONS = ["Relu", "Sigmoid", "Tanh", "LeakyRelu", "HardSwish", "HardSigmoid", "Abs", "Neg"]


@pytest.mark.parametrize("function", FUNCTIONS)
@quick
@given(dtype=eight_bits, scale=scales, ratio=st.floats(0.01, 3), data=st.data())
def test_functions_of_every_value_equal_onnxruntime(differing, elementwise, function, dtype, scale, ratio, data):
    zeros = [dtype(data.draw(st.integers(np.iinfo(dtype).min, np.iinfo(dtype).max))) for _ in range(2)]
    y_scale = np.float32(ratio * (1 / 255 if function in ("Sigmoid", "Tanh", "HardSigmoid") else scale))
    assert elementwise(function, {}, scale, zeros[0], y_scale) == 0
    if function in ("Sigmoid", "LeakyRelu"):
        inputs = [None, scale, zeros[0], y_scale, zeros[1]]
        assert differing(f"QLinear{function}", {"x": every(np.dtype(dtype))[None]}, inputs, dtype) == 0


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div"])
def test_arithmetic_with_a_number_equals_onnxruntime(graph_differing, op, first, dtype):
    operands = ["number", "x real"] if first else ["x real", "number"]
    meaning = (np.float32(0.1), np.array(7, dtype))
    nodes, constants = group([node(op, operands, ["result"])], {"x": meaning}, meaning)
    for number in np.float32([0.3, -1.7, 1 / 3]):
        feeds = {"x": every(np.dtype(dtype))[None]}
        assert graph_differing(nodes, feeds, constants | {"number": number}, dtype) == 0


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
@pytest.mark.parametrize("shape", [(4, 9), (2, 7, 9), (2, 3, 7, 9)], ids=str)
@pytest.mark.parametrize("per_column", [False, True])
def test_matrix_products_of_stacks_equal_onnxruntime(graph_differing, shape, dtype, per_column):
    rng = np.random.default_rng(0)
    w_scale = rng.uniform(0.01, 0.1, 4).astype(np.float32) if per_column else np.float32(0.03)
    constants = {"w": integers(rng, (9, 4), np.int8), "w_scale": w_scale, "w_zero": np.zeros_like(w_scale, np.int8)}
    middle = [
        node("DequantizeLinear", ["w", "w_scale", "w_zero"], ["w real"], axis=1),
        node("MatMul", ["x real", "w real"], ["result"]),
    ]
    zeros = integers(rng, 2, dtype)
    nodes, rest = group(middle, {"x": (np.float32(0.1), zeros[0])}, (np.float32(2), zeros[1]))
    feeds = {"x": integers(rng, shape, dtype)}
    assert graph_differing(nodes, feeds, constants | rest, dtype) == 0
    inputs = ["x", "x_scale", "x_zero", "w", "w_scale", "w_zero", "y_scale", "y_zero"]
    assert graph_differing([node("QLinearMatMul", inputs, ["y"])], feeds, constants | rest, dtype) == 0


MOVES = [
    ("Flatten", {"axis": 2}, []),
    ("Reshape", {}, [[0, -1, 10]]),
    ("Transpose", {"perm": [0, 2, 1, 3]}, []),
    ("Unsqueeze", {}, [[1]]),
    ("Slice", {}, [[4, 1], [0, 5], [3, -2], [-2, 1]]),
    ("Identity", {}, []),
]


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
@pytest.mark.parametrize(("move", "attributes", "extra"), MOVES, ids=[name for name, *_ in MOVES])
def test_moved_values_reach_fused_operators_as_in_onnxruntime(graph_differing, move, attributes, extra, dtype):
    rng = np.random.default_rng(0)
    constants = {f"extra{index}": np.int64(values) for index, values in enumerate(extra)}
    x, zeros = integers(rng, (2, 6, 5, 10), dtype), integers(rng, 2, dtype)
    middle = [node(move, ["x real", *constants], ["moved"], **attributes), node("Sigmoid", ["moved"], ["result"])]
    rank = {"Flatten": 2, "Reshape": 3, "Unsqueeze": 5}.get(move, 4)
    nodes, rest = group(middle, {"x": (np.float32(0.1), zeros[0])}, (np.float32(1 / 300), zeros[1]))
    assert graph_differing(nodes, {"x": x}, constants | rest, dtype, rank=rank) == 0
    assert (
        graph_differing([node(move, ["x", *constants], ["y"], **attributes)], {"x": x}, constants, dtype, rank=rank)
        == 0
    )


@pytest.mark.parametrize("sizes", [None, [1, 3, 2]])
def test_split_equals_onnxruntime(graph_differing, sizes):
    x = integers(np.random.default_rng(0), (2, 6, 4), np.uint8)
    constants, attributes = ({"sizes": np.int64(sizes)}, {}) if sizes else ({}, {"num_outputs": 3})
    for index in range(3):
        outputs = [f"part{i}" if i != index else "y" for i in range(3)]
        split = node("Split", ["x", *constants], outputs, axis=1, **attributes)
        assert graph_differing([split], {"x": x}, constants, np.uint8) == 0


class Samples(CalibrationDataReader):
    def __init__(self, x):
        self.batches = iter([x])

    def get_next(self):
        return next(({"x": x} for x in self.batches), None)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A float network with the operators of MobileNetV3 and its like: Clip, Pad, gates, residuals, pools, Concat."""
    rng = np.random.default_rng(0)
    weights = {
        "w1": (8, 3, 3, 3), "b1": (8,), "w2": (8, 1, 3, 3), "w3": (8, 8, 1, 1), "gain": (8, 1, 1), "w4": (16, 10),
    }  # fmt: skip
    constants = {name: rng.normal(size=shape, scale=0.4).astype(np.float32) for name, shape in weights.items()}
    constants |= {"zero": np.float32(0), "six": np.float32(6), "pads": np.int64([0, 0, 0, 0, 0, 0, 1, 1])}
    constants |= {"halves": np.int64([8, 8]), "flat": np.int64([0, -1])}
    nodes = [
        node("Conv", ["x", "w1", "b1"], ["c1"], strides=[2, 2], pads=[1, 1, 1, 1]),
        node("Clip", ["c1", "zero", "six"], ["r1"]),
        node("Pad", ["r1", "pads"], ["p1"]),
        node("Conv", ["p1", "w2"], ["c2"], group=8, pads=[1, 1, 0, 0]),
        node("LeakyRelu", ["c2"], ["l2"], alpha=0.1),
        node("GlobalAveragePool", ["l2"], ["g"]),
        node("Conv", ["g", "w3"], ["c3"]),
        node("Sigmoid", ["c3"], ["s3"]),
        node("Mul", ["l2", "s3"], ["gated"]),
        node("Mul", ["gated", "gain"], ["scaled"]),
        node("Add", ["scaled", "r1"], ["sum"]),
        node(
            "AveragePool", ["sum"], ["a"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1
        ),
        node("MaxPool", ["sum"], ["m"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Concat", ["a", "m"], ["both"], axis=1),
        node("Split", ["both", "halves"], ["left", "right"], axis=1),
        node("Add", ["left", "right"], ["joined"]),
        node("Transpose", ["joined"], ["last"], perm=[0, 2, 3, 1]),
        node("Transpose", ["last"], ["first"], perm=[0, 3, 1, 2]),
        node("GlobalAveragePool", ["both"], ["means"]),
        node("Reshape", ["means", "flat"], ["features"]),
        node("MatMul", ["features", "w4"], ["y"]),
        node("Reshape", ["first", "flat"], ["z"]),
    ]
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    ends = [
        helper.make_tensor_value_info(n, 1, shape)
        for n, shape in (("x", ["N", 3, 12, 12]), ("y", ["N", 10]), ("z", ["N", 72]))
    ]
    graph = helper.make_graph(nodes, "network", ends[:1], ends[1:], initializers)
    path = tmp_path_factory.mktemp("network") / "network.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("activation", [QuantType.QUInt8, QuantType.QInt8], ids=str)
@pytest.mark.parametrize("graph_format", [QuantFormat.QDQ, QuantFormat.QOperator], ids=str)
def test_what_the_quantizer_makes_of_them_equals_onnxruntime(
    network, runtime, graph_format, activation, per_channel, tmp_path
):
    x = np.random.default_rng(1).normal(size=(40, 3, 12, 12)).astype(np.float32)
    path = tmp_path / "quantized.onnx"
    options = {"quant_format": graph_format, "activation_type": activation, "per_channel": per_channel}
    quantize_static(network, path, Samples(x[:16]), weight_type=QuantType.QInt8, **options)
    model = IntegerModel.from_onnx(path)
    session = runtime(with_quantized_outputs(model))
    rows = exactness(model, lambda batch: session({"x": batch}), x)
    assert {row["tensor"]: row["differing"] for row in rows} == {row["tensor"]: 0 for row in rows}
    assert len(rows) > 20
