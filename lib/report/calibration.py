"""How many calibration samples are enough, and how much the choice of samples matters."""

import numpy as np
import pandas as pd
from scipy.special import stdtrit  # quantiles of Student's t

# What more samples bring beyond this counts as nothing: a small part of the test set's own interval.
ENOUGH_POINTS = 0.25


def draws(study: pd.DataFrame) -> pd.DataFrame:
    """Accuracy over draws of calibration samples: a row per calibration, activation width and number of samples.

    mean, low, high : with its 95 % t interval [%]; std_points : how far single draws scatter [points]
    Source of the interval: Student, Biometrika 6 (1908) 1-25.

    >>> study = pd.DataFrame({"calibration": "mse", "activation_bits": 4, "calibration_samples": 8, "seed": [1, 2, 3]})
    >>> draws(study.assign(accuracy=[0.79, 0.8, 0.81]))[["draws", "mean", "low", "high"]].round(2).values.tolist()
    [[3.0, 80.0, 77.52, 82.48]]
    """
    keys = ["activation_bits", "calibration", "calibration_samples"]
    grouped = study.assign(percent=100 * study.accuracy).groupby(keys, sort=False).percent
    table = grouped.agg(draws="size", mean="mean", std_points="std").reset_index()
    half = stdtrit(table.draws - 1, 0.975) * table.std_points / np.sqrt(table.draws)
    return table.assign(low=table["mean"] - half, high=table["mean"] + half)


def enough(table: pd.DataFrame) -> int | None:
    """The fewest samples from which on accuracy is, beyond doubt, as good as with the most; None where none is.

    table : of `draws`, one calibration and width. As good: the whole interval is at most ENOUGH_POINTS below the mean
    with the most samples.

    >>> table = pd.DataFrame({"calibration_samples": [8, 32, 512], "low": [78.0, 79.8, 79.9]})
    >>> enough(table.assign(mean=[79.0, 79.9, 80.0]))
    32
    """
    most = table.loc[table.calibration_samples.idxmax(), "mean"]
    found = None
    for row in table.sort_values("calibration_samples", ascending=False).itertuples():
        if row.low < most - ENOUGH_POINTS:
            break
        found = row.calibration_samples
    return found


def calibration(study: pd.DataFrame) -> dict:
    """Of one workload: each calibration's accuracy by activation width, and the best with those level with it.

    by_method : columns activation_bits, calibration, mean_percent and its interval with the most samples, how far
        single draws of the fewest and of the most samples scatter [points], how many samples are enough (or "more")
    widths : {activation bits: {best, worst, level, spoiled}}; level : calibrations whose interval overlaps the best
        one's; spoiled : those that beyond doubt do worse with the most samples than with the fewest

    >>> rows = [(name, 8, samples, seed) for name in ("minmax", "mse") for samples in (8, 512) for seed in (1, 2)]
    >>> study = pd.DataFrame(rows, columns=["calibration", "activation_bits", "calibration_samples", "seed"])
    >>> study["accuracy"] = [0.70, 0.70, 0.75, 0.75, 0.79, 0.79, 0.80, 0.80]
    >>> found = calibration(study)
    >>> found["widths"][8]["best"]["calibration"], found["by_method"].enough_samples.tolist()
    ('mse', ['512', '512'])
    """
    table = draws(study)
    counts = table.calibration_samples
    fewest, most = table[counts == counts.min()], table[counts == counts.max()]
    scatter = fewest.set_index(["activation_bits", "calibration"]).std_points
    rows, widths = [], {}
    for (bits, name), part in table.groupby(["activation_bits", "calibration"], sort=False):
        best = part.loc[part.calibration_samples.idxmax()]
        rows.append(
            {"activation_bits": bits, "calibration": name, "mean_percent": best["mean"], "low": best.low}
            | {"high": best.high, "std_points_fewest": scatter[bits, name], "std_points_most": best.std_points}
            | {"enough_samples": str(enough(part) or "more")}
        )
    for bits, part in most.groupby("activation_bits", sort=False):
        best, worst = part.loc[part["mean"].idxmax()], part.loc[part["mean"].idxmin()]
        level = part[(part.high >= best.low) & (part.calibration != best.calibration)]
        before = fewest[fewest.activation_bits == bits].set_index("calibration").low
        spoiled = part[part.high < part.calibration.map(before)]
        lists = {"level": level.calibration.tolist(), "spoiled": spoiled.calibration.tolist()}
        widths[bits] = {"best": best.to_dict(), "worst": worst.to_dict()} | lists
    return {
        "by_method": pd.DataFrame(rows).sort_values("activation_bits", ascending=False, kind="stable"),
        "widths": widths,
        "fewest": int(counts.min()),
        "most": int(counts.max()),
        "draws": int(table.draws.max()),
        "enough_points": ENOUGH_POINTS,
    }
