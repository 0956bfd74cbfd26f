"""The facts of the report, on tables for which the right answer is known."""

from collections.abc import Iterable
from itertools import product

import pandas as pd
import pytest

from lib.report.accumulators import narrowest, overflow_policies, reliefs, too_narrow
from lib.report.answers import answers, quantization


def bench(*rows: tuple, apart: Iterable[tuple[str, str]] = ()) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Accuracy, latency and paired tables from (scheme, accuracy, half interval, ms, kB), float32 first.

    apart : pairs that the paired test tells apart
    """
    names = ["scheme", "accuracy", "half", "p50_ms", "size_kb"]
    table = pd.DataFrame(rows, columns=names).assign(batch=1, samples=1000)
    table["speedup"] = table.p50_ms.iloc[0] / table.p50_ms
    table["ci_low"], table["ci_high"] = table.accuracy - table.half, table.accuracy + table.half
    accuracy = table[["scheme", "accuracy", "ci_low", "ci_high", "size_kb", "samples"]]
    accuracy = accuracy.assign(format="qdq", activation="uint8", granularity="channel", calibration=table.scheme)
    schemes = table.scheme[1:].tolist()
    best = table.scheme[table.accuracy[1:].idxmax()]
    pairs = [(first, second) for first, second in product(["float32", best], schemes) if first != second]
    paired = pd.DataFrame(pairs, columns=["first", "second"])
    paired["p_holm"] = [0.001 if pair in apart else 0.7 for pair in pairs]
    return accuracy, table[["scheme", "batch", "p50_ms", "speedup"]], paired


FLOAT32 = ("float32", 0.80, 0.01, 1.0, 400)


def test_a_clear_winner_is_recommended_although_others_are_faster():
    rows = ("a", 0.80, 0.01, 0.9, 100), ("b", 0.70, 0.01, 0.3, 100)
    found = quantization(*bench(FLOAT32, *rows, apart=[("a", "b"), ("float32", "b")]))
    assert found["recommended"]["scheme"] == found["most_accurate"]["scheme"] == "a"
    assert not found["is_tie"] and found["margin_points"] == pytest.approx(10)
    assert found["fastest"]["scheme"] == "b" and found["size_ratio"] == 4
    assert found["within_float32"] == found["unlike_float32"] == 1 and found["overlapping"] == 0
    assert found["apart_by"] == "calibration b"
    assert found["against_float32"]["second"] == "a" and not found["against_float32"]["told_apart"]


def test_schemes_that_the_paired_test_cannot_tell_apart_are_a_tie_that_speed_decides():
    found = quantization(*bench(FLOAT32, ("a", 0.80, 0.01, 0.9, 100), ("b", 0.79, 0.01, 0.3, 100)))
    assert found["is_tie"] and found["tied"] == ["a", "b"]
    assert found["most_accurate"]["scheme"] == "a" and found["recommended"]["scheme"] == "b"


def test_the_paired_test_decides_where_intervals_overlap():
    rows = ("a", 0.80, 0.01, 0.9, 100), ("b", 0.79, 0.01, 0.3, 100)
    found = quantization(*bench(FLOAT32, *rows, apart=[("a", "b")]))
    assert found["tied"] == ["a"] and found["recommended"]["scheme"] == "a"
    assert found["overlapping"] == 1 and found["unlike_float32"] == 0


def test_float32_being_told_from_a_scheme_does_not_end_its_tie():
    rows = ("a", 0.80, 0.01, 0.9, 100), ("b", 0.79, 0.01, 0.3, 100)
    found = quantization(*bench(FLOAT32, *rows, apart=[("float32", "b")]))
    assert found["tied"] == ["a", "b"] and found["against_float32"]["told_apart"]


def test_equal_speed_is_decided_by_size_and_equal_size_by_accuracy():
    rows = ("a", 0.80, 0.01, 0.300, 200), ("b", 0.790, 0.01, 0.301, 100), ("c", 0.795, 0.01, 0.310, 102)
    assert quantization(*bench(FLOAT32, *rows))["recommended"]["scheme"] == "c"


def test_a_single_scheme_wins_without_a_tie():
    found = quantization(*bench(FLOAT32, ("a", 0.80, 0.01, 0.9, 100)))
    assert found["recommended"]["scheme"] == "a" and not found["is_tie"] and found["margin_points"] == 0


def curve(accuracies: dict[int, float]) -> pd.DataFrame:
    return pd.DataFrame({"accumulator_bits": accuracies.keys(), "accuracy": accuracies.values()})


def overflow(layer: str, **by_policy: dict[int, float]) -> pd.DataFrame:
    parts = [curve(accuracies).assign(layer=layer, policy=policy) for policy, accuracies in by_policy.items()]
    return pd.concat(parts, ignore_index=True).assign(samples=1000)


def test_narrowest_accumulators_by_loss():
    table = curve({32: 0.80, 20: 0.80, 19: 0.799, 18: 0.79, 17: 0.5})
    assert narrowest(table, 0.80) == {"none": 20, "tenth": 19, "one": 18}


def test_a_width_counts_only_if_all_wider_ones_do():
    # 17 bits are as good as 32 by luck; 18 bits are not.
    assert narrowest(curve({32: 0.80, 18: 0.70, 17: 0.80}), 0.80) == {"none": 32, "tenth": 32, "one": 32}


def test_widths_that_all_lose_have_no_answer():
    assert narrowest(curve({16: 0.5}), 0.8) == {"none": None, "tenth": None, "one": None}


def test_the_limiting_layer_and_the_widest_gap_between_policies_are_found():
    same = {32: 0.8, 18: 0.8, 17: 0.8}
    found = overflow_policies(
        pd.concat(
            [
                overflow("all", saturate={32: 0.8, 18: 0.7, 17: 0.6}, wrap={32: 0.8, 18: 0.6, 17: 0.1}),
                overflow("a", saturate=same, wrap=same),
                overflow("b", saturate=same | {17: 0.7}, wrap=same | {18: 0.6, 17: 0.2}),
            ],
            ignore_index=True,
        )
    )
    assert found["narrowest"]["saturate"]["none"] == 32
    assert found["limiting"] == {
        "saturate": {"bits": 18, "layers": ["b"]},
        "wrap": {"bits": 32, "layers": ["b"]},
    }
    assert found["gap"]["bits"] == 17 and found["gap"]["points"] == pytest.approx(50)


def test_policies_that_agree_have_no_gap():
    same = {32: 0.8, 17: 0.7}
    assert overflow_policies(overflow("all", saturate=same, wrap=same))["gap"] == {}


def test_remedies_are_compared_with_plain_saturation_at_the_same_loss():
    def rows(technique, policy, accuracies):
        return curve(accuracies).assign(technique=technique, policy=policy)

    table = pd.concat(
        [
            rows("plain", "saturate", {32: 0.8, 19: 0.8, 18: 0.79, 17: 0.5, 16: 0.1}),
            rows("tile 8", "saturate", {18: 0.8, 17: 0.8, 16: 0.79}),
            rows("rescaled", "none", {19: 0.7, 18: 0.6}),
        ],
        ignore_index=True,
    )
    rows = reliefs(table)
    assert too_narrow(table, rows)["technique"] == "tile 8" and too_narrow(table, rows)["plain_accuracy"] == 0.5
    plain, tile, rescaled = rows
    assert plain["widths"] == {"none": 19, "tenth": 19, "one": 18} and set(plain["saved"].values()) == {0}
    assert tile["widths"] == {"none": 17, "tenth": 17, "one": 16} and tile["saved"]["one"] == 2
    assert rescaled["widths"]["one"] == 32 and rescaled["saved"]["one"] == -14


def test_one_workload_alone_has_its_answers(tables):
    alone = {name: table.query("workload == 'tiny_cnn_2d'") for name, table in tables.items() if "workload" in table}
    assert list(answers(alone)) == ["tiny_cnn_2d"] and list(answers(tables)) == ["signal_cnn_1d", "tiny_cnn_2d"]
