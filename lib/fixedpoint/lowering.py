"""From a quantized ONNX graph, QDQ or QOperator, to a list of integer steps.

Quantized operators become steps as they are met. Float operators wait for the QuantizeLinear behind them: what it
quantizes is followed back to the DequantizeLinear in front, and the group becomes one step, computed as ONNX Runtime
computes the operator it fuses the group into.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from onnx import NodeProto, TensorProto

from lib.errors import InputError
from lib.fixedpoint.errors import UnsupportedModelError
from lib.fixedpoint.layers import RESULT, dequantized_layer, quantized_layer
from lib.fixedpoint.operators.elementwise import ARITHMETIC, FUNCTIONS, elementwise
from lib.fixedpoint.operators.movement import MOVEMENTS
from lib.fixedpoint.operators.tables import every
from lib.fixedpoint.parameters import constant, constants, dequantized_constant, quantization, same_type
from lib.fixedpoint.requantize import Quantization, dequantize, quantize
from lib.fixedpoint.steps import Step, Steps
from lib.graph import Graph

# onnxruntime fuses these with the DequantizeLinear and QuantizeLinear around them.
FUSED = {"Conv", "Gemm", "MatMul", "Add", "Mul", "Concat", "AveragePool", "GlobalAveragePool"}
# Of its own domain, com.microsoft.
CONTRIBUTED = {
    *("QuantizeLinear", "DequantizeLinear", "QGemm", "QLinearAdd", "QLinearMul", "QLinearConcat", "QLinearSigmoid"),
    *("QLinearLeakyRelu", "QLinearAveragePool", "QLinearGlobalAveragePool"),
}
INPUT_TYPES = {TensorProto.FLOAT, TensorProto.INT8, TensorProto.UINT8}
STATIC = "it chooses its quantization at run time; quantize the model statically, with calibration data"
REFUSED = {
    **dict.fromkeys(["DynamicQuantizeLinear", "ConvInteger", "MatMulInteger", "DynamicQuantizeMatMul"], STATIC),
    **dict.fromkeys(["Softmax", "LogSoftmax", "QLinearSoftmax"], "exponentials are float32; end the model before it"),
    **dict.fromkeys(["If", "Loop", "Scan"], "control flow is not supported; export the model without it"),
}


def lower(graph: Graph) -> list[Step]:
    """The steps, in order, that compute the graph's outputs; raises UnsupportedModelError where that is impossible.

    >>> from lib.examples import quantized_model
    >>> from lib.graph import load
    >>> [step.output for step in lower(load(quantized_model()))]
    ['input_quantized', 'features_quantized', 'pooled_quantized', 'flat_quantized', 'logits_quantized', 'logits']
    """
    if graph.model.functions:
        raise UnsupportedModelError(f"{graph.path}: functions of the model's own are not supported; inline them")
    for value in graph.model.graph.input:
        if value.name in graph.initializers and graph.model.ir_version >= 4:
            raise UnsupportedModelError(f"{graph.path}: input {value.name!r} has a default; make it a constant")
        kind = value.type.tensor_type
        if kind.elem_type not in INPUT_TYPES or not kind.shape.dim:
            problem = "is not a tensor of float32, int8 or uint8 with a batch axis"
            raise UnsupportedModelError(f"{graph.path}: input {value.name!r} {problem}")
    lowering = _Lowering(graph)
    for node in graph.nodes:
        with _blaming(node):
            lowering.visit(node)
    for name in graph.outputs:
        with _blaming(graph.producer.get(name)):
            lowering.output(name)
    return list(lowering.steps)


@contextmanager
def _blaming(node: NodeProto | None) -> Iterator[None]:
    """Errors of all kinds as an error of the node: what a damaged model stores can be wrong in any way."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        raise UnsupportedModelError.at(node, f"its inputs or attributes are not valid ({reason})") from error


