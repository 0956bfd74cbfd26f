"""Elementwise float32 functions, evaluated once per 8-bit value when a program is made."""

import numpy as np
from onnx import NodeProto

from lib.graph import attributes


def elementwise(node: NodeProto, constants: list[np.ndarray | None], x: np.ndarray) -> np.ndarray:
    """float32 result of the node at the values x; `constants` are its further inputs, None where absent.

    Source: ONNX operator specification; the order of float32 operations is onnxruntime's.
    """
    given = attributes(node)
    match node.op_type:
        case "Relu":
            return np.maximum(x, np.float32(0))
        case "Clip":
            low, high = [*constants, None, None][:2]
            x = x if low is None else np.maximum(x, np.float32(low))
            return x if high is None else np.minimum(x, np.float32(high))
        case "LeakyRelu":
            return np.where(x >= 0, x, x * np.float32(given.get("alpha", 0.01)))
        case "HardSigmoid":
            return _hard_sigmoid(x, given.get("alpha", 0.2), given.get("beta", 0.5))
        case "HardSwish":
            return x * _hard_sigmoid(x, 1 / 6, 0.5)
    raise NotImplementedError(node.op_type)


def _hard_sigmoid(x: np.ndarray, alpha: float, beta: float) -> np.ndarray:
    return np.clip(np.float32(alpha) * x + np.float32(beta), np.float32(0), np.float32(1))


FUNCTIONS = {"Relu", "Clip", "LeakyRelu", "HardSigmoid", "HardSwish"}
