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
    """Accuracy over the cost of the best design, a mark per combination of widths, accumulator bits beside it."""
    best, take = found["most_accurate"], found["take"]
    good, cheaper, beaten = COLORS.values()
    panel.axhspan(100 * best.ci_low, 100 * best.ci_high, color="0.92", zorder=0)
    for mode, part in found["fits"].groupby("requantization", sort=False):
        cost, share = 100 * part.edp_uj_ms / found["plain"].edp_uj_ms, 100 * part.accuracy
        colors = [
            good if row.ci_high >= best.ci_low else cheaper if row.Index in found["cheaper"].index else beaten
            for row in part.itertuples()
        ]
        panel.vlines(cost, 100 * part.ci_low, 100 * part.ci_high, color=colors, linewidth=1)
        panel.scatter(cost, share, c=colors, marker=markers[mode], s=34, zorder=3)
        panel.scatter([], [], color="0.3", marker=markers[mode], s=34, label=f"requantized by {mode}")
        for row, *place in zip(part.itertuples(), cost, share, strict=True):
            eight = row.activation_bits == row.weight_bits == 8
            text = f"{row.accumulator_bits}{'' if eight else f' W{row.weight_bits}A{row.activation_bits}'}"
            panel.annotate(text, place, (5, -10), textcoords="offset points", fontsize=8)
    panel.axhline(100 * found["float32"].accuracy, label="float32 model", **REFERENCE)
    place = 100 * take.edp_uj_ms / found["plain"].edp_uj_ms, 100 * take.accuracy
    panel.scatter(*place, s=150, facecolor="none", edgecolor=good, linewidth=1.5)
    panel.annotate("take", place, (0, 9), textcoords="offset points", ha="center", color=good, weight="bold")
    panel.margins(y=0.15)


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
    # Above and below the curve in turn, so that the labels of close neighbours do not meet.
    for turn, (latency_ms, energy_uj, design) in enumerate(sorted(names)):
        panel.scatter(latency_ms, energy_uj, s=50, color=BLUE, zorder=3)
        text = f"{', '.join(names[latency_ms, energy_uj, design])}:\n{design}"
        look = {"va": "bottom" if turn % 2 == 0 else "top", "ha": "left" if turn == 0 else "center"}
        offset = (4, 6) if turn % 2 == 0 else (0, -6)
        panel.annotate(text, (latency_ms, energy_uj), offset, textcoords="offset points", fontsize=8, **look)
    panel.margins(x=0.25, y=0.2)
    panel.legend(loc="best")
