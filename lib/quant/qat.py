"""Quantization-aware training: a low-bit model's weights, biases and step sizes learn while it computes as integers do.

Rounding has no useful gradient; gradients pass it as if it were not there (straight-through: Bengio et al.,
"Estimating or propagating gradients through stochastic neurons", 2013), and steps learn from what rounding and
clipping lose (LSQ: Esser et al., "Learned step size quantization", ICLR 2020). What learns is a step's logarithm, so
that it stays positive and changes in proportion (Jain et al., "Trained quantization thresholds", MLSys 2020). Batch
normalization is part of the convolutions from the start, so that what is trained is what is executed.
"""

import logging
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from onnx import NodeProto
from torch import Tensor, nn
from torch.nn import functional

from lib.data.dataset import Dataset
from lib.errors import InputError
from lib.graph import ComputeLayer, attributes
from lib.model.train import Recipe, fit
from lib.quant.affine import quantize
from lib.quant.layer_error import MOVES, quantized_as
from lib.quant.low_bit import LowBitModel

INT32 = (-(2**31), 2**31 - 1)


def train_quantized(
    model: LowBitModel, dataset: Dataset, recipe: Recipe, seed: int, threads: int, log: logging.Logger
) -> tuple[LowBitModel, pd.DataFrame]:
    """Train a low-bit model; returns what it becomes and one row per epoch, as `lib.model.train.fit` does.

    The rows' test_accuracy is that of fake quantization: the integers' but for ties of rounding.

    >>> from lib.examples import dataset, low_bit_model
    >>> recipe = Recipe(epochs=2, batch=16, learning_rate=0.01)
    >>> model, history = train_quantized(low_bit_model(2), dataset(), recipe, 0, 1, logging.getLogger())
    >>> model.weights["logits"].limits, history["epoch"].tolist()
    ((-1, 1), [1, 2])
    """
    network, history = fit(FakeQuantized(model), dataset, recipe, seed, threads, log)
    return network.low_bit_model(), history


def fake_quantize(x: Tensor, step: Tensor, low: int, high: int) -> Tensor:
    """step * clip(rint(x / step), low, high); gradients pass the rounding and stop at what is clipped.

    The step's gradient is LSQ's: rint(x / step) - x / step for each value inside, the limit for one outside.

    >>> x, step = torch.tensor([0.2, 0.9, 7.0], requires_grad=True), torch.tensor(0.5, requires_grad=True)
    >>> y = fake_quantize(x, step, -3, 3)
    >>> y.sum().backward()
    >>> y.tolist(), x.grad.tolist(), round(step.grad.item(), 6)
    ([0.0, 1.0, 1.5], [1.0, 1.0, 0.0], 2.8)
    """
    scaled = (x / step).clamp(low, high)
    return step * (scaled + (scaled.round() - scaled).detach())


