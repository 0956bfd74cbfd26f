"""Figures about integer execution."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from lib.report.style import (
    BLUE,
    BROWN,
    GREEN,
    ORANGE,
    POLICIES,
    POLICY_NAMES,
    PURPLE,
    RED,
    REFERENCE,
    SKY,
    facets,
    legend_below,
    panels,
    sns,
)

BOUNDS = {
    "textbook_bits": ("textbook bound: any weights, any input", {"color": ORANGE, "marker": "v"}),
    "weight_bound_bits": ("bound from the trained weights: any input", {"color": BLUE, "marker": "D"}),
    "observed_partial_bits": (
        "widest partial sum on the test set",
        {"color": PURPLE, "marker": "o", "markersize": 11, "fillstyle": "none", "markeredgewidth": 2},
    ),
    "observed_bits": ("widest final sum on the test set", {"color": GREEN, "marker": "o"}),
}
LOSSES = [0, 0.1, 1, 10]  # percentage points: up to which loss each colour of the heat map goes, but the last
TECHNIQUES = {
    "plain": (ORANGE, "o"),
    "reordered": (BLUE, "s"),
    "tile 8": (GREEN, "v"),
    "tile 16": (RED, "D"),
    "tile 32": (PURPLE, "^"),
    "rescaled": (BROWN, "P"),
    "clipped": (SKY, "X"),
}


def bit_growth(bit_growth: pd.DataFrame) -> Figure:
    """Four answers to how wide an accumulator must be, per layer."""
    parts = facets(bit_growth)
    rows = max(len(part) for part in parts.values())
    figure, axes = panels(1, len(parts), width=4.6, height=1.5 + 0.34 * rows, sharex=True)
    for panel, (name, part) in zip(axes[0], parts.items(), strict=True):
        labels = [f"{layer}\n{macs} MACs" for layer, macs in zip(part.layer, part.macs_per_output, strict=True)]
        place = range(len(labels))
        panel.hlines(place, part.observed_bits, part.textbook_bits, color="0.8", linewidth=2, zorder=1)
        for column, (label, style) in BOUNDS.items():
            panel.plot(part[column], place, **{"linestyle": "", "markersize": 7} | style, label=label)
        panel.set_yticks(place, labels)
        panel.set(title=name, xlabel="accumulator width, sign included (bits)", ylim=(len(labels) - 0.5, -0.5))
        panel.xaxis.get_major_locator().set_params(integer=True)
        panel.grid(axis="y", visible=False)
    legend_below(figure, axes[0][0], columns=2 if len(parts) > 1 else 1)
    figure.suptitle("How many accumulator bits do the layers need?")
    return figure


def accumulator_width(overflow: pd.DataFrame, accuracy: pd.DataFrame) -> Figure:
    """Accuracy over the accumulator's width, all layers alike, under the three overflow policies."""
    parts, float32 = facets(overflow[overflow.layer == "all"]), facets(accuracy[accuracy.scheme == "float32"])
    figure, axes = panels(1, len(parts), height=3.6, sharey=True)
    for panel, (name, part) in zip(axes[0], parts.items(), strict=True):
        for (policy, color), marker in zip(POLICIES.items(), "o^s", strict=True):
            curve = part[part.policy == policy].sort_values("accumulator_bits")
            style = {"marker": marker, "markersize": 5, "color": color, "label": POLICY_NAMES[policy]}
            panel.plot(curve.accumulator_bits, 100 * curve.accuracy, **style)
        panel.axhline(100 * float32[name].accuracy.iloc[0], label="float32", **REFERENCE)
        _up_to_harmless(panel, part, part.logits_mse > 0)
        panel.set(title=name, xlabel="accumulator width (bits)", ylim=(0, 103))
    axes[0][0].set_ylabel("test accuracy (%)")
    legend_below(figure, axes[0][0], columns=4 if len(parts) > 1 else 2)
    figure.suptitle("How narrow may the accumulator be, and what should overflow do?")
    return figure


