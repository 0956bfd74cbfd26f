"""Figure about CPUs that add products in saturating pairs."""

import pandas as pd
from matplotlib.figure import Figure

from lib.report.style import BLUE, GREEN, ORANGE, facets, legend_below, panels

# Column, whether weights have 7 bits, and a mark; marks that coincide stay visible inside each other.
SERIES = {
    "8-bit weights, exact sums (CPU with VNNI)": (
        *("exact_accuracy", False),
        {"marker": "o", "color": BLUE, "markersize": 13, "fillstyle": "none", "markeredgewidth": 2},
    ),
    "8-bit weights, saturating pairs (CPU without VNNI)": (
        *("accuracy", False),
        {"marker": "X", "color": ORANGE, "markersize": 9},
    ),
    "7-bit weights (the same on both)": ("accuracy", True, {"marker": "D", "color": GREEN, "markersize": 4}),
}


def pairwise(pairwise: pd.DataFrame) -> Figure:
    """Accuracy of the uint8 schemes with exact sums, with saturating pairs, and with weights that cannot saturate."""
    parts = facets(pairwise[pairwise.layer == "all"])
    rows = max(part.scheme.nunique() for part in parts.values())
    figure, axes = panels(1, len(parts), width=4.6, height=1.3 + 0.34 * rows, sharex=True)
    for panel, (name, part) in zip(axes[0], parts.items(), strict=True):
        schemes = list(part.scheme.unique())
        shares = part.groupby("scheme", sort=False)[["accuracy", "exact_accuracy"]]
        panel.hlines(schemes, 100 * shares.min().min(axis=1), 100 * shares.max().max(axis=1), color="0.8", zorder=1)
        for label, (column, reduced, mark) in SERIES.items():
            series = part[part.reduce_range == reduced]
            panel.plot(100 * series[column], series.scheme, linestyle="", label=label, **mark)
        panel.set_yticks(schemes, [scheme.removeprefix("qoperator_uint8_") for scheme in schemes])
        panel.set(title=name, xlabel="test accuracy (%)", xlim=(0, 103), ylim=(len(schemes) - 0.5, -0.5))
        panel.grid(axis="y", visible=False)
    legend_below(figure, axes[0][0], columns=1)
    figure.suptitle("What do CPUs without VNNI make of uint8 activations?")
    return figure
