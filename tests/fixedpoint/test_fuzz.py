"""Damaged models never crash the engine: it refuses them in one line, or computes what onnxruntime computes."""

import tracemalloc

import numpy as np
import onnx
import pytest
from onnx import helper

from lib.errors import InputError
from lib.fixedpoint import IntegerModel

MUTATIONS = 250
MOST_BYTES = 1 << 28  # allocated at a time by one damaged model
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


def damaged(data: bytes, seed: int) -> bytes:
    """Every fourth copy is cut short; in the others one to three bits are flipped."""
    rng = np.random.default_rng(seed)
    if seed % 4 == 0:
        return data[: rng.integers(len(data))]
    data = np.frombuffer(data, np.uint8).copy()
    for _ in range(rng.integers(1, 4)):
        data[rng.integers(len(data))] ^= np.uint8(1 << rng.integers(8))
    return data.tobytes()


@pytest.mark.parametrize("kind", MODELS)
def test_damaged_models_are_refused_or_equal_onnxruntime(kind, model_of, runtime):
    nodes, tensors = MODELS[kind]
    model, path = model_of(nodes, {"x": X}, tensors, np.float32, rank=2)
    np.testing.assert_array_equal(IntegerModel.from_onnx(path).run({"x": X})["y"], runtime(model)({"x": X})["y"])
    data, outcomes = model.SerializeToString(), {"refused": 0, "equal": 0, "not run by onnxruntime": 0}
    tracemalloc.start()
    try:
        for seed in range(MUTATIONS):
            path.write_bytes(damaged(data, seed))
            outcomes[outcome(path, runtime, seed)] += 1
            assert tracemalloc.get_traced_memory()[1] < MOST_BYTES, f"seed {seed}"
    finally:
        tracemalloc.stop()
    assert outcomes["refused"] > 50 and outcomes["equal"] > 20


def outcome(path, runtime, seed: int) -> str:
    try:
        with np.errstate(all="ignore"):
            integers = IntegerModel.from_onnx(path).run({"x": X})
    except InputError as error:
        assert "\n" not in str(error), f"seed {seed}: {error}"
        return "refused"
    try:
        theirs = runtime(onnx.load(path))({"x": X})
    except Exception:
        return "not run by onnxruntime"
    for name, values in theirs.items():
        np.testing.assert_array_equal(integers[name], values, err_msg=f"seed {seed}")
    return "equal"
