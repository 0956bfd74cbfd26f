"""The study of calibration samples: every combination, each as if it had been made alone."""

from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest

from lib.fixedpoint import IntegerModel
from lib.fixedpoint.numerics import classes
from lib.graph import Graph
from lib.quant import low_bit
from lib.quant.activations import load_finite
from lib.quant.calibration_study import calibration_study
from lib.quant.ranges import activation_ranges


@pytest.fixture(scope="module")
def study(signal_model):
    """The rows of a small study, which samples it drew, and what ran its models."""
    inputs, labels = signal_model.dataset.test()
    drawn = []

    def draw(number: int, seed: int) -> np.ndarray:
        drawn.append((number, seed))
        return signal_model.dataset.calibration(number, seed)

    def right(model) -> np.ndarray:
        return classes(IntegerModel.from_graph(Graph(model)), inputs, threads=1) == labels

    graph = load_finite(signal_model.path)
    choices = {"samples": [2, 64], "seeds": 2, "seed": 5, "percentiles": [90, 99.9], "activation_bits": [8, 3]}
    rows = list(calibration_study(graph, draw, right, **choices))
    return SimpleNamespace(rows=rows, drawn=drawn, graph=graph, dataset=signal_model.dataset, right=right)


def test_every_combination_is_measured_once_on_the_whole_test_set(study):
    keys = [(r["calibration"], r["activation_bits"], r["calibration_samples"], r["seed"]) for r in study.rows]
    calibrations = ["minmax", "percentile 90", "percentile 99.9", "entropy", "mse"]
    assert sorted(keys) == sorted(product(calibrations, [8, 3], [2, 64], [5, 6]))
    assert {row["samples"] for row in study.rows} == {len(study.dataset.test_y)}


def test_methods_share_each_draw(study):
    assert study.drawn == list(product([2, 64], [5, 6]))


@pytest.mark.parametrize("calibration", ["minmax", "percentile 90", "mse"])
def test_accuracies_are_those_of_models_calibrated_alone(study, calibration):
    bits = low_bit.activation_bits(study.graph, 3)
    ranges = activation_ranges(study.graph, study.dataset.calibration(64, seed=6), calibration, bits)
    weights = {layer.name: 8 for layer in study.graph.layers}
    expected = study.right(low_bit.quantize(study.graph, ranges, bits, weights).to_onnx())
    (found,) = [
        row["accuracy"]
        for row in study.rows
        if (row["calibration"], row["activation_bits"]) == (calibration, 3)
        and (row["calibration_samples"], row["seed"]) == (64, 6)
    ]
    assert found == np.mean(expected)


def test_narrow_activations_tell_calibrations_apart(study):
    assert len({row["accuracy"] for row in study.rows if row["activation_bits"] == 3}) > 3
