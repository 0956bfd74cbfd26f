"""Figures about the choice of ranges and schemes: calibration over seeds, paired tests, channel ranges."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from lib.report.answers import SIGNIFICANT
from lib.report.calibration import draws
from lib.report.figures.arch import plain_log
from lib.report.figures.lowbit import loss_axis
from lib.report.style import BLUE, CALIBRATIONS, GREY, ORANGE, facets, legend_below, panels

MARKERS = "os^vDPX"
STAGES = {"trained": (GREY, "o", 10), "folded": (ORANGE, "s", 6), "equalized": (BLUE, "D", 6)}


def calibration_study(calibration_study: pd.DataFrame) -> Figure:
    """Accuracy over the number of calibration samples per method, with 95 % intervals over seeds."""
    parts = facets(calibration_study)
    widths = calibration_study.activation_bits.unique()
    figure, axes = panels(len(parts), len(widths), width=5, height=3.2)
    for row, (name, part) in zip(axes, parts.items(), strict=True):
        for panel, bits in zip(row, widths, strict=True):
            methods(panel, part[part.activation_bits == bits])
            panel.set(title=f"{name}\nactivations of {bits} bits", xlabel="calibration samples")
    legend_below(figure, axes[0][0])
    figure.suptitle("How many calibration samples are enough, and by which method?")
    return figure


def methods(panel: Axes, study: pd.DataFrame) -> None:
    """Mean loss against the best mean by number of samples, with its interval; faint marks are single draws."""
    samples, table = sorted(study.calibration_samples.unique()), draws(study)
    best = table["mean"].max()
    names = study.calibration.unique().tolist()
    for index, (name, marker) in enumerate(zip(names, MARKERS, strict=False)):
        offset = 0.11 * (index - (len(names) - 1) / 2)
        color = CALIBRATIONS[name.split()[0]]
        single, mean = study[study.calibration == name], table[table.calibration == name]
        place = single.calibration_samples.map(samples.index) + offset
        panel.plot(place, best - 100 * single.accuracy, marker, color=color, markersize=3, alpha=0.3)
        place = mean.calibration_samples.map(samples.index) + offset
        error = mean.high - mean["mean"]
        look = {"color": color, "marker": marker, "markersize": 5, "linewidth": 0.8, "elinewidth": 1.2}
        panel.errorbar(place, best - mean["mean"], yerr=error, label=name, **look)
    panel.set_xticks(range(len(samples)), samples)
    loss_axis(panel, "y")
    panel.set_ylim(panel.dataLim.ymax * 1.3, -0.9)
    panel.set_ylabel(f"points below the best, {best:.2f} %")
    panel.grid(axis="x", visible=False)


def paired(paired: pd.DataFrame) -> Figure:
    """How many images only one scheme of a pair gets right, and which pairs McNemar's test tells apart."""
    parts = facets(paired)
    sides = {name: [part[part["first"] != "float32"], part[part["first"] == "float32"]] for name, part in parts.items()}
    rows = max(len(merged(side)) for pair in sides.values() for side in pair)
    figure, axes = panels(len(parts), 2, width=5.4, height=1.1 + 0.17 * rows)
    for row, (name, pair) in zip(axes, sides.items(), strict=True):
        for panel, side in zip(row, pair, strict=True):
            panel.set_title(name)
            if len(side):
                disagreements(panel, merged(side))
                first = side["first"].iloc[0]
                panel.set_title(f"{name}\n{first} against", fontsize=10)
    for panel in axes[-1]:
        panel.set_xlabel("samples that only one model gets right:\nthe row's ← | → the title's", fontsize=9)
    handles = [Patch(color=ORANGE, label=f"told apart (p < {SIGNIFICANT}, Holm)"), Patch(color=GREY, label="not")]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    figure.suptitle("Which schemes does the test set tell apart?")
    return figure


def merged(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per kind of scheme with its counts; formats that classify alike share a row, `format` names them."""
    parts = rows.second.str.partition("_")
    table = rows.assign(format=parts[0], kind=parts[2].where(parts[2] != "", parts[0]).str.replace("_", " "))
    keys = ["kind", "only_first_right", "only_second_right", "p_holm"]
    return table.groupby(keys, sort=False).format.agg(", ".join).reset_index()


def disagreements(panel: Axes, table: pd.DataFrame) -> None:
    """Bars to the right where only the first scheme is right, to the left where only the second; the worst on top."""
    table = table.assign(net=table.only_first_right - table.only_second_right)
    table = table.sort_values("net", ascending=False, kind="stable")
    labels = [
        row.kind if "," in row.format or row.format == row.kind else f"{row.kind} ({row.format})"
        for row in table.itertuples()
    ]
    colors = [ORANGE if p < SIGNIFICANT else GREY for p in table.p_holm]
    place = range(len(table))
    panel.barh(place, table.only_first_right, color=colors, height=0.75)
    panel.barh(place, -table.only_second_right, color=colors, height=0.75)
    panel.plot(table.net, place, "|", color="black", markersize=6)
    panel.axvline(0, color="0.25", linewidth=1)
    # A scheme that fails may miss a hundred times as many as one that chance moves.
    panel.set_xscale("symlog", linthresh=10)
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{abs(value):g}"))
    panel.set_yticks(place, labels, fontsize=7)
    panel.set_ylim(len(table) - 0.5, -0.5)
    panel.grid(axis="y", visible=False)


def folding(folding: pd.DataFrame) -> Figure:
    """How unequal the channels' weights are before and after folding and equalization, and what that costs in SQNR."""
    bits = folding.bits.min()
    parts = facets(folding[folding.bits == bits])
    rows = max(part.layer.nunique() for part in parts.values())
    figure, axes = panels(2, len(parts), width=4.6, height=1.1 + 0.3 * rows)
    for column, (name, part) in enumerate(parts.items()):
        layers = part.layer.unique().tolist()
        for stage, (color, marker, size) in STAGES.items():
            chosen = part[part.stage == stage]
            place = chosen.layer.map(layers.index)
            look = {"color": color, "linestyle": "", "markersize": size, "marker": marker}
            axes[0][column].plot(chosen.spread, place, label=stage, **look)
            axes[1][column].plot(chosen.sqnr_db_tensor, place, **look)
            axes[1][column].plot(chosen.sqnr_db_channel, place, fillstyle="none", **look)
        axes[0][column].set(title=name, xscale="log", xlabel="widest channel over narrowest (log)")
        plain_log(axes[0][column].xaxis)
        axes[1][column].set_xlabel(f"SQNR at {bits} bits (dB): filled per tensor, empty per channel", fontsize=9)
        for panel in (axes[0][column], axes[1][column]):
            panel.set_yticks(range(len(layers)), layers)
            panel.set_ylim(len(layers) - 0.5, -0.5)
            panel.grid(axis="y", visible=False)
    legend_below(figure, axes[0][0])
    figure.suptitle("What do batch-norm folding and equalization do to the channels' ranges?")
    return figure
