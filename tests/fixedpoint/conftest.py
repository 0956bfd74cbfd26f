"""onnxruntime as the reference, and quantized networks and small graphs to compare with it."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from lib.fixedpoint import IntegerModel
from lib.fixedpoint.exactness import SESSION_OPTION


@pytest.fixture(scope="session")
def runtime():
    """onnxruntime's outputs by name for an ONNX model, as a function of its feeds."""

    def prepare(model: onnx.ModelProto, default: bool = False):
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        if not default:
            options.add_session_config_entry(*SESSION_OPTION)
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        return lambda feeds: dict(zip(names, session.run(names, feeds), strict=True))

    return prepare


@pytest.fixture(scope="session")
def one_node(model_of):
    """A model of one quantized operator: one_node(op, feeds, constants, dtype, **attributes).

    constants : the node's inputs in order; None stands for the next of the feeds, "" for an absent input
    """

    def make(op: str, feeds: dict, constants: list, dtype, domain: str = "com.microsoft", **attributes):
        names, stored, runtime_inputs = [], {}, iter(feeds)
        for index, value in enumerate(constants):
            if value is None:
                names.append(next(runtime_inputs))
            elif isinstance(value, str):
                names.append("")
            else:
                names.append(f"c{index}")
                stored[names[-1]] = value
        node = helper.make_node(op, names, ["y"], name="node", domain=domain, **attributes)
        return model_of([node], feeds, stored, dtype, rank=next(iter(feeds.values())).ndim)

    return make


@pytest.fixture(scope="session")
def differing(one_node, differences):
    """How many integers of one operator differ from onnxruntime's."""
    return lambda op, feeds, *given, **attributes: differences(one_node(op, feeds, *given, **attributes), feeds)


@pytest.fixture(scope="session")
def elementwise(tmp_path_factory, runtime):
    """How many of the 256 values between DequantizeLinear, a function and QuantizeLinear differ from onnxruntime's."""
    path = tmp_path_factory.mktemp("segments") / "segment.onnx"

    def count(function: str, attributes: dict, scale, zero_point, y_scale) -> int:
        x = np.arange(256, dtype=np.uint8).view(zero_point.dtype)[None]
        constants = {"scale": scale, "zero_point": zero_point, "y_scale": y_scale}
        nodes = [
            helper.make_node("DequantizeLinear", ["x", "scale", "zero_point"], ["real"]),
            helper.make_node(function, ["real"], ["result"], **attributes),
            helper.make_node("QuantizeLinear", ["result", "y_scale", "zero_point"], ["y"]),
        ]
        kind = helper.np_dtype_to_tensor_dtype(x.dtype)
        ends = [helper.make_tensor_value_info(name, kind, [None, 256]) for name in "xy"]
        initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
        graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
        onnx.save(model, path)
        ours, theirs = IntegerModel.from_onnx(path).run({"x": x})["y"], runtime(model)({"x": x})["y"]
        return int(np.count_nonzero(ours != theirs))

    return count


class Samples(CalibrationDataReader):
    """One batch of inputs, as onnxruntime's quantizer reads them."""

    def __init__(self, x):
        self.batches = iter([x])

    def get_next(self):
        return next(({"input": x} for x in self.batches), None)


@pytest.fixture(scope="session")
def quantize():
    """onnxruntime's static quantization of a fixture's network: quantize(network, path, **options)."""

    def make(network, path, **options):
        samples = Samples(network.dataset.normalize(network.dataset.train_x[:64]))
        quantize_static(onnx.load(network.path), path, samples, **options)

    return make


@pytest.fixture(scope="session")
def quantized(request, quantize, tmp_path_factory):
    """The path of a fixture's network quantized by a scheme, made once."""
    folder, made = tmp_path_factory.mktemp("quantized"), {}

    def make(fixture: str, graph_format="qoperator", activation="uint8", granularity="channel"):
        key = (fixture, graph_format, activation, granularity)
        if key not in made:
            made[key] = folder / f"{'_'.join(key)}.onnx"
            quantize(
                request.getfixturevalue(fixture),
                made[key],
                quant_format=QuantFormat.QDQ if graph_format == "qdq" else QuantFormat.QOperator,
                activation_type=QuantType.QUInt8 if activation == "uint8" else QuantType.QInt8,
                weight_type=QuantType.QInt8,
                per_channel=granularity == "channel",
                extra_options={"ActivationSymmetric": activation == "int8sym"},
            )
        return made[key]

    return make


@pytest.fixture(scope="session")
def model_of(tmp_path_factory):
    """A saved model of any nodes: model_of(nodes, feeds, constants, dtype of output y) -> model, path."""
    path = tmp_path_factory.mktemp("graphs") / "graph.onnx"

    def make(nodes: list, feeds: dict, constants: dict, dtype, rank: int | None = None, opset: int = 20, **fields):
        kind = helper.np_dtype_to_tensor_dtype
        inputs = [helper.make_tensor_value_info(n, kind(x.dtype), [None, *x.shape[1:]]) for n, x in feeds.items()]
        rank = rank or max(x.ndim for x in feeds.values())
        output = helper.make_tensor_value_info("y", kind(np.dtype(dtype)), [None] * rank)
        initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
        graph = helper.make_graph(nodes, "g", inputs, [output], initializers)
        opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=10, **fields)
        onnx.save(model, path)
        return model, path

    return make


@pytest.fixture(scope="session")
def graph_differing(model_of, differences):
    """How many integers of the output y of any nodes differ from onnxruntime's."""
    return lambda nodes, feeds, *given, **fields: differences(model_of(nodes, feeds, *given, **fields), feeds)


@pytest.fixture(scope="session")
def differences(runtime):
    """How many integers of the output y of a model, at a path, differ from onnxruntime's."""

    def count(model_and_path: tuple, feeds: dict) -> int:
        model, path = model_and_path
        ours, theirs = IntegerModel.from_onnx(path).run(feeds)["y"], runtime(model)(feeds)["y"]
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        return int(np.count_nonzero(ours != theirs))

    return count
