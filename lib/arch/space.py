"""The grid of designs, every combination of the axes, and what each costs."""

from itertools import product
from pathlib import Path

import pandas as pd
from pandas import DataFrame

from lib.arch.cost import DESIGN, network_costs
from lib.arch.numerics import INT8, Numerics
from lib.arch.technology import Technology
from lib.arch.topology import Layer
from lib.files import reading, whole

BLOCK = 8192  # designs costed at a time: some arrays of [designs, layers] that stay small


def grid(axes: dict[str, list]) -> DataFrame:
    """All combinations of the axes, a row each, columns as in lib.arch.cost.DESIGN; "dataflows" names that axis.

    >>> axes = {name: [1, 2] for name in DESIGN if name != "dataflow"} | {"dataflows": ["os", "ws"]}
    >>> len(grid(axes))
    256
    """
    values = [axes["dataflows"] if name == "dataflow" else sorted(axes[name]) for name in DESIGN]
    return DataFrame(product(*values), columns=DESIGN)


def evaluate(
    layers: list[Layer], designs: DataFrame, technology: Technology, numerics: Numerics = INT8, batch: int = 1
) -> DataFrame:
    """`network_costs` in blocks, so that memory does not grow with the number of designs but for the result."""
    blocks = (designs.iloc[start : start + BLOCK] for start in range(0, len(designs), BLOCK))
    return pd.concat([network_costs(layers, block, technology, numerics, batch) for block in blocks])


def write(designs: DataFrame, path: str | Path) -> None:
    """Write costed designs as Parquet, whole or not at all: costs in float32, counts of cycles and bytes exactly."""
    counts = ["compute_cycles", "cycles", "dram_bytes"]
    costs = designs.select_dtypes("float64").columns.difference([*DESIGN, *counts])
    compact = designs.astype(dict.fromkeys(costs, "float32") | {"dataflow": "category", "reason": "category"})
    with whole(path) as temporary:
        compact.to_parquet(temporary, index=False, compression="zstd")


def read(path: str | Path) -> DataFrame:
    """Read costed designs; raises InputError where the file is damaged."""
    with reading(path, "a table of designs"):
        return pd.read_parquet(path).astype({"dataflow": str, "reason": str})
