"""Golden checks of the reference convolution: against onnxruntime's integers and PyTorch's float32 activations."""

from collections.abc import Callable, Iterable

import numpy as np
import torch

from lib.fixedpoint.exactness import Runtime
from lib.fixedpoint.kernels import convolve
from lib.fixedpoint.lowering import Step
from lib.fixedpoint.model import IntegerModel
from lib.fixedpoint.requantize import dequantize

BATCH = 100


def golden(model: IntegerModel, runtime: Runtime, pytorch: Runtime, x: np.ndarray) -> list[dict]:
    """One row per convolution: the reference kernel on the traced inputs, its distance to both references over x.

    runtime : onnxruntime's quantized tensors by name; pytorch : float32 activations by layer; both for a batch
    Errors are in the activation's own unit; a step is the output's scale.
    """
    layers = [step for step in model.layers if step.run.window]

    def check(batch: np.ndarray) -> list[tuple]:
        feeds = {model.graph.inputs[0]: batch}
        traced, theirs, real = model.trace(feeds), runtime(batch), pytorch(batch)
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
                "mse_to_pytorch": squares / elements,
                "max_error_to_pytorch": totals[:, index, 3].max(),
                "within_one_step_share": within / elements,
            }
        )
    return rows


def reference(step: Step, x: np.ndarray) -> np.ndarray:
    """The reference kernel on one convolution step of an integer program."""
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


def pytorch_activations(network: torch.nn.Module, steps: Iterable[Step]) -> Runtime:
    """What PyTorch computes where the convolution steps write: the float32 tensors by layer, for a batch.

    network : with batch normalization folded, in evaluation mode; its modules have the names of the steps' nodes
    A step whose integers start at the real 0 has swallowed the Relu behind it, and is compared with its result.
    """
    swallowed = {step.node: step.run.y.zero_point == np.iinfo(step.run.y.dtype).min for step in steps}

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
