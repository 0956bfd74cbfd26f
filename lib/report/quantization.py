"""The facts behind the first answer: what tells schemes apart, how few bits are enough, which technique brings what."""

from itertools import compress

import numpy as np
import pandas as pd

from lib.interval import paired_difference
from lib.report.sensitivity import LIMITS_POINTS, folding, predictors, savings, sensitive

WIDTHS = ["weight_bits", "activation_bits"]
# The variant of the sweep of bit widths that the better techniques start from.
MAIN = {"granularity": "channel", "weight_symmetry": "symmetric", "activation_symmetry": "asymmetric"}
TECHNIQUES = {
    "MSE ranges": ("weight_range", "mse"),
    "equalization": ("equalized", True),
    "learned rounding": ("rounding", "learned"),
    "bias correction": ("bias_corrected", True),
}
NAIVE = "naive"


def main_variant(bit_widths: pd.DataFrame) -> pd.DataFrame:
    """The rows of the variant MAIN.

    >>> other = dict.fromkeys(MAIN, "other")
    >>> len(main_variant(pd.DataFrame([MAIN, other, MAIN])))
    2
    """
    return bit_widths[(bit_widths[list(MAIN)] == pd.Series(MAIN)).all(axis=1)]


def reach(bit_widths: pd.DataFrame, low_bit: pd.DataFrame) -> dict[str, dict[float, dict | None]]:
    """By method and limit (points) the measured widths of fewest bit products that lose no more, as a row or None.

    The better techniques count with what naive PTQ reaches, which is their simplest case.

    >>> naive = pd.DataFrame({"weight_bits": [8, 4], "activation_bits": 8, "loss_points": [0.1, 2.8], **MAIN})
    >>> better = pd.DataFrame({"weight_bits": [4, 2], "activation_bits": 8, "loss_points": [0.4, 0.2]})
    >>> found = reach(naive, better.assign(trained=[False, True]))
    >>> {method: int(limits[0.5]["weight_bits"]) for method, limits in found.items()}
    {'naive PTQ': 8, 'better PTQ': 4, 'QAT': 2}
    """
    trained = low_bit.trained.astype(bool)
    naive = main_variant(bit_widths)
    methods = {"naive PTQ": naive, "better PTQ": pd.concat([naive, low_bit[~trained]]), "QAT": low_bit[trained]}
    return {
        method: {limit: _fewest_bits(rows, limit) for limit in LIMITS_POINTS}
        for method, rows in methods.items()
        if len(rows)
    }


def _fewest_bits(rows: pd.DataFrame, limit: float) -> dict | None:
    """The row with the fewest bit products per multiplication that loses at most `limit` points; None if none does."""
    # Rounded, because a difference of two shares is not exact and 0.5 points must count as 0.5 points.
    kept = rows[rows.loss_points.round(9) <= limit]
    order = kept.assign(products=kept.weight_bits * kept.activation_bits).sort_values(["products", "loss_points"])
    return order.iloc[0].to_dict() if len(order) else None


def _techniques(low_bit: pd.DataFrame) -> pd.DataFrame:
    """Which technique each recipe uses: one column of booleans each."""
    return pd.DataFrame({name: low_bit[column] == value for name, (column, value) in TECHNIQUES.items()})


def gains(low_bit: pd.DataFrame) -> pd.DataFrame:
    """Points of accuracy that each technique saves, by widths, from pairs of recipes that differ in it alone.

    first_points : beside the fewest others; last_points : beside the most others that it was measured with

    >>> low_bit = pd.DataFrame({"weight_range": ["minmax", "mse", "mse"], "rounding": [*["nearest"] * 2, "learned"]})
    >>> low_bit = low_bit.assign(weight_bits=4, activation_bits=4, equalized=False, bias_corrected=False, trained=False)
    >>> gains(low_bit.assign(loss_points=[5.0, 4.0, 1.5]))[["technique", "first_points"]].values.tolist()
    [['MSE ranges', 1.0], ['learned rounding', 2.5]]
    """
    rows = low_bit[~low_bit.trained.astype(bool)]
    rows = rows[[*WIDTHS, "loss_points"]].join(_techniques(rows))
    found = []
    for technique in TECHNIQUES:
        others = [name for name in TECHNIQUES if name != technique]
        uses = rows[technique]
        pairs = rows[~uses].merge(rows[uses], on=WIDTHS + others, suffixes=("_without", "_with"))
        pairs = pairs.assign(saved=pairs.loss_points_without - pairs.loss_points_with, beside=pairs[others].sum(axis=1))
        for widths, part in pairs.sort_values("beside", kind="stable").groupby(WIDTHS, sort=False):
            found.append(
                dict(zip(WIDTHS, widths, strict=True))
                | {"technique": technique, "first_points": part.saved.iloc[0], "last_points": part.saved.iloc[-1]}
            )
    return pd.DataFrame(found, columns=[*WIDTHS, "technique", "first_points", "last_points"])


