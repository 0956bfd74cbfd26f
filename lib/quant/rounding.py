"""Learned rounding: integers chosen for what a layer computes with them, not for each weight by itself.

Layer by layer in graph order, over integers q within their limits, one scale s per channel and the bias,

    minimise  sum over calibration samples and pixels of (W x + b - s (q - z) x^ - b^)²

where x is the layer's input in the float model and x^ in the quantized one, whose earlier layers are learned already.
No labels are used. The objective is that of AdaRound (Nagel et al., "Up or Down? Adaptive Rounding for Post-Training
Quantization", ICML 2020). It is quadratic, so that the samples enter through their second moments alone; cyclic
coordinate descent over the integers minimises it as in QuantEase (Behdin et al., 2023), with the best scale for the
integers found in closed form between sweeps, from several starts. Central moments make the bias the best one for
whatever is found.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numba import njit
from numpy.lib.stride_tricks import sliding_window_view

from lib.graph import ComputeLayer
from lib.quant.activations import activations
from lib.quant.bias import deployed_layer
from lib.quant.low_bit import LowBitModel
from lib.quant.weights import Weight

SWEEPS = 30
FACTORS = np.arange(70, 121, 5, dtype=np.float32) / 100  # of the scales to start from; the descent ends in local minima
PATCHES = 1 << 24  # values copied out of activations at a time, so that large images fit in memory
DAMPING = 1e-3  # of the mean variance: keeps weights of inputs that hardly vary near their float values


@dataclass(frozen=True)
class Moments:
    """What the calibration samples say about a layer, by group of channels; x^ is what weights multiply, y the output.

    gram : sum of x^ x^ᵀ [groups, K, K]; cross : sum of y x^ᵀ [groups, channels of a group, K]; central with a bias
    x_mean : [groups, K]; y_mean : [groups, channels of a group]; zeros for a layer without a bias

    >>> x, y = np.array([[[1.0, 2.0], [3.0, 4.0]]]), np.array([[[1.0], [2.0]]])  # one group, two rows
    >>> Moments(x.mT @ x, y.mT @ x, np.zeros((1, 2)), np.zeros((1, 1))).cross.tolist()
    [[[7.0, 10.0]]]
    """

    gram: np.ndarray
    cross: np.ndarray
    x_mean: np.ndarray
    y_mean: np.ndarray


def learn_rounding(model: LowBitModel, inputs: np.ndarray) -> LowBitModel:
    """The model with integers, scales and biases learned on calibration samples [N, ...]; activations stay.

    >>> from lib.examples import inputs, low_bit_model
    >>> from lib.quant.activations import logits
    >>> model = low_bit_model(weight_bits=2)
    >>> models = [model.graph.model, model.to_onnx(), learn_rounding(model, inputs()).to_onnx()]
    >>> exact, nearest, learned = (logits(one, inputs()) for one in models)
    >>> [round(float(np.abs(found - exact).mean()), 1) for found in (nearest, learned)]
    [0.9, 0.1]
    """
    for layer in model.graph.layers:
        moments = _layer_moments(model, layer, inputs)
        exact = as_matrices(model.graph.initializers[layer.weight], model.weights[layer.name].axis, layer.groups)
        weight = learned(model.weights[layer.name], exact, moments)
        biases = model.biases
        if layer.name in biases:
            restored = as_matrices(weight.restored(), weight.axis, layer.groups)
            bias = moments.y_mean - np.einsum("gnk,gk->gn", restored, moments.x_mean)
            biases = biases | {layer.name: np.float32(bias.ravel())}
        model = replace(model, weights=model.weights | {layer.name: weight}, biases=biases)
    return model


def as_matrices(values: np.ndarray, axis: int, groups: int) -> np.ndarray:
    """A weight with output channels along `axis` as [groups, channels of a group, K].

    >>> as_matrices(np.arange(6).reshape(3, 2), axis=1, groups=1).tolist()
    [[[0, 2, 4], [1, 3, 5]]]
    """
    values = np.moveaxis(values, axis, 0)
    return values.reshape(groups, len(values) // groups, -1)


def _layer_moments(model: LowBitModel, layer: ComputeLayer, inputs: np.ndarray) -> Moments:
    """Moments of the layer's input in the quantized model and of its output in the float one."""
    count = gram = cross = x_sum = y_sum = 0
    for x, y in operands(model, layer, inputs):
        count += x.shape[1]
        gram = gram + np.float64(np.matmul(x.transpose(0, 2, 1), x))
        cross = cross + np.float64(np.matmul(y.transpose(0, 2, 1), x))
        x_sum = x_sum + x.sum(axis=1, dtype=np.float64)
        y_sum = y_sum + y.sum(axis=1, dtype=np.float64)
    if layer.name not in model.biases:
        return Moments(gram, cross, np.zeros_like(x_sum), np.zeros_like(y_sum))
    x_mean, y_mean = x_sum / count, y_sum / count
    gram -= count * x_mean[:, :, None] * x_mean[:, None, :]
    cross -= count * y_mean[:, :, None] * x_mean[:, None, :]
    return Moments(gram, cross, x_mean, y_mean)


