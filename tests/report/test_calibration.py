"""What the report says about calibration samples, on studies for which the right answer is known."""

import pandas as pd
import pytest

from lib.report.calibration import calibration, draws, enough


def study(calibration: str, **accuracies: list[float]) -> pd.DataFrame:
    """Draws with 4-bit activations; keyword n8=[…] gives the accuracies of draws of 8 samples."""
    rows = [
        {"calibration": calibration, "activation_bits": 4, "calibration_samples": int(number[1:]), "seed": seed}
        | {"accuracy": accuracy}
        for number, found in accuracies.items()
        for seed, accuracy in enumerate(found)
    ]
    return pd.DataFrame(rows)


GOOD, POOR, WIDE = [0.7995, 0.8000, 0.8005], [0.789, 0.790, 0.791], [0.77, 0.80, 0.83]


def test_enough_is_the_fewest_from_which_on_nothing_is_lost():
    assert enough(draws(study("mse", n8=POOR, n32=GOOD, n128=GOOD))) == 32
    assert enough(draws(study("mse", n8=GOOD, n32=POOR, n128=GOOD))) == 128  # 8 samples were lucky


def test_draws_that_scatter_widely_are_not_enough_however_high_their_mean():
    assert enough(draws(study("mse", n8=WIDE, n32=GOOD))) == 32
    assert enough(draws(study("mse", n8=GOOD, n32=WIDE))) is None


def test_methods_whose_intervals_overlap_are_level():
    parts = [study("minmax", n8=POOR), study("mse", n8=GOOD), study("entropy", n8=[0.798, 0.799, 0.801])]
    found = calibration(pd.concat(parts, ignore_index=True))
    width = found["widths"][4]
    assert width["best"]["calibration"] == "mse" and width["worst"]["calibration"] == "minmax"
    assert width["level"] == ["entropy"]
    rows = found["by_method"].set_index("calibration")
    assert rows.mean_percent["mse"] == pytest.approx(80) and rows.std_points_most["mse"] == pytest.approx(0.05)


def test_methods_that_more_samples_make_worse_are_named():
    parts = [study("minmax", n8=GOOD, n512=POOR), study("mse", n8=POOR, n512=GOOD)]
    assert calibration(pd.concat(parts, ignore_index=True))["widths"][4]["spoiled"] == ["minmax"]