def recipes(low_bit: pd.DataFrame, library: pd.DataFrame) -> pd.DataFrame:
    """All low-bit models with their kind ("PTQ", "QAT", "library"), a name, and the loss (points) with its interval.

    The interval counts the samples that only one of float32 and the model gets right; of the public library, of which
    nothing but the accuracy is known, it is that of the accuracy.

    >>> low_bit = pd.DataFrame({"weight_range": ["minmax", "mse"], "rounding": ["nearest", "learned"], "samples": 1000})
    >>> low_bit = low_bit.assign(weight_bits=4, activation_bits=4, equalized=False, bias_corrected=False, trained=False)
    >>> low_bit = low_bit.assign(workload="net", dataset="data", only_float32_right=[55, 20], only_this_right=5)
    >>> found = recipes(low_bit.assign(loss_points=[5.0, 1.5]), library=pd.DataFrame())
    >>> found[["recipe", "loss_points", "loss_low", "loss_high"]].round(2).values.tolist()
    [['naive', 5.0, 3.51, 6.49], ['MSE ranges + learned rounding', 1.5, 0.52, 2.48]]
    """
    trained, used = low_bit.trained.astype(bool), _techniques(low_bit)
    names = [" + ".join(compress(TECHNIQUES, row)) or NAIVE for row in used.itertuples(index=False)]
    kinds = np.where(trained, "QAT", "PTQ")
    low, high = paired_difference(low_bit.only_float32_right, low_bit.only_this_right, low_bit.samples)
    ours = low_bit.assign(kind=kinds, recipe=np.where(trained, "QAT", names), techniques=used.sum(axis=1))
    ours = ours.assign(loss_low=100 * low, loss_high=100 * high)
    columns = ["workload", "dataset", *WIDTHS, "kind", "recipe", "techniques", "loss_points", "loss_low", "loss_high"]
    if library.empty:
        return ours[columns]
    names = library.library + ": " + library.technique.str.replace(", ", " + ")
    theirs = library.assign(kind="library", recipe=names, techniques=0).assign(
        loss_low=library.loss_points - 100 * (library.ci_high - library.accuracy),
        loss_high=library.loss_points + 100 * (library.accuracy - library.ci_low),
    )
    return pd.concat([ours[columns], theirs[columns]], ignore_index=True)


def _losses(low_bit: pd.DataFrame, library: pd.DataFrame) -> pd.DataFrame:
    """Points lost by recipe (rows, in the table's order) and pair of widths (columns); NaN where not measured."""
    table = recipes(low_bit, library)
    return table.pivot(index="recipe", columns=WIDTHS, values="loss_points").reindex(table.recipe.unique())


def _standing(row: dict | None, other: dict | None) -> str | None:
    """Whether a model is "ahead of", "behind" or "level with" another: level where their intervals overlap."""
    if row is None or other is None:
        return None
    if row["loss_low"] <= other["loss_high"] and other["loss_low"] <= row["loss_high"]:
        return "level with"
    return "ahead of" if row["loss_points"] < other["loss_points"] else "behind"


def _most_accurate(rows: pd.DataFrame) -> dict | None:
    """The row of least loss, None of no rows."""
    return rows.loc[rows.loss_points.idxmin()].to_dict() if len(rows) else None


def contests(low_bit: pd.DataFrame, library: pd.DataFrame) -> list[dict]:
    """By widths: naive PTQ, the most accurate PTQ, QAT and public library, as rows of `recipes`, None where missing.

    level : recipes of PTQ whose interval overlaps that of the best, itself included
    take : of these the one of fewest techniques, of several the most accurate
    naive_standing, qat_standing, library_standing : how these stand to the best PTQ, see `standing`

    >>> low_bit = pd.DataFrame({"weight_range": ["minmax", "mse"], "rounding": ["nearest", "learned"], "samples": 1000})
    >>> low_bit = low_bit.assign(weight_bits=4, activation_bits=4, equalized=False, bias_corrected=False, trained=False)
    >>> low_bit = low_bit.assign(workload="net", dataset="data", only_float32_right=[55, 20], only_this_right=5)
    >>> (found,) = contests(low_bit.assign(loss_points=[5.0, 1.5]), library=pd.DataFrame())
    >>> found["take"]["recipe"], found["naive_standing"], found["qat_standing"]
    ('MSE ranges + learned rounding', 'behind', None)
    """
    found = []
    for widths, part in recipes(low_bit, library).groupby(WIDTHS, sort=False):
        ptq = part[part.kind == "PTQ"]
        best = _most_accurate(ptq)
        level = ptq[ptq.loss_low <= best["loss_high"]] if best else ptq
        rivals = {
            "naive": _most_accurate(ptq[ptq.recipe == NAIVE]),
            "qat": _most_accurate(part[part.kind == "QAT"]),
            "library": _most_accurate(part[part.kind == "library"]),
        }
        found.append(
            dict(zip(WIDTHS, widths, strict=True))
            | {"best": best, "level": level.recipe.tolist()}
            | {"take": _most_accurate(level[level.techniques == level.techniques.min()])}
            | rivals
            | {f"{name}_standing": _standing(row, best) for name, row in rivals.items()}
        )
    return found


def study(own: dict[str, pd.DataFrame]) -> dict:
    """All facts of the quantization study for one workload; what was not measured for it is None or empty.

    >>> from lib.report.tables import read_all
    >>> tables = read_all(Path("results/tables").glob("*.csv"))  # doctest: +SKIP
    >>> own = {name: table[table.workload == "tiny_cnn_2d"] for name, table in tables.items()}  # doctest: +SKIP
    >>> study(own)["sensitive"]["weight"]["layer"]  # doctest: +SKIP
    """
    return {
        "reach": reach(own["bit_widths"], own["low_bit"]),
        "losses": _losses(own["low_bit"], own["library"]),
        "gains": gains(own["low_bit"]),
        "contests": contests(own["low_bit"], own["library"]),
        "sensitive": sensitive(own["bit_sensitivity"]),
        "predictors": predictors(own["proxies"]),
        "savings": savings(own["mixed_precision"]),
        "folding": folding(own["folding"]),
    }
