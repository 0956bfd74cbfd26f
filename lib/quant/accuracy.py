"""How accurate a quantized network is, alone and beside float32 on the same samples, as columns of a table."""

from collections.abc import Callable

import numpy as np
from onnx import ModelProto

from lib.interval import wilson
from lib.paired import mcnemar

# Which test samples a quantized model classifies correctly, bool [N].
Right = Callable[[ModelProto], np.ndarray]


def measured(right: np.ndarray) -> dict[str, float]:
    """Share of samples classified correctly, with its 95 % interval.

    right : whether each sample is, bool [N]

    >>> measured(np.array([True, True, False, True]))["accuracy"]
    0.75
    """
    low, high = wilson(int(right.sum()), len(right))
    return {"samples": len(right), "accuracy": float(right.mean()), "ci_low": low, "ci_high": high}


def points_lost(before: np.ndarray, after: np.ndarray) -> float:
    """Accuracy before minus accuracy after, in points; both bool [N].

    >>> points_lost(np.array([True, True]), np.array([True, False]))
    50.0
    """
    return 100 * (int(before.sum()) - int(after.sum())) / len(before)


def beside_float32(right: np.ndarray, float32_right: np.ndarray) -> dict[str, float]:
    """`measured`, what float32 has, and the samples on which one of the two alone is right; p-value of McNemar's test.

    right, float32_right : bool [N], of the same samples in the same order

    >>> found = beside_float32(np.array([True, False, False, True]), float32_right=np.array([True, True, True, False]))
    >>> found["loss_points"], found["only_float32_right"], found["only_this_right"]
    (25.0, 2, 1)
    """
    only_float32, only_this, p_value = mcnemar(float32_right, right)
    return measured(right) | {
        "float32_accuracy": float(float32_right.mean()),
        "loss_points": points_lost(float32_right, right),
        "only_float32_right": only_float32,
        "only_this_right": only_this,
        "p_value": p_value,
    }
