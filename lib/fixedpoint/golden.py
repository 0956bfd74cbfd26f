"""Golden checks of the reference convolution: against onnxruntime's integers and the network's float32 activations."""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from onnx import ModelProto, ValueInfoProto

from lib.fixedpoint.exactness import Runtime
from lib.fixedpoint.kernels import convolve
from lib.fixedpoint.lowering import Step
from lib.fixedpoint.model import IntegerModel
from lib.fixedpoint.requantize import dequantize
from lib.graph import Graph

BATCH = 100
COLUMNS = ["layer", "samples", "elements", "differing_from_ort"]
COLUMNS += ["mse_to_float32", "max_error_to_float32", "within_one_step_share"]


def golden(model: IntegerModel, runtime: Runtime, float32: Runtime, x: np.ndarray) -> list[dict]:
    """One row per convolution: the reference kernel on the traced inputs, its distance to both references over x.

    runtime : onnxruntime's quantized tensors by name; float32 : float activations by layer; both for a batch
    Errors are in the activation's own unit; a step is the output's scale.

    >>> from onnx.reference import ReferenceEvaluator
    >>> from lib.examples import float_model, inputs, quantized_model
    >>> model, real = IntegerModel.from_onnx(quantized_model()), ReferenceEvaluator(str(float_model()))
    >>> float32 = lambda x: {"features": real.run(["rectified"], {"input": x})[0]}
    >>> engine = lambda x: model.trace({"input": x})  # in place of onnxruntime
    >>> (row,) = golden(model, engine, float32, inputs(4))
    >>> row["layer"], row["elements"], row["differing_from_ort"], round(float(row["within_one_step_share"]), 3)
    ('features', 1024, 0, 0.956)
    """
    layers = [step for step in model.layers if step.run.window]

    def check(batch: np.ndarray) -> list[tuple]:
        feeds = {model.graph.inputs[0]: batch}
        traced, theirs, real = model.trace(feeds), runtime(batch), float32(batch)
        return [_distances(step, traced[step.inputs[0]], theirs[step.output], real[step.node]) for step in layers]

    # One batch after the other: the hooks in the network belong to one thread.
    totals = np.array([check(x[first : first + BATCH]) for first in range(0, len(x), BATCH)])
    rows = []
    for index, step in enumerate(layers):
        elements, differing, squares, _, within = totals[:, index].sum(0)
        rows.append(
            {
                "layer": step.node,
                "samples": len(x),
                "elements": int(elements),
                "differing_from_ort": int(differing),
                "mse_to_float32": squares / elements,
                "max_error_to_float32": totals[:, index, 3].max(),
                "within_one_step_share": within / elements,
            }
        )
    return rows


def reference(step: Step, x: np.ndarray) -> np.ndarray:
    """The reference kernel on one convolution step of an integer program.

    >>> from lib.examples import inputs, quantized_model
    >>> model = IntegerModel.from_onnx(quantized_model())
    >>> tensors = model.trace({"input": inputs(2)})
    >>> y = reference(model.layers[0], tensors["input_quantized"])
    >>> y.shape, np.array_equal(y, tensors["features_quantized"])
    ((2, 4, 8, 8), True)
    """
    layer = step.run
    return convolve(
        x,
        layer.weight,
        layer.bias,
        layer.multiplier,
        x_zero_point=int(layer.x_zero_point),
        y_zero_point=layer.y.zero_point,
        strides=layer.window.strides,
        pads=layer.window.pads(x.shape[2:]),
        dilations=layer.window.dilations,
        groups=layer.groups,
    )


def _distances(step: Step, x: np.ndarray, theirs: np.ndarray, real: np.ndarray) -> tuple:
    y = reference(step, x)
    error = np.abs(dequantize(y, step.run.y).astype(np.float64) - real)
    within = np.count_nonzero(error <= step.run.y.scale)
    return y.size, np.count_nonzero(y != theirs), (error**2).sum(), error.max(), within


