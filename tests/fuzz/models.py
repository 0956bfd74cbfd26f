"""Small quantized models with most of the operators that the integer engine reads, and ONNX Runtime to compare with."""

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper

from lib.fixedpoint import IntegerModel
from lib.fixedpoint.exactness import SESSION_OPTION

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 3, 6, 6)).astype(np.float32)


def weights(*shape):
    return RNG.integers(-128, 128, shape, dtype=np.int8)


def constants(**tensors) -> dict:
    """Scales and zero points of the activations a … e and of the weights; every one a scalar."""
    scales = {"a": 0.03, "b": 0.9, "c": 0.7, "d": 0.5, "e": 20}
    zeros = {f"{name}z": np.uint8(100 + index) for index, name in enumerate(scales)}
    scales = {f"{name}s": np.float32(scale) for name, scale in scales.items()}
    return scales | zeros | {"ws": np.float32(0.02), "wz": np.int8(0)} | tensors


def node(op, inputs, outputs, domain=None, **attributes):
    return helper.make_node(op, inputs.split(), outputs.split(), name=f"{op} {outputs}", domain=domain, **attributes)


QOPERATOR = [
    node("QuantizeLinear", "x as az", "q"),
    node("QLinearConv", "q as az w ws wz bs bz bias", "conv", pads=[1, 1, 0, 0], strides=[1, 2]),
    node("MaxPool", "conv", "max", kernel_shape=[2, 2]),
    node("QLinearAdd", "max bs bz offset cs cz ds dz", "add", domain="com.microsoft"),
    node("QLinearAveragePool", "add ds dz cs cz", "mean", "com.microsoft", kernel_shape=[3, 2], pads=[1, 0, 1, 0]),
    node("Flatten", "mean", "flat"),
    node("QGemm", "flat cs cz v ws wz none es ez", "gemm", domain="com.microsoft"),
    node("DequantizeLinear", "gemm es ez", "y"),
]  # fmt: skip
QOPERATOR[6].input[6] = ""
QDQ = [
    node("QuantizeLinear", "x as az", "q"),
    node("DequantizeLinear", "q as az", "real"),
    node("DequantizeLinear", "w ws wz", "dw"),
    node("Conv", "real dw", "conv", dilations=[2, 1], group=1),
    node("QuantizeLinear", "conv bs bz", "qc"),
    node("DequantizeLinear", "qc bs bz", "dc"),
    node("Sigmoid", "dc", "gate"),
    node("QuantizeLinear", "gate ps az", "qg"),
    node("DequantizeLinear", "qg ps az", "dg"),
    node("Mul", "dc dg", "gated"),
    node("QuantizeLinear", "gated cs cz", "qm"),
    node("DequantizeLinear", "qm cs cz", "dm"),
    node("Pad", "dm pads", "padded"),
    node("QuantizeLinear", "padded cs cz", "qp"),
    node("Slice", "qp starts ends axes", "sliced"),
    node("Reshape", "sliced shape", "flat"),
    node("DequantizeLinear", "flat cs cz", "y"),
]
MODELS = {
    "QOperator": (QOPERATOR, constants(w=weights(4, 3, 3, 2), v=weights(16, 5), bias=np.int32([900, -900, 7, 0]),
                                       offset=RNG.integers(0, 256, (4, 1, 1), dtype=np.uint8))),
    "QDQ": (QDQ, constants(w=weights(4, 3, 2, 2), ps=np.float32(1 / 200), pads=np.int64([0, 0, 1, 0, 0, 0, 0, 1]),
                           starts=np.int64([1]), ends=np.int64([3]), axes=np.int64([1]), shape=np.int64([0, -1]))),
}  # fmt: skip


def model(kind: str) -> bytes:
    """A model of `MODELS` as the bytes of its ONNX file, from x to y."""
    nodes, tensors = MODELS[kind]
    ends = [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [None, *X.shape[1:]])]
    ends.append(helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [None, None]))
    stored = [numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], stored)
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()


def equal_to_onnxruntime(path) -> bool | None:
    """Whether the integer engine computes ONNX Runtime's integers for X; None where that does not run the model.

    Raises InputError where the engine refuses it.
    """
    with np.errstate(all="ignore"):
        ours = IntegerModel.from_onnx(path).run({"x": X})
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    options.add_session_config_entry(*SESSION_OPTION)
    try:
        session = ort.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
        theirs = session.run(None, {"x": X})
    except Exception:  # it raises many types
        return None
    names = [output.name for output in session.get_outputs()]
    return all(np.array_equal(ours[name], values, equal_nan=True) for name, values in zip(names, theirs, strict=True))
