"""Figures about single layers below 8 bits: which need the bits, and what widths of their own save."""

from textwrap import fill

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.report.figures.lowbit import loss_bar, loss_map
from lib.report.sensitivity import COSTS, predictors
from lib.report.style import BLUE, GREY, facets, legend_below, panels

COST_LABELS = {"size": "weights (kB)", "bit operations": "bit operations per inference (10⁹)"}
ORIGINS = {"uniform": (GREY, "s", "one width for all layers"), "mixed": (BLUE, "o", "each layer its own width")}


def bit_sensitivity(bit_sensitivity: pd.DataFrame, proxies: pd.DataFrame) -> Figure:
    """Accuracy lost by layer and bits, weights and activations apart, with the rank correlation of the proxies."""
    parts, ranked = facets(bit_sensitivity), facets(proxies)
    kinds = bit_sensitivity.kind.unique()
    layers = [part.layer.nunique() for part in parts.values()]
    height = 1.5 + 0.3 * sum(layers) / len(layers)
    figure, axes = panels(len(parts), len(kinds), width=5, height=height, height_ratios=layers)
    for row, (name, part) in zip(axes, parts.items(), strict=True):
        found = predictors(ranked.get(name, proxies[:0]))
        for panel, kind in zip(row, kinds, strict=True):
            chosen = part[part.kind == kind]
            drops = chosen.pivot(index="layer", columns="bits", values="drop_points").loc[chosen.layer.unique()]
            if len(drops):  # a network of one layer multiplies nothing but its input, which keeps 8 bits
                loss_map(panel, drops)
            panel.set_title(f"{name}\n{kind}s of one layer at a time", fontsize=10)
            ranks = ", ".join(f"{proxy['name']} {proxy['spearman']:+.2f}" for proxy in found.get(kind, []))
            label = f"bits; rank correlation of the loss with {ranks}" if ranks else "bits"
            panel.set(xlabel=fill(label, 60), ylabel="")
    loss_bar(figure, axes)
    figure.suptitle("Which layer needs its bits, and what predicts it?")
    return figure


def mixed_precision(mixed_precision: pd.DataFrame) -> Figure:
    """Accuracy over size and bit operations: one width for all layers, and the assignments of the exact solver."""
    parts = facets(mixed_precision)
    figure, axes = panels(len(COSTS), len(parts), height=3.4)
    for column, (name, part) in enumerate(parts.items()):
        for row, (objective, cost) in zip(axes, COSTS.items(), strict=True):
            chosen = part[(part.origin == "uniform") | (part.objective == objective)]
            costs_and_accuracy(row[column], chosen, cost)
            row[column].set(title=f"{name}\nleast {objective}", xlabel=COST_LABELS[objective])
    for row in axes:
        row[0].set_ylabel("test accuracy (%), 95 % interval")
    legend_below(figure, axes[0][0])
    figure.suptitle("What does it save to give each layer its own width?")
    return figure


def costs_and_accuracy(panel: Axes, rows: pd.DataFrame, cost: str) -> None:
    """Accuracy over the column `cost` with intervals, as far down as the mixed assignments go."""
    rows = rows.assign(label=rows.assignment.str.replace("all:", "W"))
    rows.loc[rows.origin == "mixed", "label"] = "≤ " + rows.allowed_loss_points.map("{:g}".format)
    lowest = 100 * rows[rows.origin == "mixed"].ci_low.min() - 3
    for origin, (color, marker, label) in ORIGINS.items():
        part = rows[(rows.origin == origin) & (100 * rows.accuracy > lowest)].sort_values(cost)
        share = 100 * part[["accuracy", "ci_low", "ci_high"]]
        error = [share.accuracy - share.ci_low, share.ci_high - share.accuracy]
        look = {"color": color, "marker": marker, "markersize": 5, "elinewidth": 1, "label": label}
        panel.errorbar(part[cost], share.accuracy, yerr=error, **look)
        # Beside the marks of the few uniform widths, else upright above the intervals or, where the next mark is close,
        # to the right of the mark: neighbours do not meet.
        close = -part[cost].diff(-1) < 0.02 * (rows[cost].max() - rows[cost].min())
        for x, y, top, text, crowded in zip(part[cost], share.accuracy, share.ci_high, part.label, close, strict=True):
            place, offset, look = (x, top), (0, 3), {"ha": "center", "va": "bottom", "rotation": 90}
            if origin == "uniform":
                place, offset, look = (x, y), (5, -3), {"ha": "left", "va": "top"}
            elif crowded:
                place, offset, look = (x, y), (6, 0), {"ha": "left", "va": "center"}
            panel.annotate(text, place, offset, textcoords="offset points", fontsize=8, color=color, **look)
    panel.margins(x=0.12, y=0.3)
