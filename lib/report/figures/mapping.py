"""Mappings that tools searched for, beside our model of the same design, split into the same parts."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.report.figures.arch import COMPONENTS, busiest, short
from lib.report.style import BLUE, ORANGE, PINK, RED, facets, panels

LEVEL = 8  # as many names of layers stand beside each other; more are slanted
PARTS = {
    "latency_cycles": {
        "ideal_cycles": ("multiplying", BLUE),
        "fill_drain_cycles": ("filling and draining", ORANGE),
        "stall_cycles": ("waiting for memory", RED),
        "edge_cycles": ("first and last transfers", PINK),
    },
    "energy_pj": {f"energy_{name}_pj": COMPONENTS[name] for name in ("mac", "register", "sram", "dram")},
}


def mapping(mapping: pd.DataFrame) -> Figure:
    """Latency and energy of each layer, ours = 1: our model, then our loop order and the best one in a tool's model."""
    parts = facets(mapping[mapping.latency_cycles.notna()])
    figure, axes = panels(len(parts), 2, width=6.4, height=3.5)
    for row, (name, part) in zip(axes, parts.items(), strict=True):
        for panel, objective, measure in zip(row, ("latency", "energy"), PARTS, strict=True):
            stacks(panel, bars(part, objective), measure)
            panel.set_title(f"{name}, {part.design.iloc[0]}", pad=20 if part.layer.nunique() <= LEVEL else 60)
            panel.set_ylabel(f"{objective}, ours = 1")
    for panel, side in zip(axes[-1], ("left", "right"), strict=True):
        figure.legend(*panel.get_legend_handles_labels(), loc=f"outside lower {side}", ncols=3)
    figure.suptitle("What does a searched mapping cost beside ours, and in which part do they differ?")
    return figure


def bars(part: pd.DataFrame, objective: str) -> pd.DataFrame:
    """One row per bar with its label, ours first, then the tools' rows about the objective or about our loop order.

    A tool that searched for the product of both only is shown with that.
    """
    chosen = busiest(part, "macs")
    wanted = chosen.objective.isin(["our loop order", objective])
    chosen = chosen[wanted | ((chosen.objective == "EDP") & ~chosen.tool.isin(chosen.tool[wanted]))]
    own = chosen.drop_duplicates("layer")
    own = (
        own.filter(like="ours_")
        .rename(columns=lambda name: name.removeprefix("ours_"))
        .join(own[["layer", "scalesim_cycles"]])
    )
    labels = chosen.tool + np.where(chosen.objective == "our loop order", ", our order", ", searched")
    found = chosen.drop(columns="scalesim_cycles").assign(bar=labels)
    return pd.concat([own.assign(bar="ours"), found], ignore_index=True)


def stacks(axes: Axes, rows: pd.DataFrame, measure: str) -> None:
    """Stacked bars of a measure's parts over our total for the layer, by layer; a mark at SCALE-Sim's cycles."""
    layers, kinds = rows.layer.unique().tolist(), rows.bar.unique().tolist()
    ours = rows.layer.map(rows[rows.bar == "ours"].set_index("layer")[measure])
    place = rows.layer.map(layers.index) + 0.8 / len(kinds) * (rows.bar.map(kinds.index) - (len(kinds) - 1) / 2)
    base = np.zeros(len(rows))
    for column, (label, color) in PARTS[measure].items():
        share = (rows[column] / ours).fillna(0).to_numpy() if column in rows else np.zeros(len(rows))
        axes.bar(place, share, bottom=base, color=color, label=label, width=0.7 / len(kinds), linewidth=0)
        base += share
    if measure == "latency_cycles":
        height = rows.scalesim_cycles / ours
        axes.scatter(place, height, marker="_", s=250, color="black", label="SCALE-Sim, which never waits")
    axes.set_xticks(place, rows.bar, rotation=90, fontsize=7)
    axes.margins(x=0.02)
    look = {"ha": "center", "fontsize": 9} if len(layers) <= LEVEL else {"ha": "left", "fontsize": 8, "rotation": 40}
    for index, layer in enumerate(layers):
        axes.annotate(short(layer), (index, 1.02), xycoords=("data", "axes fraction"), **look)
    axes.grid(axis="x", visible=False)
