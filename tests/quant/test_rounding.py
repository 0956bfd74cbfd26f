"""Learned rounding keeps a layer's output better than rounding to nearest, and sees calibration inputs alone."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.quant.activations import activations
from lib.quant.error import squared_error
from lib.quant.low_bit import activation_bits, quantize
from lib.quant.rounding import Moments, as_matrices, damped, error, learn_rounding, learned, operands, patches
from lib.quant.weights import quantize_weight


def problem(seed, groups, channels, size, bits, granularity="channel", symmetric=True):
    """A weight rounded to nearest, the float one as matrices, and moments of correlated inputs."""
    rng = np.random.default_rng(seed)
    exact = rng.normal(size=(groups, channels, size))
    x = rng.normal(size=(groups, 4 * size, size)) @ rng.normal(size=(groups, size, size)) + 1
    y = x @ exact.transpose(0, 2, 1) + 0.1 * rng.normal(size=(groups, 4 * size, channels))
    means = np.zeros((groups, size)), np.zeros((groups, channels))
    moments = Moments(x.transpose(0, 2, 1) @ x, y.transpose(0, 2, 1) @ x, *means)
    flat = np.float32(exact.reshape(groups * channels, size))
    return quantize_weight(flat, bits, 0, symmetric, granularity), exact, moments


def error_of(weight, exact, moments):
    """What `learned` minimises [groups, channels]."""
    return error(as_matrices(weight.restored(), weight.axis, len(exact)).astype(np.float64), *damped(moments, exact))


problems = given(
    seed=st.integers(0, 2**32 - 1),
    groups=st.integers(1, 3),
    channels=st.integers(1, 4),
    size=st.integers(1, 6),
    bits=st.integers(2, 8),
    granularity=st.sampled_from(["tensor", "channel"]),
    symmetric=st.booleans(),
)


@settings(derandomize=True, deadline=None, max_examples=60)
@problems
def test_never_worse_than_nearest_and_within_the_limits(**parts):
    nearest, exact, moments = problem(**parts)
    found = learned(nearest, exact, moments)
    before, after = error_of(nearest, exact, moments), error_of(found, exact, moments)
    # One scale for the tensor is the best for the sum of the channels.
    before, after = (before, after) if nearest.scale.ndim else (before.sum(), after.sum())
    size = np.sum(moments.cross * exact)
    assert np.all(after <= before + 1e-6 * size)
    assert found.integers.min() >= found.limits[0] and found.integers.max() <= found.limits[1]
    assert found.scale.shape == nearest.scale.shape and np.all(found.scale > 0)
    assert found.integers.shape == nearest.integers.shape


@settings(derandomize=True, deadline=None, max_examples=40)
@problems
def test_no_other_value_of_one_integer_is_better(**parts):
    nearest, exact, moments = problem(**parts)
    found = learned(nearest, exact, moments)
    best = error_of(found, exact, moments).sum()
    for index in np.ndindex(found.integers.shape):
        for step in (-1, 1):
            integers = found.integers.copy()
            integers[index] = np.clip(integers[index] + step, *found.limits)
            assert error_of(replace(found, integers=integers), exact, moments).sum() >= best - 1e-9 * abs(best)


def test_nearly_as_good_as_trying_all_integers():
    """Of what the best integers and rounding to nearest differ by, coordinate descent leaves a small part."""
    left, gained = 0.0, 0.0
    for seed in range(20):
        nearest, exact, moments = problem(seed, 1, 1, 4, 3)
        found = learned(nearest, exact, moments)
        choices = np.array(list(product(range(found.limits[0], found.limits[1] + 1), repeat=4)))
        gram, cross = damped(moments, exact)
        values = choices * found.scale.astype(np.float64)  # at the scale that was found
        best = np.min(np.sum(values * (values @ gram[0] - 2 * cross[0]), axis=1))
        left += float(error_of(found, exact, moments).item() - best)
        gained += float(error_of(nearest, exact, moments).item() - best)
    assert 0 <= left < 0.1 * gained


@pytest.fixture(scope="module")
def rounded(calibrated):
    graph = calibrated.graph
    bits = activation_bits(graph, 6)
    widths = {layer.name: 3 for layer in graph.layers}
    return quantize(graph, calibrated.ranges["minmax"], bits, widths, weight_range="mse")


def test_operands_are_those_of_the_layers(calibrated, rounded):
    """With nothing quantized before it, the product of patches and float weights is the layer's output."""
    (batch,) = activations(calibrated.graph, calibrated.inputs[:8])
    for layer in calibrated.graph.layers:
        weight = as_matrices(calibrated.graph.initializers[layer.weight], 0, layer.groups)
        bias = calibrated.graph.initializers[layer.bias]
        outputs = patches(batch[layer.input], layer) @ weight.transpose(0, 2, 1)
        outputs = np.concatenate(list(outputs), axis=-1) + bias
        exact = batch[layer.output]
        exact = np.moveaxis(exact, 1, -1) if layer.op == "Conv" else exact
        np.testing.assert_allclose(outputs, exact.reshape(outputs.shape), atol=1e-4 * np.abs(exact).max())


def test_layers_keep_their_outputs_better(calibrated, rounded):
    """In its own objective each layer is better for being learned, given that those before it are."""
    inputs = calibrated.inputs[:32]
    found = learn_rounding(rounded, inputs)
    for layer in calibrated.graph.layers[::3]:
        errors = []
        for weight, bias in [
            (rounded.weights[layer.name], rounded.biases[layer.name]),
            (found.weights[layer.name], found.biases[layer.name]),
        ]:
            matrices = as_matrices(weight.restored(), weight.axis, layer.groups).transpose(0, 2, 1)
            bias = bias.reshape(layer.groups, 1, -1)
            errors.append(sum(squared_error(y, x @ matrices + bias).sum() for x, y in operands(found, layer, inputs)))
        assert errors[1] < errors[0]
    assert found.activations == rounded.activations
