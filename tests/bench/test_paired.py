"""The table of paired comparisons of a benchmark's models."""

from itertools import product

import numpy as np
import pytest

from lib.bench.paired import comparisons


def test_comparisons_of_a_benchmark():
    """float32 and `a` are right on all of 100 samples, `b` on all but 1 and `c` on 60."""
    labels = np.zeros(100, np.uint8)
    predictions = {name: np.zeros(100, np.uint8) for name in ("float32", "c", "b", "a")}
    predictions["b"][:1] = predictions["c"][:40] = 1
    table = comparisons(labels, predictions)
    pairs = list(zip(table["first"], table["second"], strict=True))
    assert set(pairs) == {*product(["float32"], "abc"), ("a", "b"), ("a", "c")} and len(pairs) == 5
    found = table.set_index(["first", "second"])
    assert found.loc[("a", "c"), ["samples", "only_first_right", "only_second_right"]].tolist() == [100, 40, 0]
    assert found.p_value["a", "b"] == 1 and found.p_value["float32", "a"] == 1
    # Six pairs in all; those with c are the three to be told apart.
    assert found.p_holm["a", "c"] == pytest.approx(6 * 2 / 2**40)


def test_a_single_scheme_is_compared_with_float32_alone():
    labels = np.array([0, 1, 1])
    table = comparisons(labels, {"float32": labels, "a": np.array([0, 1, 0])})
    assert table[["first", "second", "p_holm"]].values.tolist() == [["float32", "a", 1.0]]
