"""Sensitivity layer by layer, and assignments of widths that are proven to be the cheapest."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import kendalltau, spearmanr

from lib.fixedpoint import IntegerModel
from lib.fixedpoint.numerics import classes
from lib.graph import Graph
from lib.quant.activations import load_finite, logits
from lib.quant.bit_sensitivity import agreement, bit_sensitivity, operands, proxies
from lib.quant.low_bit import multiplied, quantized_tensors
from lib.quant.mixed import cheapest, mixed_precision
from lib.quant.ranges import observed
from lib.quant.widths import uniform, with_widths

WIDTHS = [2, 4, 8]
shapes = st.tuples(st.integers(1, 4), st.integers(1, 4))


@st.composite
def problems(draw):
    """Costs and losses of a few layers and choices, and a limit that some assignment is within."""
    shape = draw(shapes)
    costs = draw(arrays(np.int64, shape, elements=st.integers(0, 10**6)))
    losses = draw(arrays(np.int64, shape, elements=st.integers(0, 400))) / 4
    return costs, losses, losses.min(axis=1).sum() + draw(st.integers(0, 800)) / 4


@settings(deadline=None, derandomize=True, max_examples=60)
@given(problems())
def test_the_solver_finds_what_trying_everything_finds(problem):
    costs, losses, limit = problem
    layers = range(len(costs))
    choices = [np.array(choice) for choice in product(range(costs.shape[1]), repeat=len(costs))]
    sums = [(costs[layers, choice].sum(), losses[layers, choice].sum()) for choice in choices]
    found = cheapest(costs, losses, limit)
    assert (costs[layers, found].sum(), losses[layers, found].sum()) == min(s for s in sums if s[1] <= limit)


@pytest.fixture(scope="module")
def study(signal_model):
    """What the workflow measures of a network, and the models that it ran."""
    graph = load_finite(signal_model.path)
    calibration = signal_model.dataset.calibration(32, 1)
    seen = observed(graph, calibration, quantized_tensors(graph))
    x, labels = signal_model.dataset.test(64)
    executed = []

    def right(model):
        executed.append(model.SerializeToString())
        return classes(IntegerModel.from_graph(Graph(model)), x, threads=1) == labels

    models = uniform(graph, seen, WIDTHS)
    traces = {layer.name: 1.0 + index for index, layer in enumerate(graph.layers)}
    table = pd.DataFrame(bit_sensitivity(models, seen, calibration, right, traces))
    float32_right = logits(graph.model, x).argmax(axis=1) == labels
    return graph, models, table, right, float32_right, executed


def test_every_operand_is_measured_at_every_width_and_no_model_twice(study):
    graph, _, table, _, _, executed = study
    weights, inputs = (table[table.kind == kind] for kind in ("weight", "activation"))
    assert len(weights) == len(graph.layers) * len(WIDTHS)
    assert set(inputs.tensor) == multiplied(graph)
    assert len(executed) == len(set(executed)) == 1 + (len(graph.layers) + len(multiplied(graph))) * (len(WIDTHS) - 1)
    assert (table[table.bits == 8].drop_points == 0).all()
    assert inputs.hessian.isna().all() and (weights.hessian > 0).all()
    assert (table.outliers >= 1).all() and (table.range > 0).all()


def test_layers_that_share_an_input_are_all_named(resnet_model):
    graph = load_finite(resnet_model.path)
    found = {(layer.name, tensor) for kind, layer, tensor in operands(graph) if kind == "activation"}
    of_the_network = "conv1"  # its input has no width to choose
    assert {name for name, _ in found} == {layer.name for layer in graph.layers} - {of_the_network}
    tensors = dict(found)
    assert tensors["block2.conv1"] == tensors["block2.shortcut"] != tensors["block2.conv2"]


def test_one_narrow_layer_leaves_the_others_as_they_are(study):
    graph, models, *_ = study
    layer, tensor = graph.layers[1].name, min(multiplied(graph))
    model = with_widths(models, {layer: 2}, {tensor: 4})
    assert {name: weight.bits for name, weight in model.weights.items()} == {
        other.name: 2 if other.name == layer else 8 for other in graph.layers
    }
    assert {name for name, meaning in model.activations.items() if meaning.bits != 8} == {tensor}


def test_assignments_are_within_the_predicted_loss_and_never_cost_more_than_one_width(study):
    graph, models, table, right, float32_right, executed = study
    before = len(executed)
    rows = pd.DataFrame(mixed_precision(models, table, [0, 10, 1000], right, float32_right))
    assert len(executed) - before == len(set(executed[before:]))
    uniform_rows, mixed = rows[rows.origin == "uniform"], rows[rows.origin == "mixed"]
    assert uniform_rows.assignment.tolist() == ["all:2", "all:4", "all:8"]
    wide = uniform_rows.predicted_loss_points.iloc[-1]
    assert wide == uniform_rows.loss_points.iloc[-1]
    parameters = sum(models[8].weights[layer.name].integers.size for layer in graph.layers)
    assert uniform_rows.weight_kb.tolist() == [parameters * width / 8000 for width in WIDTHS]
    for objective, cost in (("size", "weight_kb"), ("bit operations", "bit_operations")):
        for row in mixed[mixed.objective == objective].itertuples():
            allowed = max(row.allowed_loss_points, wide)
            assert row.predicted_loss_points <= allowed + 1e-9
            same = uniform_rows[uniform_rows.predicted_loss_points <= allowed]
            assert getattr(row, cost) <= same[cost].min()
        least = mixed[(mixed.objective == objective) & (mixed.allowed_loss_points == 1000)]
        assert least[cost].item() == uniform_rows[cost].min()


def test_bits_that_gain_by_chance_are_not_preferred(study):
    graph, models, table, right, float32_right, _ = study
    lucky = table.assign(drop_points=0.0)
    lucky.loc[lucky.bits == 4, "drop_points"] = 50.0
    lucky.loc[lucky.bits == 2, "drop_points"] = -1.0
    rows = pd.DataFrame(mixed_precision(models, lucky, [1], right, float32_right))
    wide = " ".join(f"{layer.name}:8" for layer in graph.layers)
    assert rows[rows.origin == "mixed"].assignment.unique().tolist() == [wide]


def test_agreement_is_the_average_of_scipys_rank_correlations():
    rng = np.random.default_rng(0)
    proxy, drops = rng.integers(0, 6, (2, 5, 3))
    found = agreement(proxy, drops)
    each = [[rank(p, d).statistic for p, d in zip(proxy.T, drops.T, strict=True)] for rank in (spearmanr, kendalltau)]
    np.testing.assert_allclose([found["spearman"], found["kendall"]], np.mean(each, axis=1))
    assert agreement(drops, drops)["spearman"] == pytest.approx(1)
    assert agreement(np.ones((5, 3)), drops)["spearman"] == 0  # says nothing


def test_proxies_cover_what_is_known_where_something_is_lost(study):
    table = study[2]
    losing = table.assign(drop_points=(table.bits < 8) * (100.0 / table.bits + table.index / 10))
    found = proxies(losing.assign(sqnr_db=-losing.drop_points))
    of_weights = found[found.kind == "weight"].set_index("proxy")
    assert set(of_weights.index) == {"sqnr_db", "hessian", "outliers", "range", "parameters"}
    assert set(found[found.kind == "activation"].proxy) == {"sqnr_db", "outliers", "range"}
    correlations = of_weights.loc["sqnr_db", ["spearman", "kendall", "spearman_over_widths"]]
    assert correlations.tolist() == pytest.approx([-1] * 3)
    assert found.p_value.between(0, 1).all()
    assert "hessian" not in set(proxies(losing.assign(hessian=np.nan)).proxy)
    assert proxies(table.assign(drop_points=0.9)).empty