class FakeQuantized(nn.Module):
    """A low-bit model in float32, node by node, with parameters that learn: [B, C, …] -> logits [B, classes].

    model : where training starts; its weights symmetric, its operators those that lib.model.export writes

    >>> from lib.examples import inputs, low_bit_model
    >>> from lib.quant.activations import logits
    >>> model = low_bit_model()
    >>> fake = FakeQuantized(model)(torch.from_numpy(inputs(3))).detach().numpy()
    >>> np.rint((fake - logits(model.to_onnx(), inputs(3))) / model.activations["logits"].scale).astype(int).tolist()
    [[0, 0, 0], [0, 0, 0], [0, 0, 0]]
    """

    def __init__(self, model: LowBitModel):
        super().__init__()
        self.model, self.graph = model, model.graph
        self.layers = {layer.output: layer for layer in self.graph.layers}
        stored = {layer.name: self.graph.initializers[layer.weight] for layer in self.graph.layers}
        self.weights = _parameters(stored)
        self.biases = _parameters(model.biases)
        # Logarithms of how much each step has grown; in two, because a layer and its output may have one name.
        self.weight_growth = _parameters({layer: 0 * weight.scale for layer, weight in model.weights.items()})
        self.growth = _parameters({tensor: 0 * meaning.scale for tensor, meaning in model.activations.items()})
        groups = (self.weights, self.biases, self.weight_growth, self.growth)
        self.learned = nn.ParameterList([parameter for group in groups for parameter in group.values()])

    def step(self, tensor: str) -> Tensor:
        """The step of an activation, a scalar."""
        return torch.tensor(self.model.activations[tensor].scale) * self.growth[tensor].exp()

    def weight_step(self, layer: str) -> Tensor:
        """The step or steps [channels] of a layer's weight."""
        return torch.tensor(self.model.weights[layer].scale) * self.weight_growth[layer].exp()

    def forward(self, x: Tensor) -> Tensor:
        tensors = {self.graph.inputs[0]: x}
        for node in self.graph.nodes:
            # What is only moved is quantized where it arrives: after pooling there is less of it.
            inputs = [
                tensors[name] if node.op_type in MOVES else self.quantized(name, tensors[name])
                for name in node.input
                if name in tensors
            ]
            tensors[node.output[0]] = self.computed(node, *inputs)
        output = self.graph.outputs[0]
        return self.quantized(output, tensors[output])

    def quantized(self, tensor: str, x: Tensor) -> Tensor:
        """An activation as its integers have it; one without integers as it is."""
        source = quantized_as(self.graph, tensor)
        if source not in self.growth:
            return x
        meaning = self.model.activations[source]
        low, high = (limit - meaning.zero_point for limit in meaning.limits)
        return fake_quantize(x.float(), self.step(source), low, high)

    def operands(self, layer: ComputeLayer) -> tuple[Tensor, Tensor | None]:
        """A layer's weight, output channels first, and bias as their integers have them."""
        weight, step = self.model.weights[layer.name], self.weight_step(layer.name)
        values = self.weights[layer.name].movedim(weight.axis, 0)
        values = fake_quantize(values, step.reshape(-1, *[1] * (values.ndim - 1)), *weight.limits)
        if layer.name not in self.biases:
            return values, None
        unit = (self.step(quantized_as(self.graph, layer.input)) * step).detach()
        return values, fake_quantize(self.biases[layer.name], unit, *INT32)

    def computed(self, node: NodeProto, x: Tensor, *others: Tensor) -> Tensor:
        """A node's output; raises InputError for operators that are not known here."""
        match node.op_type:
            case "Conv":
                layer = self.layers[node.output[0]]
                axes = len(layer.kernel)
                convolve = (functional.conv1d, functional.conv2d)[axes - 1]
                window = layer.strides, layer.pads[:axes], layer.dilations
                return convolve(x, *self.operands(layer), *window, layer.groups)
            case "Gemm" | "MatMul":
                return functional.linear(x, *self.operands(self.layers[node.output[0]]))
            case "MaxPool":
                given = attributes(node)
                axes = len(given["kernel_shape"])
                pool = (functional.max_pool1d, functional.max_pool2d)[axes - 1]
                return pool(x, given["kernel_shape"], given["strides"], given.get("pads", [0] * axes)[:axes])
            case "GlobalAveragePool":
                return x.mean(tuple(range(2, x.ndim)), keepdim=True)
            case "Flatten":
                return x.flatten(1)
            case "Relu":
                return functional.relu(x)
            case "Add":
                return x + others[0]
        problem = f"node {node.name!r} ({node.op_type}) cannot be trained"
        raise InputError(f"{self.graph.path}: {problem}; leave the network out of quantization-aware training")

    def low_bit_model(self) -> LowBitModel:
        """The model with the steps as they are now and the integers that the weights are rounded to."""
        weights = {}
        for layer, old in self.model.weights.items():
            values, scale = _array(self.weights[layer]), _array(self.weight_step(layer))
            integers = quantize(values, scale, old.zero_point, old.bits, True, old.axis if scale.ndim else None)
            weights[layer] = replace(old, integers=np.clip(integers, *old.limits), scale=scale)
        activations = {
            tensor: replace(old, scale=_array(self.step(tensor))[()]) for tensor, old in self.model.activations.items()
        }
        biases = {layer: _array(bias) for layer, bias in self.biases.items()}
        return LowBitModel(self.graph, activations, weights, biases)


def _parameters(values: dict[str, np.ndarray]) -> dict[str, nn.Parameter]:
    """A parameter for each array. A plain dictionary, because nn.ParameterDict allows no dots in names."""
    return {name: nn.Parameter(torch.tensor(value)) for name, value in values.items()}


def _array(values: Tensor) -> np.ndarray:
    return values.detach().numpy().copy()
