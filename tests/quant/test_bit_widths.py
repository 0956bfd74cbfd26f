"""Every combination of widths is measured once, and is what it says."""

from itertools import product

import numpy as np
import pytest

from lib.quant.accuracy import beside_float32
from lib.quant.activations import load_finite
from lib.quant.bit_widths import SYMMETRIES, Rounding, combinations, rounded
from lib.quant.low_bit import multiplied, quantized_tensors
from lib.quant.ranges import observed

GRANULARITIES = ("channel", "tensor")


@pytest.fixture(scope="module")
def network(signal_model):
    graph = load_finite(signal_model.path)
    return graph, observed(graph, signal_model.dataset.calibration(64, 1), quantized_tensors(graph))


def test_all_pairs_of_widths_of_the_usual_kind_and_the_edges_of_the_others():
    widths = [8, 5, 2]
    found = combinations(widths, widths)
    assert len(found) == len(set(found)) == len({rounding.scheme for rounding in found})
    assert {Rounding(*pair) for pair in product(widths, widths)} <= set(found)
    assert {Rounding(bits, 8, *kind) for bits in widths for kind in product(GRANULARITIES, SYMMETRIES)} <= set(found)
    assert {Rounding(8, bits, activation_symmetry="symmetric") for bits in widths} <= set(found)


def test_models_have_the_widths_and_kinds_of_their_combination(network):
    graph, seen = network
    roundings = combinations([8, 3], [8, 3])
    contents = set()
    for rounding in roundings:
        model = rounded(graph, seen, "minmax", rounding)
        for weight in model.weights.values():
            assert weight.bits == rounding.weight_bits
            assert weight.symmetric == (rounding.weight_symmetry == "symmetric")
            assert (weight.scale.ndim == 1) == (rounding.granularity == "channel")
        for tensor, meaning in model.activations.items():
            assert meaning.bits == (rounding.activation_bits if tensor in multiplied(graph) else 8)
            assert meaning.signed == (rounding.activation_symmetry == "symmetric")
        contents.add(model.to_onnx().SerializeToString())
    assert len(contents) == len(roundings)  # no model twice


def test_a_row_compares_with_float32_on_the_same_samples():
    float32_right = np.repeat([True, True, False, False], [80, 10, 6, 4])
    right = np.repeat([True, False, True, False], [80, 10, 6, 4])
    row = beside_float32(right, float32_right)
    assert (row["samples"], row["accuracy"], row["float32_accuracy"], row["loss_points"]) == (100, 0.86, 0.9, 4)
    assert (row["only_float32_right"], row["only_this_right"]) == (10, 6) and 0.4 < row["p_value"] < 0.5
    assert row["ci_low"] < 0.86 < row["ci_high"]
