"""Operators that only move values: on integers they do what they do on floats."""

from collections.abc import Callable
from math import prod

import numpy as np
from onnx import NodeProto

from lib.graph import attributes

Move = Callable[[np.ndarray], np.ndarray]


def movement(node: NodeProto, constants: list[np.ndarray | None]) -> Move:
    """The node as a function of its first input; `constants` are its further inputs.

    Source: ONNX operator specification, Flatten, Reshape, Transpose, Squeeze, Unsqueeze, Identity.
    """
    given = attributes(node)
    axes = constants[0] if constants else given.get("axes")
    match node.op_type:
        case "Flatten":
            axis = given.get("axis", 1)
            return lambda x: x.reshape(prod(x.shape[:axis]), prod(x.shape[axis:]))
        case "Reshape":
            keep_zero = given.get("allowzero", 0)
            return lambda x: x.reshape(
                [x.shape[i] if size == 0 and not keep_zero else size for i, size in enumerate(axes.tolist())]
            )
        case "Transpose":
            return lambda x: x.transpose(given.get("perm"))
        case "Squeeze":
            return lambda x: x.squeeze(None if axes is None else tuple(map(int, axes)))
        case "Unsqueeze":
            return lambda x: np.expand_dims(x, tuple(map(int, axes)))
    return lambda x: x


MOVEMENTS = {"Flatten", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Identity"}
