"""Every combination of widths is measured once, and is what it says."""

from itertools import product

import numpy as np
import pytest

from lib.fixedpoint import IntegerModel
from lib.fixedpoint.numerics import classes
from lib.graph import Graph
from lib.quant.activations import load_finite, logits
from lib.quant.bit_widths import Rounding, bit_widths, combinations, rounded
from lib.quant.low_bit import multiplied, quantized_tensors
from lib.quant.ranges import observed


@pytest.fixture(scope="module")
def network(signal_model):
    graph = load_finite(signal_model.path)
    return graph, observed(graph, signal_model.dataset.calibration(64, 1), quantized_tensors(graph))


def test_all_pairs_of_widths_of_the_usual_kind_and_the_edges_of_the_others():
    widths = [8, 5, 2]
    found = combinations(widths, widths)
    assert len(found) == len(set(found)) == len({rounding.scheme for rounding in found})
    assert {Rounding(*pair) for pair in product(widths, widths)} <= set(found)
    kinds = {(rounding.granularity, rounding.weight_symmetry, rounding.activation_symmetry) for rounding in found}
    assert len(kinds) == 8
    for kind, pair in product(kinds, [(8, 2), (2, 8), (8, 8)]):
        assert Rounding(*pair, *kind) in found


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


def test_rows_say_what_the_engine_gets_right(network, signal_model):
    graph, seen = network
    x, labels = signal_model.dataset.test()
    float32_right = logits(graph.model, x).argmax(axis=1) == labels
    answers = []

    def right(model):
        answers.append(classes(IntegerModel.from_graph(Graph(model)), x) == labels)
        return answers[-1]

    roundings = [Rounding(8, 8), Rounding(2, 8)]
    rows = list(bit_widths(graph, seen, "percentile 99.9", roundings, right, float32_right))
    assert len(answers) == 2
    for row, hits in zip(rows, answers, strict=True):
        assert row["accuracy"] == hits.mean() and row["samples"] == len(labels)
        assert row["ci_low"] <= row["accuracy"] <= row["ci_high"]
        assert row["only_float32_right"] == np.sum(float32_right & ~hits)
        assert row["only_float32_right"] - row["only_this_right"] == round(row["loss_points"] * len(labels) / 100)
    assert [row["scheme"] for row in rows] == [rounding.scheme for rounding in roundings]
