"""From a quantized ONNX graph, QDQ or QOperator, to a list of integer steps.

Quantized operators become steps as they are met. Float operators wait for the QuantizeLinear behind them: what it
quantizes is followed back to the DequantizeLinear in front, and the group becomes one step, computed as ONNX Runtime
computes the operator it fuses the group into.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from onnx import NodeProto
from onnx.helper import tensor_dtype_to_np_dtype

from lib.fixedpoint.errors import UnsupportedModelError
from lib.fixedpoint.operators.elementwise import FUNCTIONS, elementwise
from lib.fixedpoint.operators.linear import Linear
from lib.fixedpoint.operators.movement import MOVEMENTS, movement
from lib.fixedpoint.operators.pools import float_global_average_pool, global_average_pool, max_pool
from lib.fixedpoint.operators.tables import add_table, apply, apply_pair, every, multiply_table
from lib.fixedpoint.parameters import EIGHT_BITS, constant, constants, dequantized_constant, quantization, same_type
from lib.fixedpoint.requantize import Quantization, dequantize, multiplier, quantize
from lib.fixedpoint.window import Window
from lib.graph import Graph, attributes

# onnxruntime fuses these with the DequantizeLinear and QuantizeLinear around them.
FUSED = {"Conv", "Gemm", "MatMul", "Add", "Mul", "Concat", "GlobalAveragePool"}
PAIRS = {"Add": add_table, "QLinearAdd": add_table, "Mul": multiply_table, "QLinearMul": multiply_table}


@dataclass(frozen=True)
class Step:
    """One operation of an integer program: `output` = run(*inputs); `node` is the float model's node."""

    node: str
    run: Callable[..., np.ndarray]
    inputs: tuple[str, ...]
    output: str
    dtype: np.dtype


def lower(graph: Graph) -> list[Step]:
    """The steps, in order, that compute the graph's outputs; raises UnsupportedModelError where that is impossible."""
    lowering = _Lowering(graph)
    for node in graph.nodes:
        lowering.visit(node)
    for name in graph.outputs:
        lowering.output(name)
    return lowering.steps


