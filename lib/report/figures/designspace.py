"""Figures about the whole design space: front, bottlenecks of the winners, what more of each would buy."""

from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import NullLocator

from lib.report.architecture import METRICS, PARAMETERS, best_so_far, enough, plain
from lib.report.figures.arch import busiest, own, plain_log, short
from lib.report.style import BLUE, GREEN, ORANGE, PURPLE, RED, SKY, facets, legend_below, panels, sns, tiles

WINNERS = [("*", RED, 340), ("D", ORANGE, 75), ("^", SKY, 110), ("P", PURPLE, 110), ("X", GREEN, 110), ("s", BLUE, 75)]
BOUNDS = {
    "compute": ("the array", BLUE),
    "ifmap": ("DRAM, mostly inputs", ORANGE),
    "filter": ("DRAM, mostly weights", GREEN),
    "ofmap": ("DRAM, mostly outputs", PURPLE),
}
CURVES = [(BLUE, "o"), (ORANGE, "s"), (GREEN, "^")]


def pareto(pareto: pd.DataFrame, winners: pd.DataFrame) -> Figure:
    """The Pareto front of latency, energy and area, with the winner under each constraint."""
    parts = facets(pareto)
    figure, axes = tiles(len(parts), width=5.6, height=4.8)
    for panel, (name, part) in zip(axes, parts.items(), strict=True):
        order = part.sort_values("area_mm2", ascending=False)
        look = {"cmap": "viridis", "norm": LogNorm(), "s": 14, "linewidth": 0, "alpha": 0.8}
        points = panel.scatter(order.latency_ms, order.energy_uj, c=order.area_mm2, **look)
        bar = figure.colorbar(points, ax=panel, label="area (mm², log)")
        plain_log(bar.ax.yaxis)
        found = own(winners, part)
        found = found[found.reason == ""]
        for row, (marker, color, size) in zip(found.itertuples(), WINNERS, strict=False):
            label = f"{row.constraint}: {row.design}"
            look = {"marker": marker, "color": color, "s": size, "edgecolor": "black", "linewidth": 1, "zorder": 3}
            panel.scatter(row.latency_ms, row.energy_uj, label=label, **look)
        panel.set(title=name, xscale="log", yscale="log")
        panel.set(xlabel="latency per inference (ms, log)", ylabel="energy per inference (µJ, log)")
        plain_log(panel.xaxis)
        plain_log(panel.yaxis, (1, 1.5, 2, 3, 4, 5, 7))
        panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), fontsize=8)
    figure.suptitle("What does speed cost in energy and area, and which design wins?")
    return figure


def bottleneck_map(bottlenecks: pd.DataFrame) -> Figure:
    """What bounds each layer of each winner, with its share of the design's time."""
    parts = {name: busiest(part, "latency_ms") for name, part in facets(bottlenecks).items()}
    rows = max(part.layer.nunique() for part in parts.values())
    columns = bottlenecks.constraint.nunique()
    figure, axes = tiles(len(parts), width=1.6 + 1.35 * columns, height=1.6 + 0.38 * rows)
    shares = bottlenecks.latency_ms / bottlenecks.groupby(["workload", "constraint"]).latency_ms.transform("sum")
    for panel, (name, part) in zip(axes, parts.items(), strict=True):
        layers = part.layer.unique().tolist()
        winners = part[["constraint", "design"]].drop_duplicates()
        constraints = winners.constraint.tolist()
        colors = np.ones((len(layers), len(constraints), 4))
        for row in part.assign(share=shares).itertuples():
            place = layers.index(row.layer), constraints.index(row.constraint)
            colors[place] = to_rgba(BOUNDS[row.bound][1], 0.2 + 0.8 * row.share)
            panel.text(*place[::-1], f"{100 * row.share:.0f} %", ha="center", va="center", fontsize=9)
        panel.imshow(colors, aspect="auto")
        labels = [f"{fill(row.constraint, 24)}\n{row.design.replace('_', ' ')}" for row in winners.itertuples()]
        panel.set_xticks(range(len(labels)), labels, fontsize=7)
        panel.set_yticks(range(len(layers)), map(short, layers))
        panel.set_xticks(np.arange(len(labels) - 1) + 0.5, minor=True)
        panel.set_yticks(np.arange(len(layers) - 1) + 0.5, minor=True)
        panel.grid(visible=False, which="major")
        panel.grid(visible=True, which="minor", color="white", linewidth=2)
        panel.set(title=name)
    handles = [Patch(color=color, label=label) for label, color in BOUNDS.values()]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    figure.suptitle("What holds each layer back, and how much of the time does it take?")
    return figure


