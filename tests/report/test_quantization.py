"""The facts of the quantization study, on tables for which the right answer is known."""

from itertools import product

import pandas as pd
import pytest

from lib.report.answers import answers, shared_choice
from lib.report.quantization import MAIN, contests, gains, reach, recipes
from lib.report.sensitivity import folding, needed_bits, predictors, savings, sensitive


def low_bit(*rows: tuple) -> pd.DataFrame:
    """Rows (widths such as "w4a8", techniques such as "mse learned" or "qat", points lost) of 1,000 samples.

    Five samples that float32 gets wrong are right, so that intervals are about ±0.6 points.
    """
    table = pd.DataFrame(rows, columns=["widths", "used", "loss_points"])
    return table.assign(
        workload="net",
        dataset="data",
        weight_bits=table.widths.str[1].astype(int),
        activation_bits=table.widths.str[3].astype(int),
        weight_range=["mse" if "mse" in used else "minmax" for used in table.used],
        equalized=table.used.str.contains("equalized"),
        rounding=["learned" if "learned" in used else "nearest" for used in table.used],
        bias_corrected=table.used.str.contains("corrected"),
        trained=table.used.str.contains("qat"),
        samples=1000,
        only_float32_right=5 + (10 * table.loss_points).round(),
        only_this_right=5,
    )


def library(weight_bits: int, activation_bits: int, loss_points: float) -> pd.DataFrame:
    accuracy = 0.8 - loss_points / 100
    row = {"library": "somelib", "technique": "GPTQ", "weight_bits": weight_bits, "activation_bits": activation_bits}
    interval = {"accuracy": accuracy, "ci_low": accuracy - 0.025, "ci_high": accuracy + 0.025}
    return pd.DataFrame([{"workload": "net", "dataset": "data", "loss_points": loss_points} | row | interval])


def widths(losses: dict[str, float]) -> pd.DataFrame:
    """Plain rounding in the main variant, and a variant that loses nothing at any width."""
    table = pd.DataFrame(losses.items(), columns=["widths", "loss_points"])
    table = table.assign(weight_bits=table.widths.str[1].astype(int), activation_bits=table.widths.str[3].astype(int))
    return pd.concat([table.assign(**MAIN), table.assign(**MAIN | {"granularity": "tensor"}, loss_points=0.0)])


def test_what_schemes_that_fail_have_in_common_is_named():
    rows = list(product(["qdq", "qoperator"], ["uint8", "int8"], ["tensor", "channel"], ["minmax", "entropy"]))
    schemes = pd.DataFrame(rows, columns=["format", "activation", "granularity", "calibration"])
    assert shared_choice(schemes, schemes.calibration == "entropy") == "calibration entropy"
    assert shared_choice(schemes, (schemes.calibration == "entropy") & (schemes.format == "qdq")) is None
    assert shared_choice(schemes, schemes.format == "none") is None


def test_fewest_bits_within_each_limit_by_method():
    found = reach(
        widths({"w8a8": 0.0, "w4a8": 2.8, "w8a4": 1.0, "w6a6": 0.5}),
        low_bit(("w4a8", "minmax", 2.8), ("w4a8", "mse learned", 0.3), ("w2a8", "qat", 4.0)),
    )
    pairs = {method: [row and row["widths"] for row in limits.values()] for method, limits in found.items()}
    assert pairs["naive PTQ"] == ["w6a6", "w8a4", "w8a4"]
    assert pairs["better PTQ"] == ["w4a8", "w4a8", "w4a8"]
    assert pairs["QAT"] == [None, None, None]


def test_each_technique_is_credited_with_what_it_alone_changes():
    table = gains(
        low_bit(
            ("w4a4", "minmax", 5.0),
            ("w4a4", "mse", 4.0),
            ("w4a4", "mse learned", 2.0),
            ("w4a4", "mse corrected", 3.5),
            ("w4a4", "mse learned corrected", 1.9),
            ("w4a4", "qat", 0.5),
        )
    ).set_index("technique")
    assert table.index.tolist() == ["MSE ranges", "learned rounding", "bias correction"]
    assert table.first_points.tolist() == pytest.approx([1.0, 2.0, 0.5])
    assert table.last_points.tolist() == pytest.approx([1.0, 1.6, 0.1])


def test_the_simplest_recipe_that_is_level_with_the_best_is_taken():
    rows = [("minmax", 6.0), ("mse", 4.0), ("mse learned", 1.2), ("equalized mse learned corrected", 1.0)]
    (found,) = contests(low_bit(*(("w4a4", *row) for row in rows)), library(4, 4, 1.0)[:0])
    assert found["best"]["recipe"] == "MSE ranges + equalization + learned rounding + bias correction"
    assert found["level"] == ["MSE ranges + learned rounding", found["best"]["recipe"]]
    assert found["take"]["recipe"] == "MSE ranges + learned rounding"
    assert found["naive_standing"] == "behind" and found["qat"] is None and found["library_standing"] is None


