"""The figure about requantization in fixed point."""

import pandas as pd
from matplotlib.figure import Figure

from lib.report.style import BLUE, GREEN, ORANGE, REFERENCE, facets, legend_below, panels

ROUNDINGS = {
    "fixed": ("one rounding, half up", BLUE, "o"),
    "gemmlowp": ("two roundings, as gemmlowp and TFLite", ORANGE, "s"),
}
POWER_OF_TWO = {"color": GREEN, "linestyle": ":", "linewidth": 2}


def requantization(requantization: pd.DataFrame, requantization_accuracy: pd.DataFrame) -> Figure:
    """Share of reachable accumulators that round unlike onnxruntime, and below it the accuracy that comes of it."""
    proofs, tests = facets(requantization), facets(requantization_accuracy)
    figure, axes = panels(2, len(proofs), height=2.9, sharex="col", sharey="row")
    smallest = (requantization.differing / requantization.reachable)[requantization.differing > 0].min()
    for column, (name, proof) in enumerate(proofs.items()):
        above, below, test = axes[0][column], axes[1][column], tests[name].set_index("mode")
        float32 = test.accuracy["float32"]
        network = proof.groupby(["rounding", "multiplier_bits"])[["differing", "reachable"]].sum()
        for rounding, (label, color, marker) in ROUNDINGS.items():
            for _, layer in proof[proof.rounding == rounding].groupby("layer"):
                share = layer.differing / layer.reachable
                above.plot(layer.multiplier_bits, share, color=color, linewidth=0.8, alpha=0.5)
            whole = network.loc[rounding].sort_index()
            style = {"color": color, "marker": marker, "markersize": 4, "label": label}
            above.plot(whole.index, whole.differing / whole.reachable, **style)
            curve = test[test.rounding == rounding].sort_values("multiplier_bits")
            below.plot(curve.multiplier_bits, 100 * (curve.accuracy - float32), **style)
        whole = network.loc["power_of_two"].iloc[0]
        above.axhline(whole.differing / whole.reachable, label="power of two, no multiplier", **POWER_OF_TWO)
        below.axhline(100 * (test.accuracy["power_of_two"] - float32), **POWER_OF_TWO)
        below.axhline(0, **REFERENCE)
        above.plot([], [], label="float32, as ONNX Runtime", **REFERENCE)
        # Linear below the smallest share, so that 0 has its place under the decades.
        above.set_yscale("symlog", linthresh=smallest if smallest > 0 else 1e-6)
        above.set(title=name, ylim=(0, 1.5))
        # A power of two may cost a hundred times what a narrow multiplier does.
        below.set_yscale("symlog", linthresh=1)
        below.set_yticks([-100, -10, -1, 0, 1, 10], ["−100", "−10", "−1", "0", "1", "10"])
        below.set_ylim(-100, 10)
        below.set_xlabel("multiplier width (bits)")
        below.xaxis.get_major_locator().set_params(integer=True)
    axes[0][0].set_ylabel("share of accumulator\nvalues that differ")
    axes[1][0].set_ylabel("test accuracy gained\nor lost (points)")
    legend_below(figure, axes[0][0], columns=2)
    figure.suptitle("How wide a multiplier does requantization need?")
    return figure
