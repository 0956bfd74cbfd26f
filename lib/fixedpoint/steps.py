"""The steps of an integer program, and one method for each kind of step that a quantized operator becomes."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from onnx import NodeProto
from onnx.helper import tensor_dtype_to_np_dtype

from lib.fixedpoint.errors import UnsupportedModelError
from lib.fixedpoint.operators import tables
from lib.fixedpoint.operators.linear import Linear
from lib.fixedpoint.operators.movement import MOVEMENTS, movement, pad
from lib.fixedpoint.operators.pools import GlobalAveragePool, average_pool, float_global_average_pool, max_pool
from lib.fixedpoint.parameters import EIGHT_BITS, constant, constants, same_type, window
from lib.fixedpoint.requantize import Quantization, dequantize, quantize
from lib.graph import Graph, attributes

PAIRS = {"Add": tables.add, "QLinearAdd": tables.add, "Mul": tables.multiply, "QLinearMul": tables.multiply}


@dataclass(frozen=True)
class Step:
    """One operation of an integer program: `output` = run(*inputs); `node` is the float model's node.

    >>> from lib.examples import inputs, quantized_model
    >>> from lib.fixedpoint import IntegerModel
    >>> step = IntegerModel.from_onnx(quantized_model()).steps[0]
    >>> step.inputs, step.output, step.dtype
    (('input',), 'input_quantized', dtype('uint8'))
    >>> step.run(inputs(1)).shape
    (1, 1, 8, 8)
    """

    node: str
    run: Callable[..., np.ndarray]
    inputs: tuple[str, ...]
    output: str
    dtype: np.dtype


class Steps(list[Step]):
    """A program in the making. Its methods append what a node computes from integer tensors, and return its name.

    >>> from lib.examples import quantized_model
    >>> from lib.graph import load
    >>> graph = load(quantized_model())
    >>> steps = Steps(graph)
    >>> steps.quantize(graph.nodes[0], "input", Quantization(np.float32(0.02), np.uint8(127)), "q")
    'q'
    >>> steps.dtypes, steps[0].run(np.float32([[-9, 0, 0.1]])).tolist()
    ({'input': dtype('float32'), 'q': dtype('uint8')}, [[0, 127, 132]])
    """

    def __init__(self, graph: Graph):
        self.graph = graph
        types = {value.name: value.type.tensor_type.elem_type for value in graph.model.graph.input}
        # Types of the tensors that a step may read: the graph's inputs and what earlier steps made.
        self.dtypes = {name: tensor_dtype_to_np_dtype(types[name]) for name in graph.inputs}

    def add(self, node: NodeProto, run: Callable, *inputs: str, output: str, dtype: np.dtype) -> str:
        """Any step; inputs that are constants become part of it."""
        stored = {name: self.graph.initializers[name] for name in inputs if self.is_constant(name)}
        for name in inputs:
            if name not in stored and name not in self.dtypes:
                raise UnsupportedModelError.at(node, f"input {name!r} is not made by an operator of this engine")
        if stored:
            run = _with_constants(run, [stored.get(name) for name in inputs])
        # onnxruntime's quantizer calls the QOperator made from node conv1 conv1_quant.
        name = (node.name or node.output[0]).removesuffix("_quant")
        variables = tuple(name for name in inputs if name not in stored)
        self.append(Step(name, run, variables, output, np.dtype(dtype)))
        self.dtypes[output] = np.dtype(dtype)
        return output

    def is_constant(self, name: str) -> bool:
        """Whether the tensor is stored in the model, as 8-bit integers."""
        return name in self.graph.initializers and self.graph.initializers[name].dtype in EIGHT_BITS

    def dtype(self, name: str) -> np.dtype | None:
        """Type of a tensor that is known or stored."""
        stored = self.graph.initializers.get(name)
        return self.dtypes.get(name) if stored is None else stored.dtype

    def is_integer(self, name: str) -> bool:
        """Whether the tensor is an 8-bit one of this program."""
        return self.dtypes.get(name) in EIGHT_BITS

    def quantize(self, node: NodeProto, x: str, y: Quantization, output: str) -> str:
        """QuantizeLinear of a float input of the graph."""
        if self.dtypes.get(x) != np.float32:
            raise UnsupportedModelError.at(node, f"input {x!r} is not a float32 input of the model; store it quantized")
        return self.add(node, partial(quantize, quantization=y), x, output=output, dtype=y.dtype)

    def dequantize(self, name: str, x: str, meaning: Quantization) -> str:
        """The float output `name` of the graph."""
        if not self.is_integer(x):
            raise UnsupportedModelError(f"output {name!r}: {x!r} is not made by an operator of this engine")
        self.append(Step(name, partial(dequantize, quantization=meaning), (x,), name, np.dtype(np.float32)))
        return name

    def layer(self, node: NodeProto, x: str, run: Linear, output: str) -> str:
        """Conv, Gemm or MatMul."""
        return self.add(node, run, x, output=output, dtype=run.y.dtype)

    def table(self, node: NodeProto, x: str, levels: np.ndarray, y: Quantization, output: str) -> str:
        """A function of one tensor: `levels`, float32 [256], are its values, quantized here."""
        if np.isnan(levels).any():
            raise UnsupportedModelError.at(node, "its result is not a number for some inputs")
        return self.add(node, partial(tables.apply, quantize(levels, y)), x, output=output, dtype=y.dtype)

    def pair(self, node: NodeProto, inputs: list[tuple[str, Quantization]], y: Quantization, output: str) -> str:
        """Add or Mul of two tensors, either of which may be a constant or broadcast."""
        names, meanings = zip(*inputs, strict=True)
        same_type(node, *meanings, y)
        return self.add(node, PAIRS[node.op_type](*meanings, y), *names, output=output, dtype=y.dtype)

    def concat(self, node: NodeProto, inputs: list[tuple[str, Quantization]], y: Quantization, output: str) -> str:
        """Concat of tensors, each brought to the output's scale by a table."""
        names, meanings = zip(*inputs, strict=True)
        same_type(node, *meanings, y)
        run = tables.concat(meanings, y, attributes(node)["axis"])
        return self.add(node, run, *names, output=output, dtype=y.dtype)

    def pool(self, node: NodeProto, x: str, a: Quantization, y: Quantization, output: str) -> str:
        """AveragePool or GlobalAveragePool."""
        given = attributes(node)
        same_type(node, a, y)
        if given.get("channels_last", 0):
            raise UnsupportedModelError.at(node, "channels_last; export it channels first")
        if node.op_type.endswith("GlobalAveragePool"):
            return self.add(node, GlobalAveragePool(a, y), x, output=output, dtype=y.dtype)
        include = bool(given.get("count_include_pad", 0))
        run = partial(average_pool, window=window(node, given["kernel_shape"]), a=a, y=y, include_pad=include)
        return self.add(node, run, x, output=output, dtype=y.dtype)

    def float_pool(self, node: NodeProto, x: str, levels: np.ndarray, y: Quantization, output: str) -> str:
        """GlobalAveragePool that onnxruntime leaves in float32, of a function of one tensor."""
        run = partial(float_global_average_pool, levels=levels, y=y)
        return self.add(node, run, x, output=output, dtype=y.dtype)

    def move(self, node: NodeProto, x: str, output: str, index: int = 0) -> str:
        """Operators that choose, move or clip integers; `index` : which of the node's outputs, of Split."""
        if node.op_type == "MaxPool":
            given = attributes(node)
            if given.get("storage_order", 0) or len(node.output) > 1:
                raise UnsupportedModelError.at(node, "storage_order and a second output are not supported")
            run = partial(max_pool, window=window(node, given["kernel_shape"]))
        elif node.op_type == "Pad":
            fill = constant(self.graph, node, 2)
            return self.pad(node, x, 0 if fill is None else fill.item(), output)
        elif node.op_type == "Clip":
            low, high = (constant(self.graph, node, bound) for bound in (1, 2))
            run = partial(np.clip, a_min=low, a_max=high)
        elif node.op_type in MOVEMENTS:
            run = movement(node, constants(self.graph, node), index)
        else:
            raise UnsupportedModelError.at(node, "this engine does not know the operator")
        return self.add(node, run, x, output=output, dtype=self.dtypes[x])

    def pad(self, node: NodeProto, x: str, fill: int, output: str) -> str:
        """Pad with the integer `fill`."""
        pads, axes = (constant(self.graph, node, index) for index in (1, 3))
        return self.add(node, pad(node, pads, axes, fill), x, output=output, dtype=self.dtypes[x])


def _with_constants(run: Callable, operands: list[np.ndarray | None]) -> Callable:
    """`run` of all operands as a function of those that are None."""

    def bound(*given: np.ndarray) -> np.ndarray:
        variables = iter(given)
        return run(*(next(variables) if operand is None else operand for operand in operands))

    return bound
