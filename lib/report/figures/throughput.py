"""Figures about the speed of the integer engine."""

import pandas as pd
from matplotlib.figure import Figure

from lib.report.style import BLUE, ORANGE, REFERENCE, facets, legend_below, panels

VISIBLE = 0.005  # of the whole time; steps that take less are not drawn


def step_times(step_times: pd.DataFrame) -> Figure:
    """Where the time of one batch goes, step by step, and what the fastest 8-bit product would leave of it."""
    parts = {name: part[part.ms > VISIBLE * part.ms.sum()] for name, part in facets(step_times).items()}
    rows = max(len(part) for part in parts.values())
    figure, axes = panels(1, len(parts), width=4.8, height=1.4 + 0.3 * rows)
    for panel, (name, part) in zip(axes[0], parts.items(), strict=True):
        place, multiplies = range(len(part)), part.macs > 0
        kinds = {"layers that multiply, requantization included": (BLUE, multiplies), "others": (ORANGE, ~multiplies)}
        for label, (color, own) in kinds.items():
            panel.barh(place, part.ms.where(own, 0), color=color, label=label)
        mark = {"color": REFERENCE["color"], "markersize": 14, "markeredgewidth": 2}
        ideal = part.macs / part.peak_gmac_per_s / 1e6
        panel.plot(ideal, place, "|", label="sums alone, at the rate of one large product", **mark)
        panel.set_yticks(place, part.step)
        panel.set(title=f"{name}\nbatch of {part.batch.iloc[0]}", xlabel="time on one thread (ms)")
        panel.set_ylim(len(part) - 0.4, -0.6)
        panel.grid(axis="y", visible=False)
    legend_below(figure, axes[0][0], columns=2)
    figure.suptitle("Where does the integer engine's time go?")
    return figure
