"""How every figure looks: one theme, colours that colour-blind readers can tell apart, a colour per meaning."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.files import whole


@contextmanager
def without(package: str) -> Iterator[None]:
    """Imports in the block find no such package, if it was not imported before.

    >>> with without("wave"):
    ...     import wave
    Traceback (most recent call last):
    ModuleNotFoundError: import of wave halted; None in sys.modules
    >>> import wave
    """
    known = sys.modules.get(package)
    sys.modules[package] = known  # None stands for a package that is not there
    try:
        yield
    finally:
        if known is None:
            del sys.modules[package]


with without("scipy"):  # which seaborn can do without: density estimates and clusters take half a second to import
    import seaborn as sns

# Okabe and Ito's colours, as seaborn names them.
BLUE, ORANGE, GREEN, RED, PURPLE, BROWN, PINK, GREY, YELLOW, SKY = sns.color_palette("colorblind")
CALIBRATIONS = {"minmax": BLUE, "percentile": ORANGE, "entropy": GREEN, "mse": PURPLE}
ACTIVATIONS = {"uint8": BLUE, "int8": ORANGE, "int8sym": GREEN}
DATAFLOWS = {"os": BLUE, "ws": ORANGE, "is": GREEN}
DATAFLOW_NAMES = {"os": "output stationary", "ws": "weight stationary", "is": "input stationary"}
POLICIES = {"saturate": BLUE, "saturate_end": GREEN, "wrap": ORANGE}
POLICY_NAMES = {
    "saturate": "saturating every addition",
    "saturate_end": "saturating the final sum",
    "wrap": "wrapping around",
}
REFERENCE = {"color": "0.25", "linestyle": "--", "linewidth": 1.2, "zorder": 1}  # what the rest is compared with
DPI = 130


def apply() -> None:
    """Set the theme for all figures drawn from now on.

    >>> apply()
    >>> matplotlib.rcParams["axes.titlesize"], matplotlib.rcParams["legend.frameon"]
    (11.0, False)
    """
    sns.set_theme(
        style="whitegrid",
        palette="colorblind",
        rc={
            "figure.constrained_layout.use": True,
            "figure.titlesize": 13,
            "figure.titleweight": "bold",
            "axes.titlesize": 11,
            "axes.labelsize": 10,
            "xtick.labelsize": 9,
            "ytick.labelsize": 9,
            "legend.fontsize": 9,
            "legend.title_fontsize": 9,
            "legend.frameon": False,
            "grid.color": "0.9",
            "font.family": "DejaVu Sans",
        },
    )


def facets(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The table's parts by what they are about, e.g. "tiny_cnn_2d on CIFAR-10" or "resnet18", in the table's order.

    >>> table = pd.DataFrame({"workload": ["net", "resnet18"], "dataset": ["CIFAR-10", "no data"], "macs": [1, 2]})
    >>> list(facets(table))
    ['net on CIFAR-10', 'resnet18']
    """
    groups = frame.groupby(["workload", "dataset"], sort=False)
    return {
        workload if dataset == "no data" else f"{workload} on {dataset}": part for (workload, dataset), part in groups
    }


def panels(
    rows: int, columns: int, width: float = 4.2, height: float = 3.2, **options
) -> tuple[Figure, list[list[Axes]]]:
    """A grid of axes, always two-dimensional; size of one panel in inches.

    >>> figure, axes = panels(rows=2, columns=3)
    >>> len(axes), len(axes[0]), figure.get_size_inches().round(1).tolist()
    (2, 3, [12.6, 7.1])
    >>> plt.close(figure)
    """
    figure, axes = plt.subplots(
        rows, columns, figsize=(max(width * columns, 6.5), height * rows + 0.7), squeeze=False, **options
    )
    return figure, axes.tolist()


def tiles(count: int, width: float = 4.6, height: float = 3.2, **options) -> tuple[Figure, list[Axes]]:
    """`count` axes in rows of two, none left over; size of one in inches.

    >>> figure, axes = tiles(3)
    >>> len(axes), len(figure.axes)
    (3, 3)
    >>> plt.close(figure)
    """
    figure, axes = panels(-(-count // 2), min(count, 2), width, height, **options)
    places = [panel for row in axes for panel in row]
    for empty in places[count:]:
        empty.remove()
    return figure, places[:count]


def legend_below(figure: Figure, axes: Axes, title: str | None = None, columns: int = 6) -> None:
    """One legend for the whole figure, from the labelled artists of `axes`, under the panels.

    >>> figure, (axes,) = tiles(1)
    >>> _ = axes.plot([1, 2], label="measured")
    >>> legend_below(figure, axes)
    >>> [text.get_text() for text in figure.legends[0].get_texts()]
    ['measured']
    >>> plt.close(figure)
    """
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(unique.values(), unique.keys(), title=title, loc="outside lower center", ncols=columns)


def save(figure: Figure, path: str | Path) -> None:
    """Write the figure as PNG, the same bytes for the same data: without date and software version.

    >>> import tempfile
    >>> figure, _ = tiles(1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(figure, f"{folder}/figure.png")
    ...     Path(folder, "figure.png").read_bytes()[1:4]
    b'PNG'
    """
    with whole(path) as temporary:
        figure.savefig(temporary, dpi=DPI, metadata={"Software": None})
    plt.close(figure)
