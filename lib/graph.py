"""The one reader of ONNX graphs: shapes, initializers, producers and consumers, and the layers that multiply."""

from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path

import numpy as np
import onnx
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, numpy_helper

from lib.errors import InputError
from lib.files import reading

Shape = tuple[int, ...]

AUTO_PADS = {"NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"}


@dataclass(frozen=True)
class ComputeLayer:
    """One Conv, Gemm or MatMul with constant weights; shapes are those of one sample (batch 1).

    kernel, strides, dilations : one integer per spatial axis; pads as in ONNX (all begins, then all ends).
    For Gemm and MatMul these are empty. `macs` counts multiply-accumulates of one sample.

    >>> from lib.examples import float_model
    >>> layer = load(float_model()).layers[0]
    >>> layer.weight_shape, layer.output_shape, layer.pads
    ((4, 1, 3, 3), (1, 4, 8, 8), (1, 1, 1, 1))
    >>> layer.macs_per_output, layer.macs, layer.parameters
    (9, 2304, 40)
    """

    name: str
    op: str
    input: str
    output: str
    weight: str
    bias: str | None
    input_shape: Shape
    weight_shape: Shape
    output_shape: Shape
    kernel: Shape = ()
    strides: Shape = ()
    pads: Shape = ()
    dilations: Shape = ()
    groups: int = 1

    @property
    def macs_per_output(self) -> int:
        """Products summed into one output, the K of the matrix product."""
        if self.op == "Conv":
            return prod(self.weight_shape[1:])
        if self.op == "Gemm":  # whichever of the two sides is transposed
            return prod(self.weight_shape) // self.output_shape[-1]
        return self.weight_shape[-2] if len(self.weight_shape) > 1 else self.weight_shape[0]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one sample."""
        return prod(self.output_shape) * self.macs_per_output

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        filters = self.output_shape[1] if self.op == "Conv" else self.output_shape[-1]
        return prod(self.weight_shape) + (filters if self.bias else 0)


class Graph:
    """A loaded ONNX model. The batch dimension of its inputs, where it is symbolic, counts as 1 in all shapes.

    >>> from lib.examples import float_model
    >>> graph = load(float_model())
    >>> graph.inputs, graph.shapes["pooled"], graph.producer["pooled"].op_type
    (['input'], (1, 4, 1, 1), 'GlobalAveragePool')
    >>> graph.initializers["conv_weight"].shape
    (4, 1, 3, 3)
    """

    def __init__(self, model: ModelProto, path: str = "<model>"):
        self.model = model
        self.path = path
        self.nodes: list[NodeProto] = list(model.graph.node)
        stored = {tensor.name for tensor in model.graph.initializer}
        self.inputs = [value.name for value in model.graph.input if value.name not in stored]
        self.outputs = [value.name for value in model.graph.output]
        self.producer = {name: node for node in self.nodes for name in node.output if name}
        self.consumers: dict[str, list[NodeProto]] = {}
        for node in self.nodes:
            for name in node.input:
                self.consumers.setdefault(name, []).append(node)

    @cached_property
    def initializers(self) -> dict[str, np.ndarray]:
        """Every constant as an array, Constant nodes included."""
        arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in self.model.graph.initializer}
        for node in self.nodes:
            if node.op_type == "Constant" and "value" in (given := attributes(node)):
                arrays[node.output[0]] = numpy_helper.to_array(given["value"])
        return arrays

    @cached_property
    def constants(self) -> set[str]:
        """Names of the tensors that no input has an influence on: stored ones, and what is computed from them alone."""
        names = {tensor.name for tensor in self.model.graph.initializer}
        for node in self.nodes:  # a graph inside a node can read any tensor
            inside = any(a.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS) for a in node.attribute)
            if not inside and all(name in names for name in node.input if name):
                names.update(node.output)
        return names

    @cached_property
    def shapes(self) -> dict[str, Shape]:
        """Shape of every tensor at batch 1; tensors whose shape cannot be inferred are absent.

        Raises InputError where shapes that the file records contradict each other.
        """
        model = ModelProto()
        model.CopyFrom(self.model)
        for value in model.graph.input:
            dimensions = value.type.tensor_type.shape.dim
            if dimensions and not dimensions[0].HasField("dim_value"):
                dimensions[0].dim_value = 1
        # Recorded shapes carry the symbolic batch and would win over the inferred ones.
        del model.graph.value_info[:]
        for value in model.graph.output:
            value.type.tensor_type.ClearField("shape")
        with reading(self.path, "a model whose shapes agree", "export it again"):
            inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
        shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
        for value in (*inferred.input, *inferred.value_info, *inferred.output):
            tensor = value.type.tensor_type
            if tensor.HasField("shape") and all(d.HasField("dim_value") for d in tensor.shape.dim):
                shapes[value.name] = tuple(d.dim_value for d in tensor.shape.dim)
        return shapes

    @cached_property
    def layers(self) -> list[ComputeLayer]:
        """The layers that multiply by constant weights, in graph order; QDQ graphs count like float ones."""
        return [self.layer(node) for node in self.nodes if self.multiplies_weights(node)]

    def _source(self, name: str) -> str:
        """The tensor behind DequantizeLinear: of a QDQ weight, the name of the stored integers."""
        node = self.producer.get(name)
        return node.input[0] if node is not None and node.op_type == "DequantizeLinear" else name

    def multiplies_weights(self, node: NodeProto) -> bool:
        """Whether the node is a Conv, Gemm or MatMul by constants, quantized or not."""
        return node.op_type in ("Conv", "Gemm", "MatMul") and node.input[1] in self.constants

    def layer(self, node: NodeProto) -> ComputeLayer:
        """A node that multiplies by weights, as a layer; raises InputError where a shape is unknown or does not fit."""
        given = attributes(node)
        needed = {"input": node.input[0], "weight": node.input[1], "output": node.output[0]}
        missing = [name for name in needed.values() if name not in self.shapes]
        if missing:
            raise InputError(
                f"{self.path}: the shape of {missing[0]} at node {node.name} ({node.op_type}) is unknown; "
                "fix the model's input size"
            )
        window = {}
        if node.op_type == "Conv":
            kernel = self.shapes[node.input[1]][2:]
            axes = len(kernel)
            if (auto_pad := given.get("auto_pad", "NOTSET")) not in AUTO_PADS:
                raise InputError(f"{self.path}: auto_pad {auto_pad!r} at node {node.name} (Conv) is unknown")
            for name, count in (("strides", axes), ("dilations", axes), ("pads", 2 * axes)):
                if len(given.get(name, range(count))) != count:
                    raise InputError(
                        f"{self.path}: {name} {given[name]} at node {node.name} (Conv) do not fit "
                        f"the {axes} axes of its kernel; export it again"
                    )
            window = {
                "kernel": kernel,
                "strides": tuple(given.get("strides", [1] * axes)),
                "dilations": tuple(given.get("dilations", [1] * axes)),
                "groups": given.get("group", 1),
                "pads": resolved_pads(
                    given, kernel, self.shapes[needed["input"]][2:], self.shapes[needed["output"]][2:]
                ),
            }
        bias = node.input[2] if len(node.input) > 2 and node.input[2] else None
        return ComputeLayer(
            name=node.name or node.output[0],
            op=node.op_type,
            input=node.input[0],
            output=node.output[0],
            weight=self._source(node.input[1]),
            bias=self._source(bias) if bias else None,
            **{f"{key}_shape": self.shapes[name] for key, name in needed.items()},
            **window,
        )


def attributes(node: NodeProto) -> dict:
    """A node's attributes as Python values; strings decoded, with marks for bytes that are none.

    >>> attributes(onnx.helper.make_node("Conv", ["x", "w"], ["y"], strides=[2, 2], auto_pad="SAME_UPPER"))
    {'auto_pad': 'SAME_UPPER', 'strides': [2, 2]}
    """
    values = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    return {
        name: value.decode(errors="replace") if isinstance(value, bytes) else value for name, value in values.items()
    }


def resolved_pads(given: dict, kernel: Shape, size_in: Shape, size_out: Shape) -> Shape:
    """Explicit pads (all begins, then all ends) of a Conv or pool, with auto_pad worked out.

    Source: ONNX operator specification, Conv, attribute auto_pad.

    >>> resolved_pads({"auto_pad": "SAME_UPPER", "strides": [2]}, (3,), (8,), (4,))
    (0, 1)
    """
    axes = len(kernel)
    auto_pad = given.get("auto_pad", "NOTSET")
    if auto_pad == "NOTSET":
        return tuple(given.get("pads", [0] * 2 * axes))
    if auto_pad == "VALID":
        return (0,) * 2 * axes
    strides, dilations = given.get("strides", [1] * axes), given.get("dilations", [1] * axes)
    total = [
        max(0, (out - 1) * stride + (k - 1) * dilation + 1 - size)
        for out, stride, k, dilation, size in zip(size_out, strides, kernel, dilations, size_in, strict=True)
    ]
    small, large = [t // 2 for t in total], [t - t // 2 for t in total]
    return tuple(small + large if auto_pad == "SAME_UPPER" else large + small)


def load(path: str | Path, weights: bool = True) -> Graph:
    """Read and check an ONNX file; raises InputError where it is damaged or not a valid model.

    weights : False skips external data, for graphs whose weights are absent or not needed.
    External data is read from inside the model's own folder only (onnx refuses other places).

    >>> from lib.examples import float_model
    >>> [(layer.name, layer.op) for layer in load(float_model()).layers]
    [('features', 'Conv'), ('logits', 'Gemm')]
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: no such model file")
    with reading(path, "a valid ONNX model"):
        model = onnx.load(path, load_external_data=weights)
        absent = any(tensor.data_location == TensorProto.EXTERNAL for tensor in model.graph.initializer)
        if weights or not absent:  # the checker wants every external file to be there
            onnx.checker.check_model(model)
        graph = Graph(model, str(path))
        if weights:
            _ = graph.initializers  # constants whose sizes do not fit their shapes show here
    return graph
