"""The exact paired test against enumeration, and Holm's correction against its definition."""

from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.paired import holm, mcnemar


@settings(derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=40))
def test_mcnemar_is_the_share_of_coin_tosses_at_least_as_uneven(pairs):
    first, second = np.array(pairs, bool).reshape(-1, 2).T
    only_first, only_second, p_value = mcnemar(first, second)
    tosses = only_first + only_second
    uneven = [heads for heads in range(tosses + 1) if abs(2 * heads - tosses) >= abs(only_first - only_second)]
    assert only_first == sum(a and not b for a, b in pairs) and only_second == sum(b and not a for a, b in pairs)
    assert p_value == pytest.approx(sum(comb(tosses, heads) for heads in uneven) / 2**tosses)
    assert mcnemar(second, first) == (only_second, only_first, p_value)


def test_samples_on_which_both_agree_change_nothing():
    first, second = np.array([True, True, False, True]), np.array([False, False, True, False])
    same = np.repeat([True, False], 500)
    assert mcnemar(first, second) == mcnemar(np.concatenate([first, same]), np.concatenate([second, same]))


@settings(derandomize=True, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.sampled_from([0.01, 0.05, 0.2]))
def test_holm_rejects_what_stepping_down_rejects(p_values, level):
    """The procedure as Holm wrote it: the smallest against level / n, the next against level / (n - 1), ... ."""
    rejected, left = set(), len(p_values)
    for index in np.argsort(p_values, kind="stable"):
        if p_values[index] * left > level:
            break
        rejected.add(int(index))
        left -= 1
    corrected = holm(np.array(p_values))
    assert {index for index, p in enumerate(corrected) if p <= level} == rejected
    assert all(p <= q <= 1 for p, q in zip(p_values, corrected, strict=True))