class _Lowering:
    def __init__(self, graph: Graph):
        self.graph = graph
        self.steps: list[Step] = []
        types = {value.name: value.type.tensor_type.elem_type for value in graph.model.graph.input}
        types = {name: tensor_dtype_to_np_dtype(types[name]) for name in graph.inputs}
        # Types of the integer tensors made so far.
        self.dtypes = {name: dtype for name, dtype in types.items() if dtype in EIGHT_BITS}

    # Nodes that make integers

    def visit(self, node: NodeProto) -> None:
        """Lower the node if it makes integers; a float node waits for the QuantizeLinear behind it."""
        x = node.input[0] if node.input else ""
        match node.op_type:
            case "QuantizeLinear":
                self.quantize(x, self.quantization(node, 1), node.output[0])
            case "QLinearConv":
                self.linear(node, x, 1, 3, 6, bias=constant(self.graph, node, 8))
            case "QGemm":
                self.linear(node, x, 1, 3, 7, bias=constant(self.graph, node, 6))
            case "QLinearMatMul":
                self.linear(node, x, 1, 3, 6)
            case "QLinearGlobalAveragePool":
                if attributes(node).get("channels_last", 0):
                    raise UnsupportedModelError.at(node, "channels_last; export it channels first")
                self.average(node, x, self.quantization(node, 1), self.quantization(node, 3), node.output[0])
            case "QLinearAdd" | "QLinearMul":
                inputs = [(node.input[i], self.quantization(node, i + 1)) for i in (0, 3)]
                self.pair(node, inputs, self.quantization(node, 6), node.output[0])
            case "QLinearConcat":
                inputs = [(node.input[i], self.quantization(node, i + 1)) for i in range(2, len(node.input), 3)]
                self.concat(node, inputs, self.quantization(node, 0), node.output[0])
            case _ if x in self.dtypes and node.op_type != "DequantizeLinear":
                self.move(node, x, node.output[0])

    def output(self, name: str) -> None:
        """Make sure that a graph output is computed: integers are, floats are dequantized at the very end."""
        if name not in self.dtypes:
            tensor, meaning = self.integers(name)
            self.add(name, partial(dequantize, quantization=meaning), tensor, output=name, dtype=np.float32)

    def add(self, node: NodeProto | str, run: Callable, *inputs: str, output: str, dtype: np.dtype) -> str:
        """Append a step and return its output's name."""
        for name in inputs:
            if name not in self.dtypes and name not in self.graph.inputs:
                raise UnsupportedModelError.at(node, f"input {name!r} is not made by an operator of this engine")
        name = node if isinstance(node, str) else node.name or node.output[0]
        # onnxruntime's quantizer calls the QOperator made from node conv1 conv1_quant.
        self.steps.append(Step(name.removesuffix("_quant"), run, inputs, output, np.dtype(dtype)))
        self.dtypes[output] = np.dtype(dtype)
        return output

    # Float tensors, read backwards from where they are quantized

    def quantize(self, name: str, y: Quantization, output: str | None = None) -> str:
        """The integer tensor that quantizing the float tensor `name` gives, called `output`."""
        output = output or f"{name} quantized"
        node = self.graph.producer.get(name)
        if node is None:
            if name not in self.graph.inputs:
                raise UnsupportedModelError(f"QuantizeLinear of the constant {name!r}: store it quantized")
            return self.add(f"{name} quantized", partial(quantize, quantization=y), name, output=output, dtype=y.dtype)
        readers = self.graph.consumers[name]
        if node.op_type in FUSED and (len(readers) > 1 or name in self.graph.outputs):
            raise UnsupportedModelError.at(node, "its float result has other readers; quantize it for all of them")
        match node.op_type:
            case "Conv" | "Gemm" | "MatMul":
                return self.linear_group(node, y, output)
            case "Add" | "Mul":
                return self.pair(node, [self.integers(i) for i in node.input], y, output)
            case "Concat":
                return self.concat(node, [self.integers(i) for i in node.input], y, output)
            case "GlobalAveragePool" if self.is_integers(node.input[0]):
                return self.average(node, *self.integers(node.input[0]), y, output)
            case "GlobalAveragePool":
                tensor, levels = self.levels(node.input[0])
                run = partial(float_global_average_pool, levels=levels, y=y)
                return self.add(node, run, tensor, output=output, dtype=y.dtype)
        if node.op_type == "MaxPool" or node.op_type in MOVEMENTS:
            # Quantizing is monotone and works value by value: it may come first.
            return self.move(node, self.quantize(node.input[0], y), output)
        tensor, levels = self.levels(name)
        return self.add(node, partial(apply, quantize(levels, y)), tensor, output=output, dtype=y.dtype)

    def is_integers(self, name: str) -> bool:
        """Whether the float tensor is a dequantized one, perhaps moved."""
        node = self.graph.producer.get(name)
        while node is not None and node.op_type in MOVEMENTS:
            node = self.graph.producer.get(node.input[0])
        return node is not None and node.op_type == "DequantizeLinear"

    def integers(self, name: str) -> tuple[str, Quantization]:
        """The integer tensor behind a float tensor that is dequantized and perhaps moved, and its quantization."""
        node = self.graph.producer.get(name)
        if node is None:
            raise UnsupportedModelError(f"float tensor {name!r} is used without QuantizeLinear; quantize it")
        if node.op_type == "DequantizeLinear":
            return node.input[0], self.quantization(node, 1)
        if node.op_type != "MaxPool" and node.op_type not in MOVEMENTS:
            raise UnsupportedModelError.at(node, "runs in float32 here; quantize it, or end the model before it")
        tensor, meaning = self.integers(node.input[0])
        return self.move(node, tensor, f"{name} integers"), meaning

    def levels(self, name: str) -> tuple[str, np.ndarray]:
        """An integer tensor and the float32 values [256] of `name` that its values stand for."""
        node = self.graph.producer.get(name)
        if node is not None and node.op_type in FUNCTIONS:
            tensor, levels = self.levels(node.input[0])
            return tensor, elementwise(node, constants(self.graph, node), levels)
        if node is not None and node.op_type in MOVEMENTS and not self.is_integers(name):
            tensor, levels = self.levels(node.input[0])
            return self.move(node, tensor, f"{name} integers"), levels
        tensor, meaning = self.integers(name)
        return tensor, dequantize(every(meaning.dtype), meaning)

    # Steps

    def move(self, node: NodeProto, tensor: str, output: str) -> str:
        """MaxPool and operators that only move values."""
        given = attributes(node)
        if node.op_type == "MaxPool":
            if given.get("ceil_mode", 0) or given.get("storage_order", 0) or len(node.output) > 1:
                raise UnsupportedModelError.at(node, "ceil_mode, storage_order and a second output are not supported")
            run = partial(max_pool, window=Window(tuple(given["kernel_shape"]), given))
        elif node.op_type in MOVEMENTS:
            run = movement(node, constants(self.graph, node))
        else:
            raise UnsupportedModelError.at(node, "this engine does not know the operator")
        return self.add(node, run, tensor, output=output, dtype=self.dtypes.get(tensor))

    def average(self, node: NodeProto, x: str, a: Quantization, y: Quantization, output: str) -> str:
        """Global average pool of one quantized tensor."""
        return self.add(node, partial(global_average_pool, a=a, y=y), x, output=output, dtype=y.dtype)

    def pair(self, node: NodeProto, inputs: list[tuple[str, Quantization]], y: Quantization, output: str) -> str:
        """Add or Mul of two quantized tensors of one shape."""
        (a, a_quantization), (b, b_quantization) = inputs
        same_type(node, a_quantization, b_quantization, y)
        table = PAIRS[node.op_type](a_quantization, b_quantization, y)
        return self.add(node, partial(apply_pair, table), a, b, output=output, dtype=y.dtype)

    def concat(self, node: NodeProto, inputs: list[tuple[str, Quantization]], y: Quantization, output: str) -> str:
        """Concat of quantized tensors, each brought to the output's scale by a table."""
        same_type(node, *(quantization for _, quantization in inputs), y)
        tables = [quantize(dequantize(every(x.dtype), x), y) for _, x in inputs]
        axis = attributes(node)["axis"]

        def run(*parts: np.ndarray) -> np.ndarray:
            return np.concatenate([apply(table, part) for table, part in zip(tables, parts, strict=True)], axis)

        return self.add(node, run, *(name for name, _ in inputs), output=output, dtype=y.dtype)

    def linear(self, node: NodeProto, x: str, scales: int, weight: int, y: int, bias: np.ndarray | None = None) -> str:
        """QLinearConv, QGemm, QLinearMatMul; the integers say where its inputs' quantizations and weight stand."""
        weights = constant(self.graph, node, weight)
        quantization = self.quantization(node, weight + 1, per_filter=True)
        y_quantization = self.quantization(node, y)
        return self.products(node, x, self.quantization(node, scales), weights, quantization, bias, y_quantization)

    def linear_group(self, node: NodeProto, y: Quantization, output: str) -> str:
        """Conv, Gemm or MatMul between DequantizeLinear and QuantizeLinear."""
        x, x_quantization = self.integers(node.input[0])
        same_type(node, x_quantization, y)
        weights, quantization, axis = dequantized_constant(self.graph, node, 1)
        filters = 0 if node.op_type == "Conv" or attributes(node).get("transB", 0) else weights.ndim - 1
        if quantization.scale.size > 1 and axis % weights.ndim != filters:
            raise UnsupportedModelError.at(node, f"weights quantized along axis {axis}; quantize them per filter")
        bias = None
        if len(node.input) > 2 and node.input[2]:
            bias, bias_quantization, _ = dequantized_constant(self.graph, node, 2)
            if np.any(bias_quantization.zero_point):
                raise UnsupportedModelError.at(node, "the bias has a zero point")
        return self.products(node, x, x_quantization, weights, quantization, bias, y, output)

    def products(
        self,
        node: NodeProto,
        x: str,
        x_quantization: Quantization,
        weights: np.ndarray | None,
        quantization: Quantization,
        bias: np.ndarray | None,
        y: Quantization,
        output: str | None = None,
    ) -> str:
        """The step of one layer that multiplies by constant weights."""
        given = attributes(node)
        if weights is None or weights.dtype not in EIGHT_BITS or (weights.ndim != 2 and "Conv" not in node.op_type):
            raise UnsupportedModelError.at(node, "its weights are not a constant 8-bit tensor")
        if given.get("transA", 0) or given.get("alpha", 1.0) != 1.0 or given.get("beta", 1.0) != 1.0:
            raise UnsupportedModelError.at(node, "transA, alpha and beta other than 0, 1, 1 are not supported")
        if weights.ndim > 4:
            raise UnsupportedModelError.at(node, "convolutions have one or two spatial axes here")
        # [filters, …]: Conv stores them so, Gemm and MatMul the other way round.
        if "Conv" not in node.op_type and not given.get("transB", 0):
            weights = weights.T
        per_filter = (-1,) + (1,) * (weights.ndim - 1)
        filters = len(weights)
        weights = weights.astype(np.int32) - quantization.zero_point.astype(np.int32).reshape(per_filter)
        if bias is not None and (bias.dtype != np.int32 or bias.size != filters):
            raise UnsupportedModelError.at(node, f"its bias is not int32 [{filters}]")
        run = Linear(
            weight=weights,
            bias=np.zeros(filters, np.int32) if bias is None else bias.reshape(filters),
            x_zero_point=x_quantization.zero_point,
            multiplier=multiplier(x_quantization.scale, quantization.scale, y.scale),
            y=y,
            window=Window(weights.shape[2:], given) if "Conv" in node.op_type else None,
            groups=given.get("group", 1),
        )
        return self.add(node, run, x, output=output or node.output[0], dtype=y.dtype)

    def quantization(self, node: NodeProto, index: int, per_filter: bool = False) -> Quantization:
        """Scale and zero point, the inputs `index` and `index` + 1; an input that they describe comes before them."""
        return quantization(self.graph, node, index, self.dtypes.get(node.input[index - 1]), per_filter)