def accumulator_per_layer(overflow: pd.DataFrame) -> Figure:
    """Accuracy lost with one layer narrow at a time, and with all of them, per width and policy."""
    parts = facets(overflow)
    rows = max(part.layer.nunique() for part in parts.values())
    figure, axes = panels(len(POLICIES), len(parts), width=5.2, height=1 + 0.24 * rows)
    colors = ListedColormap(["0.93", *sns.color_palette("rocket_r", len(LOSSES))])
    for column, (name, part) in enumerate(parts.items()):
        full = part.loc[part.accumulator_bits.idxmax()].accuracy
        for row, policy in enumerate(POLICIES):
            panel, table = axes[row][column], part[part.policy == policy]
            accuracy = table.pivot(index="layer", columns="accumulator_bits", values="accuracy")
            accuracy = accuracy.loc[table.layer.unique()]
            level = np.searchsorted(LOSSES, (100 * (full - accuracy)).round(9))
            place = range(len(accuracy))
            image = panel.pcolormesh(
                accuracy.columns, place, level, cmap=colors, vmin=-0.5, vmax=len(LOSSES) + 0.5, edgecolor="white"
            )
            panel.set_yticks(place, ["all layers", *accuracy.index[1:]])
            panel.set(title=f"{name}\n{POLICY_NAMES[policy]}", ylim=(len(accuracy) - 0.5, -0.5))
            _up_to_harmless(panel, part, part.logits_mse > 0)
            panel.grid(visible=False)
        axes[-1][column].set_xlabel("accumulator width (bits)")
    everywhere = [panel for row in axes for panel in row]
    bar = figure.colorbar(image, ax=everywhere, location="bottom", shrink=0.6, aspect=40, ticks=range(len(LOSSES) + 1))
    bar.set_ticklabels(["none", *(f"≤ {limit:g}" for limit in LOSSES[1:]), f"> {LOSSES[-1]:g}"])
    bar.set_label("accuracy lost (percentage points)")
    figure.suptitle("Which layer limits the accumulator?")
    return figure


def accumulator_relief(relief: pd.DataFrame) -> Figure:
    """Accuracy over the accumulator's width with each remedy for narrow accumulators."""
    parts = facets(relief)
    figure, axes = panels(2, len(parts), height=3.2, sharey=True)
    for column, (name, part) in enumerate(parts.items()):
        for row, policy in enumerate(("saturate", "wrap")):
            panel = axes[row][column]
            late = part[(part.technique == "plain") & (part.policy == "saturate_end")]
            if policy == "saturate":
                panel.plot(late.accumulator_bits, 100 * late.accuracy, label="plain, final sum only", **REFERENCE)
            for technique, (color, marker) in TECHNIQUES.items():
                curve = part[(part.technique == technique) & part.policy.isin([policy, "none"])]
                style = {"color": color, "marker": marker, "markersize": 5, "label": technique}
                panel.plot(curve.accumulator_bits, 100 * curve.accuracy, **style)
            panel.set(title=f"{name}\n{POLICY_NAMES[policy]}", ylim=(0, 103))
            _up_to_harmless(panel, part, part.accuracy != late.accuracy.iloc[-1])
        axes[-1][column].set_xlabel("accumulator width (bits)")
    for row in axes:
        row[0].set_ylabel("test accuracy (%)")
    legend_below(figure, axes[0][0], columns=4)
    figure.suptitle("What helps where the accumulator is too narrow?")
    return figure


def _up_to_harmless(panel: Axes, table: pd.DataFrame, harmful: pd.Series) -> None:
    """Show the widths up to the first two at which nothing happens; what follows is the same."""
    widths = table.accumulator_bits
    last = max([widths.min(), *widths[harmful]])
    panel.set_xlim(widths.min() - 0.5, min(widths.max(), last + 2) + 0.5)
    panel.xaxis.get_major_locator().set_params(integer=True)
