"""The figure about numerics and hardware chosen together."""

from collections import defaultdict
from itertools import cycle

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.report.joint import WIDTHS, corners
from lib.report.style import BLUE, ORANGE, REFERENCE, facets, legend_below, panels

MARKERS = "os^DvP*X"  # a shape for each way to requantize
BEATEN = "0.6"
COLORS = {
    "as good as the most accurate": BLUE,
    "less accurate, but cheaper": ORANGE,
    "less accurate for nothing": BEATEN,
}
SHOWN = 6  # points of accuracy
CORNERS = {"fastest": "fastest", "take": "take", "frugal": "least energy"}


def joint(joint: pd.DataFrame, accuracy: pd.DataFrame) -> Figure:
    """Left: what each combination of widths keeps and costs on its best design. Right: the designs for two of them."""
    parts, measured = facets(joint), facets(accuracy)
    markers = dict(zip(joint.requantization.unique(), cycle(MARKERS), strict=False))
    figure, axes = panels(len(parts), 2, width=5.4, height=3.4)
    for (left, right), (name, part) in zip(axes, parts.items(), strict=True):
        found = corners(part, measured[name])
        numerics(left, found, markers)
        designs(right, part, found)
        left.set(title=name, ylabel="test accuracy (%)")
        right.set(title=name, ylabel="energy (µJ)")
    axes[-1][0].set_xlabel("energy-delay product (% of ONNX Runtime's numerics)")
    axes[-1][1].set_xlabel("latency (ms)")
    for label, color in COLORS.items():
        axes[0][0].plot([], [], color=color, linewidth=4, label=label)
    legend_below(figure, axes[0][0], columns=3)
    figure.suptitle("Which numerics on which hardware, and what does the next corner cost?")
    return figure


def numerics(panel: Axes, found: dict, markers: dict[str, str]) -> None:
    """Accuracy over the cost of the best design, a mark per combination of widths; SHOWN points down at most."""
    best, take = found["most_accurate"], found["take"]
    fits = found["fits"][found["fits"].accuracy > found["float32"].accuracy - SHOWN / 100]
    good, cheaper, beaten = COLORS.values()
    panel.axhspan(100 * best.ci_low, 100 * best.ci_high, color="0.92", zorder=0)
    for mode, part in fits.groupby("requantization", sort=False):
        cost, share = 100 * part.edp_uj_ms / found["plain"].edp_uj_ms, 100 * part.accuracy
        colors = [
            good if row.ci_high >= best.ci_low else cheaper if row.Index in found["cheaper"].index else beaten
            for row in part.itertuples()
        ]
        panel.vlines(cost, 100 * part.ci_low, 100 * part.ci_high, color=colors, linewidth=1)
        panel.scatter(cost, share, c=colors, marker=markers[mode], s=34, zorder=3)
        panel.scatter([], [], color="0.3", marker=markers[mode], s=34, label=f"requantized by {mode}")
    panel.axhline(100 * found["float32"].accuracy, label="float32 model", **REFERENCE)
    place = 100 * take.edp_uj_ms / found["plain"].edp_uj_ms, 100 * take.accuracy
    panel.scatter(*place, s=150, facecolor="none", edgecolor=good, linewidth=1.5)
    panel.annotate("take", place, (0, 9), textcoords="offset points", ha="center", color=good, weight="bold")
    cheapest = fits.sort_values("edp_uj_ms").groupby(["weight_bits", "activation_bits"], sort=False)
    # Below and above the intervals in turn, so that the labels of close neighbours do not meet.
    for turn, ((weight_bits, activation_bits), rows) in enumerate(cheapest):
        bits = "–".join(map(str, dict.fromkeys([rows.accumulator_bits.min(), rows.accumulator_bits.max()])))
        height, offset, side = [(rows.ci_low.min(), -3, "top"), (rows.ci_high.max(), 3, "bottom")][turn % 2]
        place = 100 * rows.edp_uj_ms.iloc[0] / found["plain"].edp_uj_ms, 100 * height
        look = {"ha": "center", "va": side, "fontsize": 8, "textcoords": "offset points"}
        panel.annotate(f"W{weight_bits}A{activation_bits}\n{bits} bits", place, (0, offset), **look)
    panel.margins(x=0.12, y=0.25)


def designs(panel: Axes, part: pd.DataFrame, found: dict) -> None:
    """Energy over latency of the designs on the fronts of the numerics taken and of ONNX Runtime's."""
    for corner, color in (("plain", BEATEN), ("take", BLUE)):
        row = found[corner]
        front = part[(part[WIDTHS] == row[WIDTHS]).all(axis=1)].sort_values("latency_ms")
        label = f"{row.accumulator_bits} bits, {row.requantization}"
        panel.plot(front.latency_ms, front.energy_uj, color=color, marker="o", markersize=4, label=label)
    names = defaultdict(list)
    for corner, name in CORNERS.items():
        row = found[corner]
        names[row.latency_ms, row.energy_uj, f"{row.design}, {row.clock_mhz} MHz"].append(name)
    for ((*place, design), meaning), marker in zip(sorted(names.items()), "v*^", strict=False):
        look = {"s": 90, "color": BLUE, "edgecolor": "white", "marker": marker, "zorder": 3}
        panel.scatter(*place, label=f"{', '.join(meaning)}: {design}", **look)
    panel.margins(0.1, 0.15)
    panel.legend(loc="best", fontsize=8)
