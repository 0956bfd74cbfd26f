"""Operators that only move values: on integers they do what they do on floats."""

from collections.abc import Callable
from math import prod

import numpy as np
from onnx import NodeProto

from lib.fixedpoint.errors import UnsupportedModelError
from lib.graph import attributes

Move = Callable[[np.ndarray], np.ndarray]
MOVEMENTS = {"Flatten", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Split", "Identity"}


def movement(node: NodeProto, constants: list[np.ndarray | None], index: int = 0) -> Move:
    """The node's output `index` as a function of its first input; `constants` are its further inputs.

    Source: ONNX operator specification, Flatten, Reshape, Transpose, Squeeze, Unsqueeze, Slice, Split, Identity.

    >>> from onnx.helper import make_node
    >>> x = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    >>> movement(make_node("Flatten", ["x"], ["y"]), [])(x).shape
    (2, 12)
    >>> movement(make_node("Slice", ["x", "starts", "ends", "axes"], ["y"]), [[-1], [99], [2]])(x)[0].tolist()
    [[3], [7], [11]]
    >>> movement(make_node("Split", ["x"], ["a", "b"], axis=2), [], index=1)(x).shape
    (2, 3, 2)
    """
    given = attributes(node)
    axes = constants[0] if constants else given.get("axes")
    axes = None if axes is None else tuple(map(int, axes))
    match node.op_type:
        case "Flatten":
            axis = given.get("axis", 1)
            return lambda x: x.reshape(prod(x.shape[:axis]), prod(x.shape[axis:]))
        case "Reshape":
            keep_zero = given.get("allowzero", 0)
            return lambda x: x.reshape(
                [x.shape[i] if size == 0 and not keep_zero else size for i, size in enumerate(axes)]
            )
        case "Transpose":
            return lambda x: x.transpose(given.get("perm"))
        case "Squeeze":
            return lambda x: x.squeeze(axes)
        case "Unsqueeze":
            return lambda x: np.expand_dims(x, axes)
        case "Slice":
            return _slice(node, constants)
        case "Split":
            sizes = axes or given.get("split")
            return lambda x: _split(x, given.get("axis", 0), len(node.output), sizes)[index]
    return lambda x: x


def _slice(node: NodeProto, constants: list[np.ndarray | None]) -> Move:
    """Slice by constant starts, ends, axes and steps; Python's slices clamp as ONNX's do."""
    if len(constants) < 2:
        raise UnsupportedModelError.at(node, "before opset 10; convert the model to a newer opset")
    starts, ends, axes, steps = ([*map(int, c)] if c is not None else None for c in [*constants, None, None][:4])
    spans = [slice(*span) for span in zip(starts, ends, steps or [1] * len(starts), strict=True)]

    def move(x: np.ndarray) -> np.ndarray:
        where = [slice(None)] * x.ndim
        for axis, span in zip(axes or range(len(spans)), spans, strict=True):
            where[axis] = span
        return x[tuple(where)]

    return move


def _split(x: np.ndarray, axis: int, parts: int, sizes: tuple[int, ...] | None) -> list[np.ndarray]:
    """x cut along an axis into parts of `sizes`, or of one size, the last one being smaller where that does not fit."""
    sizes = sizes or (-(-x.shape[axis] // parts),) * parts
    return np.split(x, np.cumsum(sizes)[:-1], axis)


def pad(node: NodeProto, pads: np.ndarray | None, axes: np.ndarray | None, fill: int) -> Move:
    """Pad with a constant or with the values at the edge.

    pads : all begins, then all ends, of the axes or of all axes; fill : the integer that stands for the constant

    >>> from onnx.helper import make_node
    >>> pad(make_node("Pad", ["x"], ["y"]), np.array([0, 1, 0, 2]), None, fill=128)(np.uint8([[7, 8]])).tolist()
    [[128, 7, 8, 128, 128]]
    """
    mode = attributes(node).get("mode", "constant")
    if mode not in ("constant", "edge") or pads is None:
        raise UnsupportedModelError.at(node, f"mode {mode!r}; use constant or edge, of opset 11 or later")
    if min(pads) < 0 or max(pads) > MOST_PADDING:
        raise UnsupportedModelError.at(node, f"pads {pads.tolist()}; only 0 … {MOST_PADDING} are supported")
    begins, ends = np.split(pads, 2)
    filled = {"constant_values": fill} if mode == "constant" else {}

    def move(x: np.ndarray) -> np.ndarray:
        widths = [(0, 0)] * x.ndim
        for axis, begin, end in zip(range(len(begins)) if axes is None else axes, begins, ends, strict=True):
            widths[axis] = (int(begin), int(end))
        return np.pad(x, widths, mode, **filled)

    return move


MOST_PADDING = 4096  # on one side; more is a damaged model, and might not fit into memory
