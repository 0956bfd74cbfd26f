"""Paired comparison of classifiers on the same samples, and correction for making many comparisons."""

import numpy as np
from scipy.special import bdtr


def mcnemar(first_right: np.ndarray, second_right: np.ndarray) -> tuple[int, int, float]:
    """How many samples only the first classifies correctly, how many only the second, and the exact two-sided p-value.

    first_right, second_right : bool [N], whether each of the same samples is classified correctly
    Samples on which both are right or both wrong say nothing about which is better. If neither is, the others fall to
    either side like a fair coin: p is the probability of a split at least as uneven.
    Source: McNemar, Psychometrika 12 (1947) 153-157, with the binomial distribution in place of its approximation.

    >>> first, second = np.repeat([True, False], [90, 10]), np.repeat([True, False, True], [82, 10, 8])
    >>> mcnemar(first, second)
    (8, 8, 1.0)
    >>> mcnemar(np.ones(6, bool), np.zeros(6, bool))
    (6, 0, 0.03125)
    """
    first, second = np.asarray(first_right, bool), np.asarray(second_right, bool)
    only_first, only_second = int(np.sum(first & ~second)), int(np.sum(second & ~first))
    as_uneven = 2 * bdtr(min(only_first, only_second), only_first + only_second, 0.5)
    return only_first, only_second, min(1.0, float(as_uneven))


def holm(p_values: np.ndarray) -> np.ndarray:
    """The p-values [N] of a family of tests, corrected so that each may be compared with a level as if alone.

    Of all families at most 5 % then have one below 0.05 although nothing is there to be found.
    Source: Holm, Scandinavian Journal of Statistics 6 (1979) 65-70.

    >>> holm(np.array([0.01, 0.04, 0.03])).round(6).tolist()
    [0.03, 0.06, 0.06]
    """
    p_values = np.asarray(p_values, float)
    order = np.argsort(p_values)
    stepwise = p_values[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty_like(p_values)
    corrected[order] = np.minimum(np.maximum.accumulate(stepwise), 1)
    return corrected
