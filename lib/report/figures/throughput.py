"""Figures about the speed of the integer engine."""

import pandas as pd
from matplotlib.figure import Figure

from lib.report.style import BLUE, ORANGE, REFERENCE, facets, legend_below, panels


def step_times(step_times: pd.DataFrame) -> Figure:
    """Where the time of one batch goes, step by step, and what the fastest 8-bit product would leave of it."""
    parts = facets(step_times)
    rows = max(len(part) for part in parts.values())
    figure, axes = panels(1, len(parts), width=4.8, height=1.2 + 0.3 * rows)
    for panel, (name, part) in zip(axes[0], parts.items(), strict=True):
        place, sums = range(len(part)), part.sums_ms.fillna(0)
        panel.barh(place, sums, color=BLUE, label="sums of products")
        panel.barh(place, part.ms - sums, left=sums, color=ORANGE, label="everything else")
        ideal = part.macs / part.peak_gmac_per_s / 1e6
        mark = {"color": REFERENCE["color"], "markersize": 14, "markeredgewidth": 2}
        panel.plot(ideal, place, "|", label="sums at the rate of one large product", **mark)
        panel.set_yticks(place, part.step)
        panel.set(title=f"{name}, batch of {part.batch.iloc[0]}", xlabel="time on one thread (ms)")
        panel.set_ylim(len(part) - 0.4, -0.6)
        panel.grid(axis="y", visible=False)
    legend_below(figure, axes[0][0])
    figure.suptitle("Where does the integer engine's time go?")
    return figure
