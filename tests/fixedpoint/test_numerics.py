"""Combinations of accumulator width and requantization are measured as the models that they name."""

from itertools import product

import numpy as np
import pytest

from lib.fixedpoint import IntegerModel
from lib.fixedpoint.numerics import numerics_study

WIDTHS = [14, 16, 24, 32]
MODES = ["float32", "fixed8", "power_of_two"]


@pytest.fixture(scope="module")
def case(quantized, signal_model):
    path = quantized("signal_model")
    inputs, labels = signal_model.dataset.test()
    return path, IntegerModel.from_onnx(path), inputs, labels


@pytest.fixture(scope="module")
def rows(case):
    _, model, inputs, labels = case
    return list(numerics_study(model, inputs, labels, WIDTHS, "saturate", MODES))


def test_every_combination_has_the_accuracy_of_its_own_model(case, rows):
    path, _, inputs, labels = case
    assert [(row["accumulator_bits"], row["requantization"]) for row in rows] == list(product(WIDTHS, MODES))
    for row in rows:
        model = IntegerModel.from_onnx(path, row["requantization"], row["accumulator_bits"], "saturate")
        classes = model.run({"input": inputs})["logits"].argmax(1)
        assert row["accuracy"] == np.mean(classes == labels)
        assert (row["overflow"], row["samples"]) == ("saturate", len(labels))


def test_narrow_accumulators_make_a_difference_here(rows):
    accuracies = {(row["accumulator_bits"], row["requantization"]): row["accuracy"] for row in rows}
    assert accuracies[14, "float32"] < accuracies[32, "float32"]


def test_widths_that_cannot_overflow_are_run_once(case, monkeypatch):
    _, model, inputs, labels = case
    bound = max(step.run.bound_bits for step in model.layers)
    runs, run = [], IntegerModel.run
    monkeypatch.setattr(IntegerModel, "run", lambda *given, **options: runs.append(1) or run(*given, **options))
    widths = [bound - 1, bound, bound + 1, 32]
    assert len(list(numerics_study(model, inputs, labels, widths, "saturate", ["float32"]))) == 4
    assert len(runs) == 2
