"""A quantized ONNX model as an integer program."""

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import onnx

from lib.errors import InputError
from lib.fixedpoint.accumulator import Accumulator
from lib.fixedpoint.batches import over_batches
from lib.fixedpoint.lowering import Step, lower
from lib.fixedpoint.operators.linear import Linear
from lib.fixedpoint.operators.narrow import with_accumulator
from lib.fixedpoint.operators.pools import GlobalAveragePool
from lib.fixedpoint.rescale import rounding_and_bits
from lib.fixedpoint.scratch import file_array, release
from lib.graph import Graph, load

BATCH = 64  # samples executed at a time, so that their tensors stay in the caches
MEMORY_BYTES = 1 << 30  # results larger than this go to files

# Once it has freed a block of this size, glibc keeps what tensors leave behind for those to come, instead of handing it
# back to the system and fetching it page by page in every run. Source: man 3 mallopt, M_MMAP_THRESHOLD.
np.empty(24 << 20, np.uint8)

Feeds = dict[str, np.ndarray]
Observer = Callable[[Step, np.ndarray, np.ndarray], None]


class IntegerModel:
    """A quantized model, QDQ or QOperator, that runs with integers only, equal to onnxruntime bit for bit.

    Float32 appears where onnxruntime has it: in the first QuantizeLinear, the last DequantizeLinear and the factor of
    each requantization.

    >>> from lib.examples import inputs, quantized_model
    >>> feeds = {"input": inputs(4)}
    >>> model = IntegerModel.from_onnx(quantized_model())
    >>> model.run(feeds)["logits"].argmax(axis=1).tolist()
    [0, 1, 1, 1]
    >>> model.trace(feeds)["features_quantized"].shape
    (4, 4, 8, 8)
    >>> narrow = IntegerModel.from_onnx(quantized_model(), accumulator_bits=12, overflow="wrap")
    >>> narrow.run(feeds)["logits"].argmax(axis=1).tolist()
    [1, 1, 2, 2]
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

        requantization : "float32", onnxruntime's; "fixed31" … "fixed4", "gemmlowp31" … "gemmlowp4", "power_of_two",
            those of hardware, explained in lib.fixedpoint.rescale
        accumulator_bits : width of the accumulators of Conv, Gemm and MatMul, 2 … 32
        overflow : what an accumulator does when a sum does not fit, "wrap", "saturate" or "saturate_end", explained in
            lib.fixedpoint.accumulator

        Raises InputError for a damaged file or unknown option, UnsupportedModelError for a graph that it cannot run
        exactly as onnxruntime does.
        """
        return cls.from_graph(load(path), requantization, accumulator_bits, overflow)

    @classmethod
    def from_graph(
        cls, graph: Graph, requantization: str = "float32", accumulator_bits: int = 32, overflow: str = "wrap"
    ) -> "IntegerModel":
        """The model of a graph in memory, see `from_onnx`."""
        accumulator = Accumulator(accumulator_bits, overflow)
        model = cls(graph, lower(graph)).requantized(requantization)
        return model.with_layers(lambda name, layer: with_accumulator(name, layer, accumulator))

    def with_layers(self, change: Callable[[str, Linear], Linear]) -> "IntegerModel":
        """The same program with change(name, layer) in place of each layer that multiplies."""
        layers = {step.output: replace(step, run=change(step.node, step.run)) for step in self.layers}
        return IntegerModel(self.graph, [layers.get(step.output, step) for step in self.steps])

    def requantized(self, mode: str) -> "IntegerModel":
        """The same program with all accumulators requantized by `mode`: those of layers and of global average pools.

        Add, Mul, Concat and segments in float32 stay as onnxruntime computes them. Raises InputError for unknown modes.
        """
        rounding_and_bits(mode)

        def changed(run: Callable) -> Callable:
            return replace(run, requantization=mode) if isinstance(run, Linear | GlobalAveragePool) else run

        return IntegerModel(self.graph, [replace(step, run=changed(step.run)) for step in self.steps])

    def run(self, feeds: Feeds, threads: int = 1) -> dict[str, np.ndarray]:
        """The model's outputs by name, as onnxruntime.InferenceSession.run gives them."""
        return self.tensors(feeds, self.graph.outputs, threads=threads)

    def trace(self, feeds: Feeds, threads: int = 1) -> dict[str, np.ndarray]:
        """Every quantized tensor by its ONNX tensor name; where they are too many for memory, in temporary files."""
        return self.tensors(feeds, self.quantized_tensors, threads=threads)

    def tensors(
        self, feeds: Feeds, names: list[str], observer: Observer | None = None, threads: int = 1
    ) -> dict[str, np.ndarray]:
        """Outputs and quantized tensors called `names`, from one execution.

        observer(step, input, accumulators [B · outputs, N]) sees every layer that multiplies, part by part.
        """
        feeds = self._checked(feeds)
        samples = len(feeds[self.graph.inputs[0]])
        size = min(BATCH, -(-samples // threads))
        if samples <= size or not self._may_be_cut:
            return {name: np.ascontiguousarray(x) for name, x in self._execute(feeds, names, observer).items()}

        def execute(part: range) -> dict[str, np.ndarray]:
            return self._execute({name: x[part.start : part.stop] for name, x in feeds.items()}, names, observer)

        whole: dict[str, np.ndarray] = {}
        for index, parts in enumerate(over_batches(execute, range(samples), size, threads)):
            if not whole:
                large = sum(part.nbytes for part in parts.values()) * samples > MEMORY_BYTES * size
                make = file_array if large else np.empty
                whole = {name: make((samples, *part.shape[1:]), part.dtype) for name, part in parts.items()}
            for name, part in parts.items():
                whole[name][index * size : index * size + len(part)] = part
                if large:
                    release(whole[name])
        return whole

    @property
    def bound_bits(self) -> int:
        """Width of accumulators in which no sum of any layer can overflow, whatever the input."""
        return max(step.run.bound_bits for step in self.layers)

    @property
    def quantized_tensors(self) -> list[str]:
        """ONNX names of the 8-bit tensors, in the order they are computed."""
        names = self.graph.producer.keys()
        return [step.output for step in self.steps if step.output in names and step.dtype != np.float32]

    @cached_property
    def _may_be_cut(self) -> bool:
        """Whether all tensors have the samples along their first axis, so that a batch may be executed in parts."""
        inputs = self._declared_inputs()
        if any(size[0] is not None or None in size[1:] for _, size in inputs.values()):
            return False

        def lengths(samples: int) -> set[int]:
            feeds = {name: np.zeros((samples, *size[1:]), dtype) for name, (dtype, size) in inputs.items()}
            return {len(values) for values in self._execute(feeds, [step.output for step in self.steps]).values()}

        return lengths(1) == {1} and lengths(3) == {3}

    def _execute(self, feeds: Feeds, names: list[str], observer: Observer | None = None) -> dict[str, np.ndarray]:
        """The tensors called `names`, from one pass over the steps; others are let go as soon as nobody reads them."""
        values = dict(feeds)
        for step, finished in zip(self.steps, self._finished, strict=True):
            inputs = [values[name] for name in step.inputs]
            observe = {"observe": partial(observer, step)} if observer and isinstance(step.run, Linear) else {}
            try:
                values[step.output] = step.run(*inputs, **observe)
            except (ValueError, IndexError) as error:
                shapes = " and ".join(str(x.shape) for x in inputs)
                problem = f"inputs of shape {shapes} do not fit ({error})"
                raise InputError(f"{self.graph.path}: node {step.node!r}: {problem}") from error
            for name in finished.difference(names):
                del values[name]
        return {name: values[name] for name in names}

    @cached_property
    def _finished(self) -> list[set[str]]:
        """For each step the tensors that no later step reads."""
        later, finished = set(), []
        for step in reversed(self.steps):
            names = {*step.inputs, step.output}
            finished.append(names - later)
            later |= names
        return finished[::-1]

    def _declared_inputs(self) -> dict[str, tuple[np.dtype, list[int | None]]]:
        """Type and shape of each input; None stands for any size."""
        types = {value.name: value.type.tensor_type for value in self.graph.model.graph.input}
        return {
            name: (
                onnx.helper.tensor_dtype_to_np_dtype(types[name].elem_type),
                [d.dim_value or None for d in types[name].shape.dim],
            )
            for name in self.graph.inputs
        }

    def _checked(self, feeds: Feeds) -> Feeds:
        """The feeds, or InputError where name, type, shape or values are not what the model takes."""
        if set(feeds) != set(self.graph.inputs):
            raise InputError(f"{self.graph.path}: inputs {sorted(feeds)} given, {sorted(self.graph.inputs)} expected")
        for name, (dtype, sizes) in self._declared_inputs().items():
            x = feeds[name]
            if not isinstance(x, np.ndarray) or x.dtype != dtype:
                raise InputError(f"{self.graph.path}: input {name!r} must be an array of {dtype}")
            if x.ndim != len(sizes) or any(n not in (None, size) for n, size in zip(sizes, x.shape, strict=True)):
                raise InputError(f"{self.graph.path}: input {name!r} has shape {x.shape}, expected {sizes}")
            if not np.isfinite(x).all():
                raise InputError(f"{self.graph.path}: input {name!r} holds NaN or infinity")
        return feeds
