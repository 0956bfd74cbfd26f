"""How fast cost grows with size: the exponent of a power law."""

import numpy as np
from pandas import DataFrame, Series
from scipy.stats import linregress

LEAST = 3  # sizes that a fit needs, so that its error is known
QUANTITIES = ["seconds", "peak_mb"]


def fitted(sizes: Series) -> Series:
    """Which sizes the fit takes: the larger half of the range in its logarithm, at least the three largest.

    Below, costs that do not depend on the size outweigh those that do.

    >>> fitted(Series([10, 100, 1000, 10_000, 100_000])).tolist()
    [False, False, True, True, True]
    """
    middle = np.sqrt(float(sizes.min()) * float(sizes.max()))
    return (sizes >= middle) | (sizes.rank(ascending=False, method="first") <= LEAST)


def exponents(table: DataFrame) -> DataFrame:
    """The table with the exponent p of each quantity's least-squares fit c·size^p, and p's standard error.

    table : a row for each `step` and `size`, with columns QUANTITIES
    returns : besides, fitted (0 or 1), and {quantity}_exponent and {quantity}_error of the step in each of its rows;
        missing for a step of less than three sizes

    >>> sizes = np.array([10, 100, 1000])
    >>> table = DataFrame({"step": "run", "size": sizes, "seconds": 1e-6 * sizes**2, "peak_mb": 90.0})
    >>> exponents(table)[["seconds_exponent", "peak_mb_exponent"]].iloc[0].round(6).tolist()
    [2.0, 0.0]
    """
    table = table.assign(fitted=table.groupby("step")["size"].transform(fitted).astype(int))
    for quantity in QUANTITIES:
        exponent, error = Series(np.nan, table.index), Series(np.nan, table.index)
        for _, rows in table.groupby("step"):
            known = rows[rows["fitted"] == 1]
            if len(known) >= LEAST:
                fit = linregress(np.log(known["size"]), np.log(known[quantity]))
                # For equal costs, which lie on the line exactly, it gives no error.
                exponent[rows.index], error[rows.index] = fit.slope, np.nan_to_num(fit.stderr)
        table = table.assign(**{f"{quantity}_exponent": exponent, f"{quantity}_error": error})
    return table
