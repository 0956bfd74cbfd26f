"""A quantized ONNX model as an integer program."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import onnx

from lib.errors import InputError
from lib.fixedpoint.accumulator import Accumulator
from lib.fixedpoint.lowering import Step, lower
from lib.fixedpoint.operators.linear import Linear
from lib.graph import Graph, load

Feeds = dict[str, np.ndarray]
Observer = Callable[[Step, np.ndarray, np.ndarray], None]


class IntegerModel:
    """A quantized model, QDQ or QOperator, that runs with integers only, equal to onnxruntime bit for bit.

    Float32 appears where onnxruntime has it: in the first QuantizeLinear, the last DequantizeLinear and the factor of
    each requantization.
    """

    def __init__(self, graph: Graph, steps: list[Step]):
        self.graph = graph
        self.steps = steps
        self.layers = [step for step in steps if isinstance(step.run, Linear)]

    @classmethod
    def from_onnx(
        cls,
        path: str | Path,
        requantization: str = "float32",
        accumulator_bits: int = 32,
        overflow: str = "wrap",
    ) -> "IntegerModel":
        """Read a quantized ONNX file.

        requantization : "float32", onnxruntime's
        accumulator_bits : width of the accumulators of Conv, Gemm and MatMul, 2 … 32
        overflow : what an accumulator does when a sum does not fit, "wrap" or "saturate"

        Raises InputError for a damaged file or unknown option, UnsupportedModelError for a graph that it cannot run
        exactly as onnxruntime does.
        """
        accumulator = Accumulator(accumulator_bits, overflow)
        graph = load(path)
        model = cls(graph, lower(graph))
        return model.with_layers(lambda name, layer: replace(layer, accumulator=accumulator))

    def with_layers(self, change: Callable[[str, Linear], Linear]) -> "IntegerModel":
        """The same program with change(name, layer) in place of each layer that multiplies."""
        layers = {step.output: replace(step, run=change(step.node, step.run)) for step in self.layers}
        return IntegerModel(self.graph, [layers.get(step.output, step) for step in self.steps])

    def run(self, feeds: Feeds) -> dict[str, np.ndarray]:
        """The model's outputs by name, as onnxruntime.InferenceSession.run gives them."""
        return self.tensors(feeds, self.graph.outputs)

    def trace(self, feeds: Feeds) -> dict[str, np.ndarray]:
        """Every quantized tensor by its ONNX tensor name."""
        return self.tensors(feeds, self.quantized_tensors)

    def tensors(self, feeds: Feeds, names: list[str], observer: Observer | None = None) -> dict[str, np.ndarray]:
        """Outputs and quantized tensors called `names`, from one execution.

        observer(step, input, accumulators [B · outputs, N]) sees every layer that multiplies.
        """
        values = self._execute(feeds, observer)
        return {name: np.ascontiguousarray(values[name]) for name in names}

    @property
    def quantized_tensors(self) -> list[str]:
        """ONNX names of the 8-bit tensors, in the order they are computed."""
        names = self.graph.producer.keys()
        return [step.output for step in self.steps if step.output in names and step.dtype != np.float32]

    def _execute(self, feeds: Feeds, observer: Observer | None = None) -> dict[str, np.ndarray]:
        values = dict(self._checked(feeds))
        for step in self.steps:
            inputs = [values[name] for name in step.inputs]
            observe = {"observe": partial(observer, step)} if observer and isinstance(step.run, Linear) else {}
            values[step.output] = step.run(*inputs, **observe)
        return values

    def _checked(self, feeds: Feeds) -> Feeds:
        """The feeds, or InputError where name, type, shape or values are not what the model takes."""
        given = {value.name: value.type.tensor_type for value in self.graph.model.graph.input}
        if set(feeds) != set(self.graph.inputs):
            raise InputError(f"{self.graph.path}: inputs {sorted(feeds)} given, {sorted(self.graph.inputs)} expected")
        for name, x in feeds.items():
            dtype = onnx.helper.tensor_dtype_to_np_dtype(given[name].elem_type)
            sizes = [d.dim_value or None for d in given[name].shape.dim]
            if not isinstance(x, np.ndarray) or x.dtype != dtype:
                raise InputError(f"{self.graph.path}: input {name!r} must be an array of {dtype}")
            if x.ndim != len(sizes) or any(n not in (None, size) for n, size in zip(sizes, x.shape, strict=True)):
                raise InputError(f"{self.graph.path}: input {name!r} has shape {x.shape}, expected {sizes}")
            if not np.isfinite(x).all():
                raise InputError(f"{self.graph.path}: input {name!r} holds NaN or infinity")
        return feeds
