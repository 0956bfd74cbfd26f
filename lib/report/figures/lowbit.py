"""Figures about few bits: what narrow integers lose, and what the better techniques bring back."""

from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.scale import SymmetricalLogScale
from matplotlib.ticker import NullLocator

from lib.report.quantization import MAIN, WIDTHS, main_variant, recipes
from lib.report.style import (
    BLUE,
    BROWN,
    GREEN,
    ORANGE,
    PURPLE,
    RED,
    REFERENCE,
    facets,
    legend_below,
    panels,
    sns,
    tiles,
)

LEVELS = [0.5, 1, 3, 10]  # points: up to which loss each colour of a heat map goes, but the last
GRANULARITIES = {"channel": BLUE, "tensor": ORANGE}
SYMMETRIES = {"symmetric": "-", "asymmetric": "--"}
MARKERS = {"asymmetric": "o", "symmetric": "v"}
KINDS = ["PTQ", "QAT", "library"]
COLORS, MARKS = (BLUE, GREEN, RED, ORANGE, PURPLE, BROWN), "osD^vP"  # by pair of widths


def loss_map(panel: Axes, losses: pd.DataFrame) -> None:
    """A heat map of losses (points), each written in its cell; what was not measured stays white."""
    level = pd.DataFrame(np.searchsorted(LEVELS, losses.round(9)), losses.index, losses.columns)
    written = losses.map(lambda lost: f"{round(lost, 1) + 0:.{1 if abs(lost) < 9.95 else 0}f}")
    colors = ListedColormap(["0.93", *sns.color_palette("rocket_r", len(LEVELS))])
    look = {"cmap": colors, "vmin": -0.5, "vmax": len(LEVELS) + 0.5, "linewidths": 0.5, "cbar": False}
    sns.heatmap(level, mask=losses.isna(), annot=written, fmt="", annot_kws={"size": 8}, ax=panel, **look)
    panel.tick_params(axis="y", rotation=0)


def loss_bar(figure: Figure, axes: list[list[Axes]]) -> None:
    """The colours of all loss maps, explained below the figure."""
    image = next(panel.collections[0] for row in axes for panel in row if panel.collections)
    everywhere = [panel for row in axes for panel in row]
    ticks = range(len(LEVELS) + 1)
    bar = figure.colorbar(image, ax=everywhere, location="bottom", fraction=0.02, pad=0.01, aspect=60, ticks=ticks)
    bar.set_ticklabels([*(f"≤ {limit:g}" for limit in LEVELS), f"> {LEVELS[-1]:g}"])
    bar.set_label("accuracy lost (percentage points)")


def loss_axis(panel: Axes, name: str) -> None:
    """Losses on the axis "x" or "y": linear up to 1 point, where single images decide, and logarithmic beyond."""
    ticks = [0, 0.5, 1, 3, 10, 30, 100]
    panel.set(**{f"{name}scale": SymmetricalLogScale(None, linthresh=1, linscale=0.8)})
    panel.set(**{f"{name}ticks": ticks, f"{name}ticklabels": [f"{tick:g}" for tick in ticks]})
    getattr(panel, f"{name}axis").set_minor_locator(NullLocator())


def bit_widths(bit_widths: pd.DataFrame) -> Figure:
    """Loss over weight and activation bits, and how granularity and symmetry move it where one of them narrows."""
    parts = facets(bit_widths)
    figure, axes = panels(len(parts), 3, width=4.4, height=3.6)
    for row, (name, part) in zip(axes, parts.items(), strict=True):
        losses = main_variant(part).pivot(index="weight_bits", columns="activation_bits", values="loss_points")
        loss_map(row[0], losses.sort_index(ascending=False))
        row[0].set(title=f"{name}\nweights per channel", xlabel="activation bits", ylabel="weight bits")
        for panel, (narrow, wide) in zip(row[1:], (WIDTHS, WIDTHS[::-1]), strict=True):
            variants(panel, part[part[wide] == part[wide].max()], narrow)
            widest = f"{wide.removesuffix('_bits')}s at {part[wide].max()} bits"
            panel.set(title=f"{name}\n{widest}", xlabel=narrow.replace("_", " "), ylabel="accuracy lost (points)")
    legend_below(figure, axes[0][1], columns=2)
    figure.suptitle("How few bits do weights and activations need without any remedy?")
    return figure


def variants(panel: Axes, rows: pd.DataFrame, narrow: str) -> None:
    """Loss over the bits in the column `narrow`, a line per granularity and symmetry."""
    for (granularity, weights, activations), part in rows.groupby(list(MAIN), sort=False):
        part = part.sort_values(narrow)
        look = {"color": GRANULARITIES[granularity], "linestyle": SYMMETRIES[weights], "marker": MARKERS[activations]}
        label = f"per {granularity}, {weights} weights, {activations} activations"
        panel.plot(part[narrow], part.loss_points, markersize=5, label=label, **look)
    panel.axhline(0, **REFERENCE)
    loss_axis(panel, "y")
    panel.set_ylim(-0.9, 100)
    panel.xaxis.get_major_locator().set_params(integer=True)


def low_bit(low_bit: pd.DataFrame, library: pd.DataFrame) -> Figure:
    """Loss of every recipe with its 95 % interval, a colour per pair of widths."""
    table = recipes(low_bit, library)
    # Naive first, the library last: the order of the kinds, not of the files.
    table = table.sort_values("kind", key=lambda kinds: kinds.map(KINDS.index), kind="stable")
    parts = facets(table)
    rows = max(part.recipe.nunique() for part in parts.values())
    figure, axes = tiles(len(parts), width=6, height=1 + 0.55 * rows)
    for panel, (name, part) in zip(axes, parts.items(), strict=True):
        marks(panel, part, list(dict.fromkeys(zip(table.weight_bits, table.activation_bits, strict=True))))
        panel.set(title=name, xlabel="accuracy lost (points), 95 % interval")
    legend_below(figure, axes[0])
    figure.suptitle("What does each technique bring back below 8 bits?")
    return figure


def marks(panel: Axes, rows: pd.DataFrame, widths: list[tuple[int, int]]) -> None:
    """A row per recipe, in it a mark per pair of widths with interval and number, one below the other."""
    labels = rows.recipe.unique().tolist()
    panel.axvline(0, **REFERENCE)
    for index, ((weight_bits, activation_bits), color, marker) in enumerate(zip(widths, COLORS, MARKS, strict=False)):
        part = rows[(rows.weight_bits == weight_bits) & (rows.activation_bits == activation_bits)]
        place = part.recipe.map(labels.index) + 0.8 * ((index + 0.5) / len(widths) - 0.5)
        error = [part.loss_points - part.loss_low, part.loss_high - part.loss_points]
        look = {"fmt": marker, "color": color, "markersize": 5, "elinewidth": 1}
        panel.errorbar(part.loss_points, place, xerr=error, label=f"W{weight_bits}A{activation_bits}", **look)
        for high, y, lost in zip(part.loss_high, place, part.loss_points, strict=True):
            look = {"textcoords": "offset points", "va": "center", "fontsize": 7, "color": color}
            panel.annotate(f"{lost:.2f}", (high, y), (4, 0), **look)
    loss_axis(panel, "x")
    panel.set_xlim(-0.9, 150)
    panel.set_yticks(range(len(labels)), [fill(label, 26) for label in labels])
    panel.set_ylim(len(labels) - 0.5, -0.5)
    panel.set_yticks([index + 0.5 for index in range(len(labels) - 1)], minor=True)
    panel.grid(axis="y", visible=False)
    panel.grid(axis="y", which="minor", visible=True)
