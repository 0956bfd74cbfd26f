"""Elementwise float32 functions, evaluated once per 8-bit value when a program is made."""

from functools import reduce

import numpy as np
from onnx import NodeProto

from lib.fixedpoint.operators.tables import fused
from lib.graph import attributes


def elementwise(node: NodeProto, constants: list[np.ndarray | None], x: np.ndarray) -> np.ndarray:
    """float32 result of the node at the values x; `constants` are its further inputs, None where absent.

    Source: ONNX operator specification; the order of float32 operations is onnxruntime's.

    >>> from onnx.helper import make_node
    >>> x = np.float32([-4, -1, 0, 1, 4])
    >>> elementwise(make_node("Clip", ["x", "low", "high"], ["y"]), [np.float32(0), np.float32(2)], x).tolist()
    [0.0, 0.0, 0.0, 1.0, 2.0]
    >>> elementwise(make_node("HardSwish", ["x"], ["y"]), [], x).astype(float).round(3).tolist()
    [-0.0, -0.333, 0.0, 0.667, 4.0]
    """
    given = attributes(node)
    match node.op_type.removeprefix("QLinear"):
        case "Relu":
            return np.maximum(x, np.float32(0))
        case "Clip":  # bounds were attributes before opset 11
            low, high = [*constants, None, None][:2] if constants else (given.get("min"), given.get("max"))
            x = x if low is None else np.maximum(x, np.float32(low))
            return x if high is None else np.minimum(x, np.float32(high))
        case "LeakyRelu":
            return np.where(x >= 0, x, x * np.float32(given.get("alpha", 0.01)))
        case "HardSigmoid":
            return _hard_sigmoid(x, given.get("alpha", 0.2), given.get("beta", 0.5))
        case "HardSwish":
            return x * _hard_sigmoid(x, 1 / 6, 0.5)
        case "Sigmoid":
            return np.maximum(_ratio(np.clip(x, -18, 18), *SIGMOID) + np.float32(0.5), np.float32(0))
        case "Tanh":
            return _ratio(np.clip(x, -9, 9), *TANH)
        case "Abs":
            return np.abs(x)
        case "Neg":
            return -x
    raise NotImplementedError(node.op_type)


# Operators of two operands, one of which may be a number.
ARITHMETIC = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide}
FUNCTIONS = {"Relu", "Clip", "LeakyRelu", "HardSigmoid", "HardSwish", "Sigmoid", "Tanh", "Abs", "Neg"}

# Coefficients of x · P(x²) / Q(x²), highest power first. Source: onnxruntime, core/mlas/lib/{logistic,tanh}.cpp.
SIGMOID = (
    (4.37031012579801e-11, 1.15627324459942e-07, 6.08574864600143e-05, 8.51377133304701e-03, 2.48287947061529e-01),
    (
        *(6.10247389755681e-13, 5.76102136993427e-09, 6.29106785017040e-06),
        *(1.70198817374094e-03, 1.16817656904453e-01, 9.93151921023180e-01),
    ),
)
TANH = (
    (
        *(-2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-08),
        *(1.48572235717979e-05, 6.37261928875436e-04, 4.89352455891786e-03),
    ),
    (1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03),
)


def _ratio(x: np.ndarray, numerator: tuple[float, ...], denominator: tuple[float, ...]) -> np.ndarray:
    """x · P(x²) / Q(x²) by Horner's rule with fused multiply-adds, as MLAS approximates Sigmoid and Tanh."""
    square = x * x
    p, q = (
        reduce(lambda total, coefficient: fused(square, total, coefficient), np.float32(coefficients))
        for coefficients in (numerator, denominator)
    )
    return x * p / q


def _hard_sigmoid(x: np.ndarray, alpha: float, beta: float) -> np.ndarray:
    return np.clip(np.float32(alpha) * x + np.float32(beta), np.float32(0), np.float32(1))