def ends_at_zero(step: Step) -> bool:
    """Whether a step's integers start at the real 0.

    >>> from lib.examples import quantized_model
    >>> {step.node: bool(ends_at_zero(step)) for step in IntegerModel.from_onnx(quantized_model()).layers}
    {'features': True, 'logits': False}
    """
    return step.run.y.zero_point == np.iinfo(step.run.y.dtype).min


def onnx_activations(graph: Graph, steps: Iterable[Step], runtime: Callable[[ModelProto], Runtime]) -> Runtime:
    """What the float ONNX model computes where the convolution steps write: its tensors by layer, for a batch.

    runtime : what computes the outputs of a model
    A step whose integers start at the real 0 has swallowed the Relu or Clip behind it, and is compared with its result.

    >>> from onnx.reference import ReferenceEvaluator
    >>> from lib.examples import float_model, inputs, quantized_model
    >>> from lib.graph import load
    >>> steps = IntegerModel.from_onnx(quantized_model()).layers[:1]
    >>> def runtime(model):
    ...     evaluator = ReferenceEvaluator(model)
    ...     return lambda x: dict(zip(evaluator.output_names, evaluator.run(None, {"input": x})))
    >>> found = onnx_activations(load(float_model()), steps, runtime)(inputs(2))
    >>> {layer: (y.shape, float(y.min())) for layer, y in found.items()}
    {'features': ((2, 4, 8, 8), 0.0)}
    """
    nodes, tensors = {node.name: node for node in graph.nodes}, {}
    for step in steps:
        tensor = nodes[step.node].output[0]
        readers = graph.consumers.get(tensor, [])
        swallowed = len(readers) == 1 and readers[0].op_type in ("Relu", "Clip") and ends_at_zero(step)
        tensors[step.node] = readers[0].output[0] if swallowed else tensor
    exposed = ModelProto()
    exposed.CopyFrom(graph.model)
    hidden = sorted(set(tensors.values()) - set(graph.outputs))
    exposed.graph.output.extend(ValueInfoProto(name=name) for name in hidden)
    computed = runtime(exposed)

    def activations(batch: np.ndarray) -> dict[str, np.ndarray]:
        found = computed(batch)
        return {layer: found[tensor] for layer, tensor in tensors.items()}

    return activations


def pytorch_activations(network: torch.nn.Module, steps: Iterable[Step]) -> Runtime:
    """What PyTorch computes where the convolution steps write: the float32 tensors by layer, for a batch.

    network : with batch normalization folded, in evaluation mode; its modules have the names of the steps' nodes
    A step whose integers start at the real 0 has swallowed the Relu behind it, and is compared with its result.

    >>> from lib.examples import inputs, quantized_model
    >>> steps = IntegerModel.from_onnx(quantized_model()).layers[:1]
    >>> network = torch.nn.Sequential()
    >>> network.add_module(steps[0].node, torch.nn.Conv2d(1, 4, 3, padding=1))
    >>> found = pytorch_activations(network, steps)(inputs(2))
    >>> {layer: (y.shape, float(y.min())) for layer, y in found.items()}
    {'features': ((2, 4, 8, 8), 0.0)}
    """
    swallowed = {step.node: ends_at_zero(step) for step in steps}

    def activations(batch: np.ndarray) -> dict[str, np.ndarray]:
        seen = {}
        hooks = [network.get_submodule(name).register_forward_hook(_keep(seen, name)) for name in swallowed]
        with torch.inference_mode():
            network(torch.from_numpy(batch))
        for hook in hooks:
            hook.remove()
        return {name: np.maximum(y, 0) if swallowed[name] else y for name, y in seen.items()}

    return activations


def _keep(seen: dict[str, np.ndarray], name: str) -> Callable:
    def hook(module, inputs, output):
        seen[name] = output.numpy()

    return hook
