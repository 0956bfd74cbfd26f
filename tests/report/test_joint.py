"""The corner that the report recommends, on fronts for which the right answer is known."""

import pandas as pd

from lib.report.joint import corners

ACCURACY = pd.DataFrame({"scheme": ["float32", "a"], "accuracy": [0.8, 0.79]})


def front(*rows: tuple) -> pd.DataFrame:
    """Rows (accumulator bits, accuracy, latency, energy), intervals of ±0.01."""
    table = pd.DataFrame(rows, columns=["accumulator_bits", "accuracy", "latency_ms", "energy_uj"])
    table = table.assign(activation_bits=8, weight_bits=8, requantization="float32", on_front=True)
    return table.assign(ci_low=table.accuracy - 0.01, ci_high=table.accuracy + 0.01)


def test_what_the_test_set_cannot_tell_apart_is_decided_by_cost():
    found = corners(front((32, 0.790, 1.0, 10.0), (18, 0.785, 1.0, 9.0), (16, 0.5, 1.0, 8.0)), ACCURACY)
    assert found["most_accurate"].accumulator_bits == found["plain"].accumulator_bits == 32
    assert found["take"].accumulator_bits == 18
    assert found["float32"].accuracy == 0.8
    assert found["cheaper"].accumulator_bits.tolist() == [16]
    assert found["point"].accumulator_bits == 18


def test_fastest_and_most_frugal_are_as_accurate_as_the_corner_taken():
    rows = [(32, 0.79, 4.0, 4.0), (32, 0.79, 1.0, 10.0), (32, 0.79, 2.0, 6.0), (16, 0.5, 0.5, 3.0)]
    found = corners(front(*rows), ACCURACY)
    assert [found[name].latency_ms for name in ("fastest", "take", "frugal")] == [1.0, 1.0, 4.0]
    assert [found[name].edp_uj_ms for name in ("fastest", "take", "frugal")] == [10.0, 10.0, 16.0]


def test_only_corners_that_beat_all_more_accurate_ones_are_further_steps():
    rows = [(32, 0.79, 1, 10), (20, 0.75, 1, 11), (19, 0.74, 1, 9), (18, 0.7, 1, 9.5), (17, 0.6, 1, 8)]
    found = corners(front(*rows), ACCURACY)
    assert found["take"].accumulator_bits == 32
    assert found["cheaper"].accumulator_bits.tolist() == [19, 17]


def test_a_point_less_may_buy_something():
    table = front((32, 0.790, 1, 10), (20, 0.780, 1, 9), (18, 0.7799, 1, 8))
    table["ci_high"] = table.accuracy + 0.001
    table["ci_low"] = table.accuracy - 0.001
    found = corners(table, ACCURACY)
    assert found["take"].accumulator_bits == 32 and found["point"].accumulator_bits == 20
    assert found["cheaper"].accumulator_bits.tolist() == [20, 18]
