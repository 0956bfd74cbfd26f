"""Figures about integer execution."""

import pandas as pd
from matplotlib.figure import Figure

from lib.report.style import BLUE, GREEN, ORANGE, POLICIES, REFERENCE, facets, legend_below, panels

BOUNDS = {
    "textbook_bits": ("textbook bound: any weights, any input", ORANGE, "v"),
    "weight_bound_bits": ("bound from the trained weights: any input", BLUE, "D"),
    "observed_bits": ("widest on the test set", GREEN, "o"),
}


def bit_growth(bit_growth: pd.DataFrame) -> Figure:
    """Three answers to how wide an accumulator must be, per layer."""
    parts = facets(bit_growth)
    rows = max(len(part) for part in parts.values())
    figure, axes = panels(1, len(parts), width=4.6, height=1.3 + 0.34 * rows, sharex=True)
    for panel, (name, part) in zip(axes[0], parts.items(), strict=True):
        labels = [f"{layer}\n{macs} MACs" for layer, macs in zip(part.layer, part.macs_per_output, strict=True)]
        place = range(len(labels))
        panel.hlines(place, part.observed_bits, part.textbook_bits, color="0.8", linewidth=2, zorder=1)
        for column, (label, color, marker) in BOUNDS.items():
            panel.plot(part[column], place, marker, color=color, markersize=7, label=label)
        panel.set_yticks(place, labels)
        panel.set(title=name, xlabel="accumulator width, sign included (bits)", ylim=(len(labels) - 0.5, -0.5))
        panel.xaxis.get_major_locator().set_params(integer=True)
        panel.grid(axis="y", visible=False)
    legend_below(figure, axes[0][0], columns=3 if len(parts) > 2 else 1)
    figure.suptitle("How many accumulator bits do the layers need?")
    return figure


def accumulator_width(overflow: pd.DataFrame, accuracy: pd.DataFrame) -> Figure:
    """Accuracy over the accumulator's width, when overflow saturates and when it wraps around."""
    parts, float32 = facets(overflow), facets(accuracy[accuracy.scheme == "float32"])
    figure, axes = panels(1, len(parts), height=3.6, sharey=True)
    for panel, (name, part) in zip(axes[0], parts.items(), strict=True):
        for policy, color in POLICIES.items():
            curve = part[part.policy == policy].sort_values("accumulator_bits")
            marker, label = ("o", "saturating") if policy == "saturate" else ("s", "wrapping around")
            style = {"marker": marker, "markersize": 5, "color": color, "label": label}
            panel.plot(curve.accumulator_bits, 100 * curve.accuracy, **style)
        panel.axhline(100 * float32[name].accuracy.iloc[0], label="float32", **REFERENCE)
        panel.set(title=name, xlabel="accumulator width (bits)", ylim=(0, 103))
        panel.xaxis.get_major_locator().set_params(integer=True)
    axes[0][0].set_ylabel("test accuracy (%)")
    legend_below(figure, axes[0][0])
    figure.suptitle("How narrow may the accumulator be, and what should overflow do?")
    return figure
