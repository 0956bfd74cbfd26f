"""Figures about ranges, errors and sensitivity of the layers."""

import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from lib.report.style import BLUE, CALIBRATIONS, ORANGE, SKY, facets, legend_below, panels

MOST_PER_ROW = 5


def distributions(histograms: pd.DataFrame, quant_errors: pd.DataFrame) -> Figure:
    """Histograms of weights and activations, with the range to which each calibration clips the activations."""
    parts = facets(histograms)
    # The ranges in use, where a pool has that of its input; int8sym's are symmetric and would hide the others.
    clipped = facets(quant_errors[(quant_errors.kind == "activation") & (quant_errors.activation != "int8sym")])
    counts = histograms.groupby(["workload", "kind"], sort=False).tensor.nunique()
    per_row = min(MOST_PER_ROW, counts.max())
    heights = np.ceil(counts / per_row).astype(int).groupby("workload", sort=False).sum().tolist()
    figure = plt.figure(figsize=(2.5 * per_row, 1.75 * sum(heights) + 0.55 * len(parts) + 0.8))
    areas = figure.subfigures(len(parts), 1, height_ratios=heights, squeeze=False)[:, 0]
    lines = {}
    for area, rows, (name, part) in zip(areas, heights, parts.items(), strict=True):
        area.suptitle(name, fontsize=11, fontweight="normal")
        grid = area.subplots(rows, per_row, squeeze=False)
        used = 0
        for kind in ("weight", "activation"):
            tensors = part[part.kind == kind].groupby(["layer", "tensor"], sort=False)
            for index, ((layer, tensor), bins) in enumerate(tensors):
                panel = grid[used + index // per_row][index % per_row]
                histogram(panel, bins)
                panel.set_title(f"{layer} {kind}s" if kind == "weight" else f"{tensor} activations", fontsize=9)
                limits = clipped[name][clipped[name].tensor == tensor].drop_duplicates("calibration")
                for limit in limits.itertuples():
                    for edge in {limit.low, limit.high}:
                        color = CALIBRATIONS[limit.calibration]
                        line = panel.axvline(edge, color=color, linewidth=1.4, linestyle=(0, (3, 1)))
                        lines[f"clipped by {limit.calibration}"] = line
            used += math.ceil(len(tensors) / per_row)
        for panel in grid.flat:
            panel.set_visible(panel.has_data())
        for row in grid:
            row[0].set_ylabel("values (log)", fontsize=8)
    figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=3)
    figure.suptitle("How are weights and activations distributed, and what does each calibration clip?")
    return figure


def histogram(axes: Axes, bins: pd.DataFrame) -> None:
    """Counted bins, with a logarithmic count axis: the tails decide the range and would vanish on a linear one."""
    filled = bins["count"].to_numpy().nonzero()[0]
    bins = bins.iloc[filled[0] : filled[-1] + 1]
    edges = [*bins.bin_low, bins.bin_high.iloc[-1]]
    axes.stairs(bins["count"], edges, fill=True, color=SKY, baseline=0.5)
    axes.set_yscale("log")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(0.5, None)
    axes.tick_params(labelsize=7)
    axes.grid(visible=False)


def layer_sqnr(quant_errors: pd.DataFrame) -> Figure:
    """Signal to quantization noise per layer: weights by granularity, activations by calibration and type."""
    # The graph format changes how a model is written down, not its scales: one format says all.
    errors = quant_errors[quant_errors.format == quant_errors.format.iloc[0]]
    parts = facets(errors)
    widest = max(part.layer.nunique() for part in parts.values())
    figure, axes = panels(2, len(parts), width=max(4.2, 0.5 * widest), height=2.9, sharey="row")
    for column, (name, part) in enumerate(parts.items()):
        weights, activations = part[part.kind == "weight"], part[part.kind == "activation"]
        for (granularity, color), offset in zip({"tensor": ORANGE, "channel": BLUE}.items(), (-0.1, 0.1), strict=True):
            chosen = weights[weights.granularity == granularity].drop_duplicates("tensor")
            dots(axes[0][column], chosen, "tensor", offset, color=color, marker="o", label=f"per {granularity}")
        markers = {"uint8": "o", "int8": "D", "int8sym": "v"}
        for index, (activation, marker) in enumerate(markers.items()):
            for calibration, color in CALIBRATIONS.items():
                chosen = activations[(activations.activation == activation) & (activations.calibration == calibration)]
                chosen = chosen.drop_duplicates("tensor")
                label = f"{activation}, {calibration}"
                dots(axes[1][column], chosen, "tensor", 0.2 * (index - 1), color=color, marker=marker, label=label)
        axes[0][column].set(title=name)
        axes[1][column].set_xlabel("tensor")
    axes[0][0].set_ylabel("weights' SQNR (dB)")
    axes[1][0].set_ylabel("activations' SQNR (dB)")
    axes[0][0].legend(loc="best")
    legend_below(figure, axes[1][0], columns=3)
    figure.suptitle("How much noise does quantization add, layer by layer?")
    return figure


def dots(axes: Axes, frame: pd.DataFrame, column: str, offset: float, **style) -> None:
    """SQNR of each tensor beside the others of its place on the axis."""
    if len(frame):
        place = [index + offset for index in range(len(frame))]
        axes.plot(place, frame.sqnr_db, linestyle="", markersize=4.5, alpha=0.8, **style)
        labels = frame[column].str.removesuffix(".weight")
        long = labels.str.len().max() * len(labels) > 34
        axes.set_xticks(range(len(labels)), labels, rotation=55 if long else 0, ha="right" if long else "center")


def layer_sensitivity(sensitivity: pd.DataFrame) -> Figure:
    """Loss of accuracy and SQNR of the logits when one layer alone is quantized."""
    parts = facets(sensitivity)
    rows = max(len(part) for part in parts.values())
    figure, axes = panels(2, len(parts), width=4.6, height=0.9 + 0.28 * rows)
    for column, (name, part) in enumerate(parts.items()):
        drop, noise = axes[0][column], axes[1][column]
        drop.barh(part.layer, part.drop_points, color=[ORANGE if lost > 0 else BLUE for lost in part.drop_points])
        drop.axvline(0, color="0.25", linewidth=1)
        # One sample is the smallest step there is: an axis much finer than ten of them would show noise as structure.
        limit = max(1.15 * part.drop_points.abs().max(), 1000 / part.samples.max())
        drop.xaxis.set_major_locator(MaxNLocator(5))
        drop.set(title=name, xlim=(-limit, limit), xlabel=f"accuracy lost (points), {part.samples.max()} test samples")
        noise.plot(part.sqnr_db, part.layer, "o", color=BLUE)
        noise.set(xlabel="SQNR of the logits (dB); left is worse", xlim=(0, 1.15 * part.sqnr_db.max()))
        for panel in (drop, noise):
            panel.invert_yaxis()
            panel.grid(axis="y", visible=False)
    figure.suptitle("Which layer pays for 8 bits, if it alone is quantized?")
    figure.supxlabel(f"scheme: {sensitivity.scheme.iloc[0]}", fontsize=9)
    return figure
