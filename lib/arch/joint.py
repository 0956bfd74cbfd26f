"""Numerics and hardware chosen together: measured accuracy on the designs that suit each combination of widths best.

The accuracies come from whatever tables there are; one more table, or other widths in one, widens the front.
"""

from dataclasses import asdict
from pathlib import Path

import pandas as pd
from pandas import DataFrame

from lib.arch.cost import DESIGN, areas
from lib.arch.numerics import INT8, Numerics
from lib.arch.pareto import front, names
from lib.arch.space import in_blocks
from lib.arch.technology import Technology
from lib.arch.topology import Layer
from lib.errors import InputError
from lib.interval import wilson

# What a table of accuracies that does not say otherwise is about: onnxruntime's INT8 models.
ONNXRUNTIME = asdict(INT8) | {"overflow": "wrap"}
WIDTHS = list(asdict(INT8))
COSTS = ["latency_ms", "energy_uj"]


def combinations(tables: dict[str, DataFrame]) -> DataFrame:
    """The most accurate scheme of each combination of widths, best first.

    tables : by path; columns scheme, samples, accuracy (0…1), and where it is not onnxruntime's arithmetic
        activation_bits, weight_bits, accumulator_bits, requantization, overflow. Rows of the scheme "float32" are
        left out.
    returns : source (the file's name), scheme, the widths, overflow, samples, accuracy, and its 95 % interval ci_low,
        ci_high. Of equally accurate schemes the first stays.
    Raises InputError for a table without those columns.

    >>> table = DataFrame({"scheme": ["float32", "a", "b", "c"], "samples": 100, "accuracy": [0.9, 0.88, 0.89, 0.87]})
    >>> best = combinations({"accuracy.csv": table.assign(weight_bits=[32, 8, 8, 4])})
    >>> best[["source", "scheme", "weight_bits", "accumulator_bits", "accuracy"]].values.tolist()
    [['accuracy', 'b', 8, 32, 0.89], ['accuracy', 'c', 4, 32, 0.87]]
    >>> best[["ci_low", "ci_high"]].round(3).values[0].tolist()
    [0.814, 0.937]
    """
    parts = []
    for path, table in tables.items():
        missing = {"scheme", "samples", "accuracy"} - set(table)
        if missing:
            raise InputError(f"{path}: not a table of accuracies, there is no column {', '.join(sorted(missing))}")
        unsaid = {name: value for name, value in ONNXRUNTIME.items() if name not in table}
        parts.append(table[table["scheme"] != "float32"].assign(source=Path(path).stem, **unsaid))
    together = pd.concat(parts, ignore_index=True)[["source", "scheme", *ONNXRUNTIME, "samples", "accuracy"]]
    best = together.sort_values("accuracy", ascending=False, kind="stable").drop_duplicates(WIDTHS, ignore_index=True)
    intervals = [wilson(round(row.accuracy * row.samples), row.samples) for row in best.itertuples()]
    return best.join(DataFrame(intervals, columns=["ci_low", "ci_high"]))


def joint_choice(
    layers: list[Layer],
    designs: DataFrame,
    technology: Technology,
    measured: DataFrame,
    area_mm2: float,
    dram_gb_per_s: float,
    batch: int = 1,
) -> DataFrame:
    """For each combination its front of latency x energy among the designs within both limits, below each other.

    designs : columns lib.arch.cost.DESIGN; measured : as `combinations` gives it
    area_mm2, dram_gb_per_s : the limits
    returns : its columns, design, DESIGN, latency_ms, energy_uj, area_mm2, and on_front: whether no other row equals
        or betters accuracy, latency and energy together
    Raises InputError where no design is small enough or can run the network.

    >>> from lib.arch import space, technology
    >>> layers, node = [Layer("conv", 34, 34, 3, 3, 3, 32, 1, 1)], technology.read()
    >>> axes = dict.fromkeys(DESIGN, [64]) | {"cols": [8, 16], "dataflows": ["ws"], "clock_mhz": [500]}
    >>> table = DataFrame({"scheme": ["a", "b"], "samples": 100, "accuracy": [0.9, 0.8], "weight_bits": [8, 4]})
    >>> limits = {"area_mm2": 5, "dram_gb_per_s": 64}
    >>> found = joint_choice(layers, space.grid(axes), node, combinations({"bits.csv": table}), **limits)
    >>> found[["weight_bits", "design", "energy_uj", "on_front"]].round(2).values.tolist()
    [[8, '64x16_ws_64kb', 6.88, True], [4, '64x16_ws_64kb', 6.74, True]]
    """
    affordable = designs[designs["dram_gb_per_s"] <= dram_gb_per_s]
    parts = []
    for row in measured.to_dict("records"):
        numerics = Numerics(**{name: row[name] for name in WIDTHS})
        within = _within(area_mm2, affordable, technology, numerics)
        best = front(in_blocks(layers, within, technology, numerics, batch), COSTS)
        parts.append(best[[*DESIGN, *COSTS, "area_mm2", "reason"]].assign(design=names(best), **row))
    table = pd.concat(parts, ignore_index=True).assign(error=lambda rows: 1 - rows["accuracy"])
    on_front = table.index.isin(front(table, ["error", *COSTS]).index)
    columns = [*measured.columns, "design", *DESIGN, *COSTS, "area_mm2"]
    return table[columns].assign(on_front=on_front)


def _within(area_mm2: float, designs: DataFrame, technology: Technology, numerics: Numerics) -> DataFrame:
    """The designs of at most this area; the others need no costs."""
    small = designs[sum(areas(designs, technology, numerics)) <= area_mm2]
    if small.empty:
        raise InputError(f"no design of arch.space is within {area_mm2:g} mm² and the bandwidth of arch.joint")
    return small
