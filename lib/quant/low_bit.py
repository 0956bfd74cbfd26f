"""Networks of 2 to 8 bits: what each tensor is quantized to, and the ONNX graph that says so.

A low-bit model is an ordinary QDQ graph in 8-bit containers. Weights are int8 that use few of their values; an
activation of b < 8 bits is QuantizeLinear, a Clip of its integers to b bits, DequantizeLinear. So every ONNX runtime
runs it, and lib.fixedpoint executes it exactly.

WwAa: weights have w bits, and what layers multiply has a bits. What no layer multiplies stays at 8 bits: the network's
input, operands of additions, what is averaged, the logits. Biases are int32 in units of input scale x weight scale.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, helper, numpy_helper

from lib.errors import InputError
from lib.graph import ComputeLayer, Graph, load
from lib.quant.affine import asymmetric_range, integer_range, symmetric_range
from lib.quant.calibrate import Range
from lib.quant.layer_error import MOVES, channel_axis, quantized_as
from lib.quant.weights import Weight, quantize_weight

WIDTHS = "bit_widths"  # the property of the ONNX model in which integers narrower than their containers are noted


@dataclass(frozen=True)
class Activation:
    """How one tensor is quantized: real = scale * (integer - zero_point), with the integers of `bits` bits.

    >>> Activation(np.float32(0.5), zero_point=3, bits=4, signed=False).limits
    (0, 15)
    """

    scale: np.float32
    zero_point: int
    bits: int
    signed: bool

    @property
    def limits(self) -> tuple[int, int]:
        """Smallest and largest integer."""
        return integer_range(self.bits, self.signed)


@dataclass(frozen=True)
class LowBitModel:
    """A float network and the integers of its tensors.

    activations : by tensor; tensors that only move another one's values are as that one
    weights, biases : by layer; float32 biases [channels], for Conv and Gemm

    >>> from lib.examples import low_bit_model
    >>> model = low_bit_model(weight_bits=4)  # 48 weights of 4 bits, 7 biases of 32 bits
    >>> model.size_kb, [node.op_type for node in model.to_onnx().graph.node[:5]]
    (0.052, ['QuantizeLinear', 'DequantizeLinear', 'DequantizeLinear', 'DequantizeLinear', 'Conv'])
    """

    graph: Graph
    activations: dict[str, Activation]
    weights: dict[str, Weight]
    biases: dict[str, np.ndarray]

    def to_onnx(self) -> ModelProto:
        """The QDQ graph; its integers are called {tensor}_quantized and {layer}_weight_quantized."""
        return _Writer(self).model()

    @property
    def size_kb(self) -> float:
        """Size of the weights packed at their widths and of the int32 biases [1000 bytes]."""
        weights = sum(weight.bits * weight.integers.size for weight in self.weights.values())
        return (weights + 32 * sum(bias.size for bias in self.biases.values())) / 8000


def quantize(
    graph: Graph,
    ranges: Mapping[str, Range],
    bits: Mapping[str, int],
    weight_bits: Mapping[str, int],
    granularity: str = "channel",
    weight_symmetric: bool = True,
    activation_symmetric: bool = False,
    weight_range: str = "minmax",
) -> LowBitModel:
    """Round every weight of a float model to the nearest integer, and give every activation its scale.

    ranges : (low, high) by tensor; bits : by tensor, see `activation_bits`; weight_bits : by layer
    granularity, weight_range : of weights, see lib.quant.weights
    activation_symmetric : signed integers with zero point 0 instead of unsigned ones with any

    >>> from lib.examples import float_graph, observations
    >>> ranges = {tensor: seen.limits for tensor, seen in observations().items()}
    >>> bits = activation_bits(float_graph(), 8)
    >>> quantize(float_graph(), ranges, bits, {"features": 8, "logits": 2}).weights["logits"].integers.tolist()
    [[-1, 1, 1, 1], [0, 0, 1, 1], [1, 1, 0, -1]]
    """
    span = symmetric_range if activation_symmetric else asymmetric_range
    activations = {}
    for tensor in quantized_tensors(graph):
        scale, zero_point = span(*ranges[tensor], bits[tensor], activation_symmetric)
        activations[tensor] = Activation(scale, int(zero_point), bits[tensor], activation_symmetric)
    weights, biases = {}, {}
    for layer in graph.layers:
        values, axis = graph.initializers[layer.weight], channel_axis(graph, layer)
        weights[layer.name] = quantize_weight(
            values, weight_bits[layer.name], axis, weight_symmetric, granularity, weight_range
        )
        if layer.op != "MatMul":
            stored = graph.initializers[layer.bias].ravel() if layer.bias else np.float32(0)
            biases[layer.name] = np.broadcast_to(stored, values.shape[axis])
    return LowBitModel(graph, activations, weights, biases)


def quantized_tensors(graph: Graph) -> list[str]:
    """The tensors with a scale of their own: inputs, and results that are neither moved nor rectified right away.

    >>> from lib.examples import float_graph
    >>> quantized_tensors(float_graph())
    ['input', 'rectified', 'pooled', 'logits']
    """
    made = [name for node in graph.nodes if node.op_type not in (*MOVES, "Constant") for name in node.output]
    return [*graph.inputs, *(name for name in made if name not in graph.constants and not _rectifier(graph, name))]


def activation_bits(graph: Graph, bits: int) -> dict[str, int]:
    """By tensor, `bits` where layers multiply it, 8 for others.

    >>> from lib.examples import float_graph
    >>> activation_bits(float_graph(), 4)
    {'input': 8, 'rectified': 8, 'pooled': 4, 'logits': 8}
    """
    narrow = multiplied(graph)
    return {tensor: bits if tensor in narrow else 8 for tensor in quantized_tensors(graph)}


def multiplied(graph: Graph) -> set[str]:
    """The tensors whose values layers multiply, but for the network's input.

    >>> from lib.examples import float_graph
    >>> multiplied(float_graph())
    {'pooled'}
    """
    return {quantized_as(graph, layer.input) for layer in graph.layers} - set(graph.inputs)


def _rectifier(graph: Graph, tensor: str) -> NodeProto | None:
    """The Relu that alone reads a freshly computed tensor, so that clipping the integers does its work."""
    readers = graph.consumers.get(tensor, [])
    moved = tensor in graph.producer and graph.producer[tensor].op_type in MOVES
    alone = len(readers) == 1 and readers[0].op_type == "Relu" and tensor not in graph.outputs
    return readers[0] if alone and not moved else None


def read(path: str | Path, graph: Graph) -> LowBitModel:
    """The low-bit model that `to_onnx` wrote to `path`; biases as they were rounded.

    graph : the float model; raises InputError where the file is not its low-bit model

    >>> from lib.examples import float_graph, folder, low_bit_model
    >>> onnx.save(low_bit_model(weight_bits=3).to_onnx(), folder() / "w3a8.onnx")
    >>> read(folder() / "w3a8.onnx", float_graph()).weights["logits"].integers.tolist()
    [[-2, 3, 3, 2], [0, 0, 2, 3], [3, 2, 1, -2]]
    """
    stored = load(path)
    properties = {entry.key: entry.value for entry in stored.model.metadata_props}
    try:
        widths = json.loads(properties[WIDTHS])
        values = stored.initializers
        activations = {}
        for tensor, bits in widths["activations"].items():
            zero_point = values[f"{tensor}_zero_point"]
            scale = values[f"{tensor}_scale"][()]
            activations[tensor] = Activation(scale, int(zero_point), bits, zero_point.dtype == np.int8)
        weights, biases = {}, {}
        for layer in graph.layers:
            name, (bits, symmetric) = f"{layer.name}_weight", widths["weights"][layer.name]
            integers, zero_point = (values[f"{name}_{part}"].astype(np.int32) for part in ("quantized", "zero_point"))
            axis = channel_axis(graph, layer)
            weights[layer.name] = Weight(integers, values[f"{name}_scale"], zero_point, bits, symmetric, axis)
            if layer.op != "MatMul":
                name = f"{layer.name}_bias"
                biases[layer.name] = np.float32(values[f"{name}_scale"] * values[f"{name}_quantized"])
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        problem = f"not a low-bit model of {graph.path} ({error})"
        raise InputError(f"{path}: {problem}; delete it to have it made again") from error
    return LowBitModel(graph, activations, weights, biases)


class _Writer:
    """The nodes and constants of a QDQ graph in the making."""

    def __init__(self, source: LowBitModel):
        self.source, self.graph = source, source.graph
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}
        self.read_as: dict[str, str] = {}  # float tensors by what their readers read

    def model(self) -> ModelProto:
        layers = {layer.output: layer for layer in self.graph.layers}
        for name in self.graph.inputs:
            self.quantize(name, name)
        for node in self.graph.nodes:
            if node.op_type == "Relu" and _rectifier(self.graph, node.input[0]):
                continue  # written with the node before it
            written = NodeProto()
            written.CopyFrom(node)
            written.input[:] = [self.read_as.get(name, name) for name in node.input]
            if node.output[0] in layers:
                written.input[1:] = self.layer(layers[node.output[0]])
            written.output[:] = [f"{name}_real" for name in node.output]
            self.nodes.append(written)
            for name in node.output:
                if name in self.graph.constants:
                    written.output[list(node.output).index(name)] = name
                else:
                    self.quantize(f"{name}_real", name)
        return self.assembled()

    def quantize(self, real: str, tensor: str) -> None:
        """QuantizeLinear, Clip where the integers are fewer than their container's, DequantizeLinear."""
        rectifier = _rectifier(self.graph, tensor)
        tensor = rectifier.output[0] if rectifier else tensor
        meaning = self.source.activations[quantized_as(self.graph, tensor)]
        dtype = np.int8 if meaning.signed else np.uint8
        low, high = meaning.limits
        low = max(low, meaning.zero_point) if rectifier else low
        parameters = [self.constant(f"{tensor}_scale", meaning.scale)]
        parameters.append(self.constant(f"{tensor}_zero_point", dtype(meaning.zero_point)))
        integers = f"{tensor}_quantized"
        whole = (low, high) == (np.iinfo(dtype).min, np.iinfo(dtype).max)
        rounded = integers if whole else f"{tensor}_rounded"
        self.node("QuantizeLinear", [real, *parameters], rounded)
        if not whole:
            bounds = [self.constant(f"{tensor}_{key}", dtype(bound)) for key, bound in (("low", low), ("high", high))]
            self.node("Clip", [rounded, *bounds], integers)
        is_output = tensor in self.graph.outputs
        self.read_as[tensor] = tensor if is_output else f"{tensor}_dequantized"
        self.node("DequantizeLinear", [integers, *parameters], self.read_as[tensor])

    def layer(self, layer: ComputeLayer) -> Iterator[str]:
        """The layer's inputs behind its activation: weight and bias, dequantized."""
        weight = self.source.weights[layer.name]
        name, parameters = f"{layer.name}_weight", (weight.scale, weight.zero_point.astype(np.int8))
        yield self.dequantized(name, weight.integers.astype(np.int8), *parameters, weight.axis)
        if layer.op != "MatMul":
            scale = self.source.activations[quantized_as(self.graph, layer.input)].scale * weight.scale
            limits = np.iinfo(np.int32)
            integers = np.rint(self.source.biases[layer.name].astype(np.float64) / scale)
            integers = np.clip(integers, limits.min, limits.max).astype(np.int32)
            yield self.dequantized(f"{layer.name}_bias", integers, scale, np.zeros_like(scale, np.int32), 0)

    def dequantized(self, name: str, integers: np.ndarray, scale: np.ndarray, zero_point: np.ndarray, axis: int) -> str:
        """DequantizeLinear of constants; the name of the result."""
        stored = {"quantized": integers, "scale": scale, "zero_point": zero_point}
        inputs = [self.constant(f"{name}_{key}", value) for key, value in stored.items()]
        self.node("DequantizeLinear", inputs, name, **({"axis": axis} if scale.ndim else {}))
        return name

    def constant(self, name: str, value: np.ndarray) -> str:
        self.constants[name] = np.asarray(value)
        return name

    def node(self, operator: str, inputs: list[str], output: str, **given) -> None:
        self.nodes.append(helper.make_node(operator, inputs, [output], name=f"{output}_{operator}", **given))

    def assembled(self) -> ModelProto:
        """The float model with the new nodes and constants, and the widths noted in its properties."""
        model = ModelProto()
        model.CopyFrom(self.graph.model)
        read = {name for node in self.nodes for name in node.input}
        kept = [tensor for tensor in model.graph.initializer if tensor.name in read]
        made = [numpy_helper.from_array(value, name) for name, value in self.constants.items()]
        for field, values in (("node", self.nodes), ("initializer", [*kept, *made]), ("value_info", [])):
            del getattr(model.graph, field)[:]
            getattr(model.graph, field).extend(values)
        widths = {
            "activations": {tensor: meaning.bits for tensor, meaning in self.source.activations.items()},
            "weights": {layer: [weight.bits, weight.symmetric] for layer, weight in self.source.weights.items()},
        }
        helper.set_model_props(model, {WIDTHS: json.dumps(widths)})
        onnx.checker.check_model(model)
        return model