def operands(model: LowBitModel, layer: ComputeLayer, inputs: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Some samples at a time, x^ [groups, rows, K] and y [groups, rows, channels of a group].

    >>> from lib.examples import inputs, low_bit_model
    >>> model = low_bit_model()
    >>> x, y = next(operands(model, model.graph.layers[0], inputs()))
    >>> x.shape, y.shape  # 3x3 weights, 4 channels, 8x8 pixels of 16 samples
    ((1, 1024, 9), (1, 1024, 4))
    """
    quantized, deployed = deployed_layer(model, layer.name)
    runs = activations(quantized, inputs, [deployed.input]), activations(model.graph, inputs, [layer.output])
    for found, exact in zip(*runs, strict=True):
        x, y = found[deployed.input], np.moveaxis(exact[layer.output], 1 if layer.op == "Conv" else -1, -1)
        pixels = y[0].size // y.shape[-1]
        size = max(1, PATCHES // (pixels * layer.groups * layer.macs_per_output))
        for start in range(0, len(x), size):
            rows = y[start : start + size].reshape(-1, layer.groups, y.shape[-1] // layer.groups)
            yield patches(x[start : start + size], layer), rows.transpose(1, 0, 2)


def patches(x: np.ndarray, layer: ComputeLayer) -> np.ndarray:
    """What the layer's weights multiply [groups, rows, K], a row per output pixel, from its input x [B, ...].

    >>> from lib.examples import float_graph
    >>> rows = patches(np.ones((1, 1, 8, 8)), float_graph().layers[0])  # 3x3 weights, padding 1
    >>> rows.sum(axis=-1).reshape(8, 8)[:2, :3]
    array([[4., 6., 6.],
           [6., 9., 9.]])
    """
    if layer.op != "Conv":
        return x.reshape(1, -1, x.shape[-1])
    axes = len(layer.kernel)
    x = np.pad(x, [(0, 0), (0, 0), *zip(layer.pads[:axes], layer.pads[axes:], strict=True)])
    window = [(size - 1) * step + 1 for size, step in zip(layer.kernel, layer.dilations, strict=True)]
    views = sliding_window_view(x, window, axis=tuple(range(2, 2 + axes)))  # [B, C, *pixels, *window]
    steps = [slice(None, None, step) for step in (*layer.strides, *layer.dilations)]
    views = views[:, :, *steps]
    views = views.reshape(len(x), layer.groups, -1, *views.shape[2:])  # [B, groups, C of a group, *pixels, *kernel]
    views = views.transpose(1, 0, *range(3, 3 + axes), 2, *range(3 + axes, 3 + 2 * axes))
    return views.reshape(layer.groups, -1, x.shape[1] // layer.groups * np.prod(layer.kernel))


def learned(weight: Weight, exact: np.ndarray, moments: Moments) -> Weight:
    """The weight with the integers and scales of least error that coordinate descent finds.

    exact : the float weight as matrices
    It starts from the weight's own integers and scales, and from weights rounded to nearest at scales that differ by
    FACTORS; of what it ends with, each scale's channels keep the best. No step makes the error larger. Where the
    sweeps end early, no other value of any single integer makes it smaller.

    >>> nearest = Weight(np.int32([[0, 0]]), np.float32([1]), np.int32([0]), bits=2, symmetric=True, axis=0)
    >>> exact, x = np.array([[[0.4, 0.4]]]), np.array([[[1.0, 1.1], [2.0, 1.9]]])  # alike, so that errors add up
    >>> moments = Moments(x.mT @ x, exact @ x.mT @ x, np.zeros((1, 2)), np.zeros((1, 1)))
    >>> found = learned(nearest, exact, moments)
    >>> found.integers.tolist(), found.scale.round(2)
    ([[1, 0]], array([0.79], dtype=float32))
    """
    gram, cross = damped(moments, exact)
    shape = (*exact.shape[:2], 1) if weight.scale.ndim else (1, 1, 1)
    scale, zero_point = weight.scale.reshape(shape), weight.zero_point.reshape(shape)
    limits = [limit - zero_point for limit in weight.limits]
    starts = [as_matrices(weight.integers, weight.axis, len(exact)) - zero_point]
    starts += [np.clip(np.rint(exact / (factor * scale)), *limits).astype(starts[0].dtype) for factor in FACTORS]
    steps, scales = np.stack(starts), np.stack([scale, *(factor * scale for factor in FACTORS)])
    steps, scales = _descended(steps, scales, gram, cross, limits)
    errors = error(scales * steps.astype(np.float64), gram, cross)
    best = (errors if weight.scale.ndim else errors.sum(axis=(1, 2), keepdims=True)).argmin(axis=0)[None, ..., None]
    steps, scale = np.take_along_axis(steps, best, 0)[0], np.take_along_axis(scales, best, 0)[0]
    moved = np.moveaxis(weight.integers, weight.axis, 0).shape
    integers = np.moveaxis((steps + zero_point).reshape(moved), 0, weight.axis)
    return replace(weight, integers=integers, scale=scale.reshape(weight.scale.shape))


def _descended(
    steps: np.ndarray, scale: np.ndarray, gram: np.ndarray, cross: np.ndarray, limits: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Steps and scales after sweeps over the integers, with the best scale for them after each, until none changes.

    steps : integers less zero points [starts, groups, channels, K]
    scale : [starts, groups, channels, 1], or [starts, 1, 1, 1] where all weights share one
    """
    rows = steps.shape[:3]
    low, high = (np.ascontiguousarray(np.broadcast_to(limit[..., 0], rows[1:])) for limit in limits)
    products = steps @ gram
    for _ in range(SWEEPS):
        units = scale.astype(np.float64)
        falls = cross - units * products  # half of what the error falls by, per unit of each weight
        if not _sweep(steps, np.ascontiguousarray(np.broadcast_to(units[..., 0], rows)), falls, gram, low, high):
            break
        products = steps @ gram
        scale = _refit(steps, scale, products, cross)
    return steps, scale


def damped(moments: Moments, exact: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """gram and cross with DAMPING · |W - Ŵ|² added to the error: what samples leave open stays near its float value.

    >>> moments = Moments(np.diag([2.0, 0.0])[None], np.zeros((1, 1, 2)), np.zeros((1, 2)), np.zeros((1, 1)))
    >>> gram, cross = damped(moments, exact=np.array([[[3.0, 5.0]]]))
    >>> gram.tolist(), cross.round(4).tolist()
    ([[[2.001, 0.0], [0.0, 0.001]]], [[[0.003, 0.005]]])
    """
    variance = np.trace(moments.gram, axis1=1, axis2=2)[:, None, None] / moments.gram.shape[1]
    strength = np.where(variance > 0, DAMPING * variance, 1)
    return moments.gram + strength * np.eye(moments.gram.shape[1]), moments.cross + strength * exact


@njit(nogil=True, cache=True)
def _sweep(steps, units, falls, gram, low, high):
    """Give each weight in turn the best integer for the others as they are; whether any of them changed.

    steps, falls : changed in place; units : of the steps [starts, groups, channels]; low, high : [groups, channels]
    """
    starts, groups, channels, size = steps.shape
    changed = False
    for start in range(starts):
        for group in range(groups):
            for channel in range(channels):
                row, fall = steps[start, group, channel], falls[start, group, channel]
                unit, least, most = units[start, group, channel], low[group, channel], high[group, channel]
                for k in range(size):
                    best = np.rint(row[k] + fall[k] / (unit * gram[group, k, k]))
                    move = min(max(best, least), most) - row[k]
                    if move != 0:
                        changed = True
                        row[k] += int(move)
                        for later in range(k + 1, size):
                            fall[later] -= unit * move * gram[group, k, later]
    return changed


def _refit(steps: np.ndarray, scale: np.ndarray, products: np.ndarray, cross: np.ndarray) -> np.ndarray:
    """The scale with the least error for given integers, where it is positive: s = uᵀc / uᵀGu with u = q - z.

    products : u G
    """
    axes = tuple(axis for axis in range(1, 4) if scale.shape[axis] == 1)  # starts have a scale each
    numerator = np.sum(steps * cross, axis=axes, keepdims=True)
    denominator = np.sum(steps * products, axis=axes, keepdims=True)
    usable = (numerator > 0) & (denominator > 0)
    return np.where(usable, np.divide(numerator, denominator, where=usable), scale).astype(np.float32)


def error(restored: np.ndarray, gram: np.ndarray, cross: np.ndarray) -> np.ndarray:
    """What is minimised, up to a constant: ŵᵀGŵ - 2 ŵᵀc for each channel, from restored weights ŵ [..., K].

    >>> error(np.array([[1.0, 2.0], [1.0, 0.0]]), gram=np.eye(2), cross=np.array([1.0, 0.0]))
    array([ 3., -1.])
    """
    return np.sum(restored * (restored @ gram - 2 * cross), axis=-1)
