"""How time and memory of the workflow's steps grow."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from lib.report.style import BLUE, GREEN, ORANGE, PURPLE, panels

AXES = {"designs": "designs", "layers": "layers of a network", "images": "samples", "jobs": "Snakemake jobs"}
QUANTITIES = {"seconds": "time (s, log)", "peak_mb": "peak memory (MB, log)"}
LOOKS = [(BLUE, "o"), (ORANGE, "s"), (GREEN, "^"), (PURPLE, "D")]


def scaling(scaling: pd.DataFrame) -> Figure:
    """Time and peak memory over each size, log-log, with the fitted power law through the larger half."""
    figure, axes = panels(len(AXES), len(QUANTITIES), width=5.4, height=3.1)
    for row, (axis, axis_label) in zip(axes, AXES.items(), strict=True):
        part = scaling[scaling.axis == axis]
        for panel, (quantity, quantity_label) in zip(row, QUANTITIES.items(), strict=True):
            for (step, rows), (color, marker) in zip(part.groupby("step", sort=False), LOOKS, strict=False):
                look = {"color": color, "marker": marker, "markersize": 5, "linestyle": ""}
                panel.plot(rows["size"], rows[quantity], label=f"{step}: {power(rows, quantity)}", **look)
                line(panel, rows[rows.fitted == 1], quantity, color)
            panel.set(xscale="log", yscale="log", xlabel=f"{axis_label} (log)", ylabel=quantity_label)
            for side in (panel.xaxis, panel.yaxis):
                side.set_major_locator(LogLocator())
                side.set_minor_formatter(NullFormatter())
            low, high = part[quantity].min(), part[quantity].max()
            # At least a decade, so that what is constant looks it; and room for the legend above.
            high = max(high, 10 * low)
            panel.set_ylim(low / 2, high * (high / low) ** 0.55)
            panel.legend(loc="upper left", fontsize=8)
    figure.suptitle("How do time and memory grow with the number of designs, layers, samples and jobs?")
    return figure


def power(rows: pd.DataFrame, quantity: str) -> str:
    """A step's exponent as text.

    >>> power(pd.DataFrame({"seconds_exponent": [0.98], "seconds_error": [0.012]}), "seconds")
    'exponent 0.98 ± 0.01'
    """
    exponent, error = rows[f"{quantity}_exponent"].iloc[0], rows[f"{quantity}_error"].iloc[0]
    return f"exponent {exponent:.2f} ± {error:.2f}"


def line(panel: Axes, fitted: pd.DataFrame, quantity: str, color: tuple) -> None:
    """The fit: with its exponent through the points' geometric mean, as least squares has it."""
    sizes = fitted["size"].agg(["min", "max"])
    middle, height = (np.exp(np.log(fitted[name]).mean()) for name in ("size", quantity))
    panel.plot(sizes, height * (sizes / middle) ** fitted[f"{quantity}_exponent"].iloc[0], color=color, linewidth=1)