class _Lowering:
    def __init__(self, graph: Graph):
        self.graph = graph
        self.steps = Steps(graph)

    # Nodes that make integers

    def visit(self, node: NodeProto) -> None:
        """Lower the node if it makes integers; a float node waits for the QuantizeLinear behind it."""
        if node.op_type in REFUSED:
            raise UnsupportedModelError.at(node, REFUSED[node.op_type])
        contributed = node.domain == "com.microsoft" and node.op_type in CONTRIBUTED
        if node.domain not in ("", "ai.onnx") and not contributed:
            raise UnsupportedModelError.at(node, f"operators of the domain {node.domain!r} are not supported")
        x = node.input[0] if node.input else ""
        match node.op_type:
            case "QuantizeLinear":
                self.quantize(node, x, self.quantization(node, 1), node.output[0])
            case "QLinearConv" | "QGemm" | "QLinearMatMul":
                meanings = self.quantization(node, 1, x), self.quantization(node, RESULT[node.op_type])
                self.steps.layer(node, x, quantized_layer(self.graph, node, *meanings), node.output[0])
            case "QLinearAdd" | "QLinearMul":
                inputs = [(node.input[i], self.quantization(node, i + 1, node.input[i])) for i in (0, 3)]
                self.steps.pair(node, inputs, self.quantization(node, 6, x), node.output[0])
            case "QLinearConcat":
                inputs = [(node.input[i], self.quantization(node, i + 1)) for i in range(2, len(node.input), 3)]
                self.steps.concat(node, inputs, self.quantization(node, 0), node.output[0])
            case "QLinearAveragePool" | "QLinearGlobalAveragePool":
                self.steps.pool(node, x, self.quantization(node, 1, x), self.quantization(node, 3, x), node.output[0])
            case "QLinearSigmoid" | "QLinearLeakyRelu":
                meaning = self.quantization(node, 1, x)
                levels = elementwise(node, [], dequantize(every(meaning.dtype), meaning))
                self.steps.table(node, x, levels, self.quantization(node, 3, x), node.output[0])
            case _ if self.steps.is_integer(x) and node.op_type != "DequantizeLinear":
                for index, output in enumerate(node.output):
                    self.steps.move(node, x, output, index)

    def output(self, name: str) -> None:
        """Make sure that a graph output is computed: integers are, floats are dequantized at the very end."""
        if name not in self.steps.dtypes:
            self.steps.dequantize(name, *self.integers(name))

    # Float tensors, read backwards from where they are quantized

    def quantize(self, reader: NodeProto, name: str, y: Quantization, output: str) -> str:
        """The integer tensor that quantizing the float tensor `name` for `reader` gives, called `output`."""
        node = self.graph.producer.get(name)
        if node is None:
            return self.steps.quantize(reader, name, y, output)
        if node.op_type in FUSED and not any(map(self.is_number, node.input)):
            return self.group(node, y, output)
        self.refuse_requantized(reader, name, y)
        # Quantizing is monotone and works value by value: it may come before operators that choose or move values.
        if node.op_type == "MaxPool" or node.op_type in MOVEMENTS:
            before = self.quantize(node, node.input[0], y, f"{output} before {node.op_type}")
            return self.steps.move(node, before, output, list(node.output).index(name))
        if node.op_type == "Pad":
            before = self.steps.table(node, *self.levels(node.input[0], node), y, f"{output} before Pad")
            return self.steps.pad(node, before, quantize(self.padding(node), y).item(), output)
        return self.steps.table(node, *self.levels(name, reader), y, output)

    def refuse_requantized(self, reader: NodeProto, name: str, y: Quantization) -> None:
        """Two quantizations in a row, where only the second one changes anything, are merged by onnxruntime."""
        while (node := self.graph.producer.get(name)) is not None:
            name = node.input[0]
            if node.op_type == "DequantizeLinear":
                quantizer = self.graph.producer.get(name)
                twice = quantizer is not None and quantizer.op_type == "QuantizeLinear"
                if twice and not self.quantization(node, 1, name).matches(y):
                    raise UnsupportedModelError.at(reader, "quantizes twice what is quantized already; do it once")
            if node.op_type != "MaxPool" and node.op_type not in MOVEMENTS:
                return

    def group(self, node: NodeProto, y: Quantization, output: str) -> str:
        """An operator that is fused with the DequantizeLinear in front of it and the QuantizeLinear behind it."""
        name = node.output[0]
        if len(self.graph.consumers[name]) > 1 or name in self.graph.outputs:
            raise UnsupportedModelError.at(node, "its float result has other readers; quantize it for all of them")
        match node.op_type:
            case "Conv" | "Gemm" | "MatMul":
                x, meaning = self.integers(node.input[0], node)
                same_type(node, meaning, y)
                return self.steps.layer(node, x, dequantized_layer(self.graph, node, meaning, y), output)
            case "Add" | "Mul":
                return self.steps.pair(node, [self.integers(i, node) for i in node.input], y, output)
            case "Concat":
                return self.steps.concat(node, [self.integers(i, node) for i in node.input], y, output)
            case "GlobalAveragePool" if not self.is_dequantized(node.input[0]):
                return self.steps.float_pool(node, *self.levels(node.input[0], node), y, output)
        return self.steps.pool(node, *self.integers(node.input[0], node), y, output)

    def padding(self, node: NodeProto) -> np.float32:
        """The real number that Pad pads with; quantizers store it quantized, too."""
        name = node.input[2] if len(node.input) > 2 else ""
        if name and name not in self.graph.initializers:
            integers, meaning, _ = dequantized_constant(self.graph, node, 2)
            return dequantize(integers, meaning)
        return np.float32(constant(self.graph, node, 2) if name else 0)

    def is_dequantized(self, name: str) -> bool:
        """Whether the float tensor is a dequantized one, perhaps moved."""
        node = self.graph.producer.get(name)
        while node is not None and node.op_type in MOVEMENTS:
            node = self.graph.producer.get(node.input[0])
        return node is not None and node.op_type == "DequantizeLinear"

    def is_number(self, name: str) -> bool:
        """Whether the tensor is one constant float32 number."""
        number = self.graph.initializers.get(name)
        return number is not None and number.dtype == np.float32 and number.shape in ((), (1,))

    def integers(self, name: str, reader: NodeProto | None = None) -> tuple[str, Quantization]:
        """The integer tensor behind a float tensor that is dequantized and perhaps moved, and its quantization."""
        node = self.graph.producer.get(name)
        if node is None:
            problem = f"the float tensor {name!r} is used without QuantizeLinear; quantize it"
            raise UnsupportedModelError.at(reader, problem) if reader else UnsupportedModelError(problem)
        if node.op_type == "DequantizeLinear":
            return node.input[0], self.quantization(node, 1, node.input[0])
        if node.op_type != "MaxPool" and node.op_type not in MOVEMENTS:
            raise UnsupportedModelError.at(node, "runs in float32 here; quantize it, or end the model before it")
        tensor, meaning = self.integers(node.input[0], node)
        return self.steps.move(node, tensor, f"{name} integers", list(node.output).index(name)), meaning

    def levels(self, name: str, reader: NodeProto) -> tuple[str, np.ndarray]:
        """An integer tensor and the float32 values [256] of `name` that its values stand for."""
        node = self.graph.producer.get(name)
        if node is not None and node.op_type in FUNCTIONS:
            tensor, levels = self.levels(node.input[0], node)
            return tensor, elementwise(node, constants(self.graph, node), levels)
        if node is not None and node.op_type in ARITHMETIC and any(map(self.is_number, node.input)):
            numbers = [self.graph.initializers[i] if self.is_number(i) else None for i in node.input]
            tensor, levels = self.levels(node.input[numbers.index(None)], node)
            with np.errstate(divide="ignore", over="ignore", invalid="ignore"):  # what is no number is refused later
                return tensor, ARITHMETIC[node.op_type](*(levels if n is None else n.item() for n in numbers))
        if node is not None and node.op_type in MOVEMENTS and not self.is_dequantized(name):
            tensor, levels = self.levels(node.input[0], node)
            return self.steps.move(node, tensor, f"{name} integers", list(node.output).index(name)), levels
        tensor, meaning = self.integers(name, reader)
        return tensor, dequantize(every(meaning.dtype), meaning)

    def quantization(self, node: NodeProto, index: int, integers: str | None = None) -> Quantization:
        """Scale and zero point, the inputs `index` and `index` + 1 of the node; they are of the type of `integers`."""
        return quantization(self.graph, node, index, self.steps.dtype(integers) if integers else None)
