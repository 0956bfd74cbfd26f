"""Figures about training."""

import pandas as pd
from matplotlib.figure import Figure

from lib.report.style import BLUE, ORANGE, facets, legend_below, panels


def training_curves(training: pd.DataFrame) -> Figure:
    """Loss and accuracy per epoch, a column per workload."""
    parts = facets(training)
    figure, axes = panels(2, len(parts), height=2.5, sharex="col")
    for column, (name, part) in enumerate(parts.items()):
        loss, accuracy = axes[0][column], axes[1][column]
        loss.plot(part.epoch, part.train_loss, color=BLUE, marker=".", label="training set")
        accuracy.plot(part.epoch, 100 * part.train_accuracy, color=BLUE, marker=".", label="training set, on the way")
        part = part.dropna(subset="test_accuracy")
        accuracy.plot(part.epoch, 100 * part.test_accuracy, color=ORANGE, marker=".", label="test set")
        loss.set(title=name, ylabel="loss (cross-entropy)", ylim=(0, None))
        accuracy.set(xlabel="epoch", ylabel="accuracy (%)")
        accuracy.xaxis.get_major_locator().set_params(integer=True)
    legend_below(figure, axes[1][0])
    figure.suptitle("Has training converged, and does the test set follow?")
    return figure