def diminishing_returns(returns: pd.DataFrame) -> Figure:
    """Best latency, energy and energy-delay product over each resource, and where doubling it stops helping."""
    parts = facets(returns)
    figure, axes = panels(len(parts), len(PARAMETERS), width=3.3, height=2.6, sharey="row")
    for row, (name, part) in zip(axes, parts.items(), strict=True):
        for panel, (parameter, label) in zip(row, PARAMETERS.items(), strict=True):
            for (metric, metric_label), (color, marker) in zip(METRICS.items(), CURVES, strict=True):
                curve = best_so_far(part, parameter, metric)
                relative = curve / part[metric].min()
                panel.plot(relative, color=color, marker=marker, markersize=3, label=metric_label)
                value = enough(curve)
                if value is not None:
                    ring = {"markersize": 11, "fillstyle": "none", "markeredgewidth": 2}
                    panel.plot(value, relative[value], "o", color=color, **ring)
            panel.set(xscale="log", yscale="log", xlabel=f"{label}, log")
            values = curve.index.tolist()
            # A tick at each value where there are few, else at each that is four times the one before.
            ticks = values if len(values) < 5 else [v for v in values if v / values[0] in 4.0 ** np.arange(10)]
            panel.set_xticks(ticks, [f"{value:g}" for value in ticks])
            panel.xaxis.set_minor_locator(NullLocator())
            plain_log(panel.yaxis)
        row[0].set(title=name, ylabel="times the best there is (log)")
    legend_below(figure, axes[0][0], title="ring: from here on no doubling buys 5 %")
    figure.suptitle("Where does doubling the array, the SRAM, the bandwidth or the clock stop helping?")
    return figure


def design_sensitivity(design_sensitivity: pd.DataFrame) -> Figure:
    """Change of latency, energy, energy-delay product and area when one parameter of the winner takes one step."""
    parts = {n: part[part.constraint == part.constraint.iloc[0]] for n, part in facets(design_sensitivity).items()}
    figure, axes = tiles(len(parts), width=5.2, height=1.2 + 0.3 * max(map(len, parts.values())))
    for panel, (name, part) in zip(axes, parts.items(), strict=True):
        changes = 100 * (part[[f"{cost}_ratio" for cost in ("latency", "energy", "edp", "area")]] - 1)
        sns.heatmap(
            changes,
            ax=panel,
            cmap="vlag",
            vmin=-50,
            vmax=50,
            annot=changes.map(lambda change: f"{round(change):+d}" if change == change else ""),
            fmt="",
            annot_kws={"size": 8},
            linewidths=0.5,
            xticklabels=["latency", "energy", "energy ×\ndelay", "area"],
            yticklabels=part.parameter + ": " + plain(part.value) + " → " + plain(part.other_value),
            cbar=panel is axes[-1],
            cbar_kws={"label": "change (%)"},
        )
        panel.tick_params(axis="x", rotation=0)
        panel.tick_params(axis="y", rotation=0)
        panel.set(title=f"{name}\n{part.design.iloc[0]}", ylabel="")
    figure.suptitle("What would one step more, or less, of each change? (red: more, blue: less)")
    return figure
