"""Figures about accuracy and latency of the quantization schemes."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from lib.report.style import ACTIVATIONS, CALIBRATIONS, GREY, REFERENCE, facets, legend_below, panels

MARKERS = {"qdq": "o", "qoperator": "s"}
GRANULARITIES = {"tensor": "per tensor", "channel": "per channel"}


def split(part: pd.DataFrame) -> tuple[pd.Series, pd.DataFrame]:
    """The float32 row and the rows of the quantized schemes."""
    is_float = part.scheme == "float32"
    return part[is_float].iloc[0], part[~is_float]


def categories(axes: Axes, labels: list[str]) -> None:
    """Write the labels beside the rows 0, 1, … of a horizontal chart, the first at the top."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)


def milliseconds(axes: Axes, values: pd.Series) -> None:
    """A logarithmic time axis with plain numbers, wide enough for at least two of them."""
    axes.set_xscale("log")
    axes.set_xlim(values.min() / 1.4, values.max() * 1.4)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.ticklabel_format(axis="x", style="plain")


def accuracy_per_scheme(accuracy: pd.DataFrame) -> Figure:
    """Accuracy with its 95 % interval: rows are activation type and granularity, colours calibrations."""
    parts = facets(accuracy)
    formats = accuracy.format[accuracy.scheme != "float32"].unique()
    figure, axes = panels(len(parts), len(formats), width=5, height=2.9, sharex="row", sharey="row")
    for row, (name, part) in zip(axes, parts.items(), strict=True):
        float32, schemes = split(part)
        groups = schemes[["activation", "granularity"]].drop_duplicates().apply(tuple, axis=1).tolist()
        used = [name for name in CALIBRATIONS if name in set(schemes.calibration)]
        for panel, graph_format in zip(row, formats, strict=True):
            panel.axvspan(100 * float32.ci_low, 100 * float32.ci_high, color="0.92", zorder=0)
            panel.axvline(100 * float32.accuracy, label="float32 and its interval", **REFERENCE)
            for index, calibration in enumerate(used):
                chosen = schemes[(schemes.format == graph_format) & (schemes.calibration == calibration)]
                place = [groups.index(pair) + 0.22 * (index - (len(used) - 1) / 2) for pair in pairs(chosen)]
                share = 100 * chosen[["accuracy", "ci_low", "ci_high"]]
                panel.errorbar(
                    share.accuracy,
                    place,
                    xerr=[share.accuracy - share.ci_low, share.ci_high - share.accuracy],
                    fmt="o",
                    color=CALIBRATIONS[calibration],
                    markersize=4.5,
                    elinewidth=1,
                    label=calibration,
                )
            panel.set(title=f"{name}\n{graph_format}")
            panel.grid(axis="y", visible=False)
        categories(row[0], [f"{activation}, {GRANULARITIES[granularity]}" for activation, granularity in groups])
    for panel in axes[-1]:
        panel.set_xlabel("test accuracy (%), 95 % interval")
    legend_below(figure, axes[0][0])
    figure.suptitle("Which quantization scheme keeps float32's accuracy?")
    return figure


def pairs(frame: pd.DataFrame) -> list[tuple[str, str]]:
    """Activation type and weight granularity of each row."""
    return list(zip(frame.activation, frame.granularity, strict=True))


def latency_per_scheme(latency: pd.DataFrame) -> Figure:
    """Median latency from single calls and batches: rows are graph format and activation type."""
    parts, batches = facets(latency), latency.batch.unique()
    figure, axes = panels(len(parts), len(batches), width=5, height=2.6, sharey="row")
    for row, (name, part) in zip(axes, parts.items(), strict=True):
        for panel, batch in zip(row, batches, strict=True):
            float32, schemes = split(part[part.batch == batch])
            groups = list(dict.fromkeys(zip(schemes.format, schemes.activation, strict=True)))
            panel.axvline(float32.p50_ms, label="float32", **REFERENCE)
            for offset, (granularity, label) in zip((-0.15, 0.15), GRANULARITIES.items(), strict=True):
                chosen = schemes[schemes.granularity == granularity]
                keys = zip(chosen.format, chosen.activation, strict=True)
                panel.errorbar(
                    chosen.p50_ms,
                    [groups.index(key) + offset for key in keys],
                    xerr=[chosen.p50_ms - chosen.min_ms, chosen.p90_ms - chosen.p50_ms],
                    fmt="o" if granularity == "channel" else "D",
                    color=CALIBRATIONS["minmax"] if granularity == "channel" else CALIBRATIONS["percentile"],
                    markersize=4.5,
                    elinewidth=1,
                    alpha=0.7,
                    label=label,
                )
            milliseconds(panel, pd.concat([schemes.min_ms, schemes.p90_ms, pd.Series([float32.p50_ms])]))
            panel.set(title=f"{name}\nbatch {batch}, {float32.rounds} rounds")
            panel.grid(axis="y", visible=False)
        categories(row[0], [f"{graph_format}, {activation}" for graph_format, activation in groups])
    for panel in axes[-1]:
        panel.set_xlabel("median time of a call (ms); bar: min to p90")
    legend_below(figure, axes[0][0])
    figure.suptitle("How long does a call take on one thread?")
    return figure


def accuracy_vs_latency(accuracy: pd.DataFrame, latency: pd.DataFrame) -> Figure:
    """Accuracy against median latency at batch 1: upper left is better."""
    keys = ["workload", "dataset", "scheme", "format", "activation", "granularity", "calibration"]
    both = accuracy.merge(latency[latency.batch == 1], on=keys, how="inner")
    parts = facets(both)
    figure, axes = panels(1, len(parts), height=3.8)
    for panel, (name, part) in zip(axes[0], parts.items(), strict=True):
        float32, schemes = split(part)
        low, high = 100 * float32.ci_low, 100 * float32.ci_high
        panel.axhspan(low, high, color="0.94", zorder=0, label="float32's 95 % interval")
        for graph_format, marker in MARKERS.items():
            for activation, color in ACTIVATIONS.items():
                chosen = schemes[(schemes.format == graph_format) & (schemes.activation == activation)]
                if len(chosen):
                    style = {"color": color, "alpha": 0.75, "s": 32, "edgecolor": "white", "linewidth": 0.4}
                    label = f"{graph_format}, {activation}"
                    panel.scatter(chosen.p50_ms, 100 * chosen.accuracy, marker=marker, label=label, **style)
        place = float32.p50_ms, 100 * float32.accuracy
        panel.scatter(*place, marker="*", s=170, color=GREY, edgecolor="0.2", label="float32")
        milliseconds(panel, part.p50_ms)
        # Never closer than the intervals, so that differences within them look like what they are.
        lowest, highest = 100 * part.ci_low.min(), 100 * part.ci_high.max()
        margin = 0.05 * (highest - lowest)  # the markers' own height
        panel.set(title=name, xlabel="median latency at batch 1 (ms)", ylim=(lowest - margin, highest + margin))
    axes[0][0].set_ylabel("test accuracy (%)")
    legend_below(figure, axes[0][0], columns=4)
    figure.suptitle("What does speed cost in accuracy?")
    return figure
