"""Which models the same test samples tell apart."""

from itertools import combinations

import numpy as np
import pandas as pd

from lib.paired import holm, mcnemar


def comparisons(labels: np.ndarray, predictions: dict[str, np.ndarray]) -> pd.DataFrame:
    """The most accurate scheme against every other, and float32 against every scheme: McNemar's test.

    labels : classes [N]; predictions : classes [N] by scheme, "float32" among them
    Columns first, second, samples, only_first_right, only_second_right, p_value, p_holm. The most accurate one was
    chosen on the same samples, so p_holm is corrected for all pairs, of which these are the ones that matter.

    >>> labels, guess = np.zeros(20, int), lambda wrong: np.arange(20) < wrong
    >>> table = comparisons(labels, {"float32": guess(1), "W8": guess(2), "W4": guess(8)})
    >>> table[["first", "second", "only_first_right", "p_value", "p_holm"]].round(4).values.tolist()
    [['float32', 'W8', 1, 1.0, 1.0], ['float32', 'W4', 7, 0.0156, 0.0469], ['W8', 'W4', 6, 0.0312, 0.0625]]
    """
    right = {scheme: classes == labels for scheme, classes in predictions.items()}
    schemes = [scheme for scheme in right if scheme != "float32"]
    best = max(schemes, key=lambda scheme: np.count_nonzero(right[scheme]))
    order = ["float32", best, *(scheme for scheme in schemes if scheme != best)]
    rows = []
    for first, second in combinations(order, 2):
        only_first, only_second, p_value = mcnemar(right[first], right[second])
        counts = {"only_first_right": only_first, "only_second_right": only_second}
        rows.append({"first": first, "second": second, "samples": len(labels)} | counts | {"p_value": p_value})
    table = pd.DataFrame(rows).assign(p_holm=lambda pairs: holm(pairs.p_value))
    return table[table["first"].isin(["float32", best])].reset_index(drop=True)