def test_rivals_are_ranked_only_where_intervals_do_not_overlap():
    table = low_bit(("w2a8", "minmax", 60.0), ("w2a8", "mse learned", 6.0), ("w2a8", "qat", 2.0), ("w3a8", "qat", 1.0))
    narrowest, trained_only = contests(table, library(2, 8, 5.0))
    assert narrowest["qat_standing"] == "ahead of" and narrowest["library_standing"] == "level with"
    assert trained_only["best"] is trained_only["take"] is None and trained_only["qat"]["loss_points"] == 1.0


def test_a_loss_counts_the_samples_that_only_one_of_two_models_gets_right():
    ours, theirs = recipes(low_bit(("w4a8", "minmax", 1.0)), library(4, 8, 1.0)).itertuples()
    assert ours.loss_low < 1 < ours.loss_high < theirs.loss_high
    assert ours.loss_low > theirs.loss_low


def sensitivity(drops: dict[str, dict[int, float]], **properties: list) -> pd.DataFrame:
    """Weights' rows from {layer: {bits: points lost}}; properties by layer."""
    facts = {"outliers": [3.0] * len(drops), "range": [1.0] * len(drops), "parameters": [9] * len(drops)} | properties
    return pd.DataFrame(
        {"kind": "weight", "layer": layer, "tensor": layer, "bits": bits, "drop_points": lost}
        | {name: values[index] for name, values in facts.items()}
        for index, (layer, by_bits) in enumerate(drops.items())
        for bits, lost in by_bits.items()
    )


def test_a_layer_needs_the_bits_below_which_it_loses_half_a_point():
    table = sensitivity({"a": {8: 0.0, 4: 0.5, 2: 3.0}, "b": {8: 0.0, 4: 0.6, 2: 0.0}, "c": {4: 9.0}})
    needs = needed_bits(table)
    assert needs["a"] == 4 and needs["b"] == 8 and pd.isna(needs["c"])


def test_the_sensitive_layer_is_named_with_what_sets_it_apart():
    drops = {"a": {4: 0.1, 2: 1.0}, "b": {4: 0.7, 2: 9.0}, "c": {4: 0.0, 2: 2.0}}
    table = sensitivity(drops, outliers=[3.0, 8.0, 4.0], range=[2.0, 1.0, 1.0], parameters=[30, 20, 50])
    found = sensitive(table)["weight"]
    assert found["layer"] == "b" and found["worst"]["bits"] == 2 and found["layers"] == 3
    assert found["reasons"] == [
        {"property": "outliers", "value": 8.0, "median": 4.0},
        {"property": "parameters", "value": 20, "median": 30.0},
    ]


def test_layers_that_multiply_the_same_tensor_count_once():
    table = sensitivity({"a": {2: 9.0}, "b": {2: 9.0}, "c": {2: 1.0}}, range=[2.0, 2.0, 1.0])
    found = sensitive(table.replace({"tensor": {"b": "a"}}))["weight"]
    assert found["layer"] == "a" and found["layers"] == 2 and [r["property"] for r in found["reasons"]] == ["range"]


def test_what_all_layers_share_explains_nothing():
    found = sensitive(sensitivity({"a": {2: 1.0}, "b": {2: 9.0}}))["weight"]
    assert found["layer"] == "b" and found["reasons"] == []


def test_the_strongest_proxy_comes_first_whatever_its_sign():
    rows = [("weight", "outliers", 0.4), ("weight", "sqnr_db", -0.9), ("weight", "hessian", None)]
    found = predictors(pd.DataFrame(rows, columns=["kind", "proxy", "spearman"]))
    assert [row["name"] for row in found["weight"]] == ["SQNR of the logits", "outliers"]


def test_mixed_widths_are_compared_with_the_cheapest_uniform_one_that_loses_no_more():
    rows = [
        ("uniform", "", "all:8", 80.0, 8.0, 0.0),
        ("uniform", "", "all:5", 50.0, 5.0, 0.6),
        ("uniform", "", "all:4", 40.0, 4.0, 4.0),
        ("mixed", "size", "a:5 b:4", 42.0, 4.8, 0.9),
        ("mixed", "bit operations", "a:4 b:5", 48.0, 5.5, 0.8),
    ]
    columns = ["origin", "objective", "assignment", "weight_kb", "bit_operations", "loss_points"]
    found = savings(pd.DataFrame(rows, columns=columns)).set_index(["objective", "limit_points"])
    size, operations = found.loc["size", 1.0], found.loc["bit operations", 1.0]
    assert size.uniform_assignment == "W5" and size.saved == pytest.approx(0.16)
    assert operations.saved == pytest.approx(-0.1)
    assert 0.5 not in found.loc["size"].index


def test_folding_is_summed_up_by_stage_at_the_fewest_bits(tables):
    found = folding(tables["folding"].query("workload == 'tiny_cnn_2d'")).set_index("stage")
    assert found.index.tolist() == ["trained", "folded", "equalized"]
    assert found.spread.tolist() == [3.0, 20.0, 5.0] and (found.bits == 4).all()


def test_a_workload_may_be_absent_from_the_studys_tables(tables):
    absent = ["folding", "library", "bit_sensitivity", "proxies", "mixed_precision", "bit_widths", "low_bit"]
    for name in absent:
        tables[name] = tables[name].query("workload == 'signal_cnn_1d'")
    assert answers(tables)["tiny_cnn_2d"]["study"]["reach"] == {}
