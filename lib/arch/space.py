"""The grid of designs, every combination of the axes, and what each costs; in blocks, so that any number of them fits.

Who reads designs takes a DataFrame or its blocks one after the other, in order and with consecutive indices.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from math import prod
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pandas import DataFrame, RangeIndex
from pyarrow import parquet

from lib.arch.cost import DESIGN, network_costs
from lib.arch.numerics import INT8, Numerics
from lib.arch.technology import Technology
from lib.arch.topology import Layer
from lib.files import reading, whole

Designs = DataFrame | Iterable[DataFrame]

CELLS = 1 << 17  # designs x layers costed at a time: some arrays of a megabyte
ROWS = 1 << 17  # designs written and read at a time
COUNTS = ["compute_cycles", "cycles", "dram_bytes"]


def blocks(designs: Designs) -> Iterable[DataFrame]:
    """The blocks of designs; those of a DataFrame are one.

    >>> designs = DataFrame({"rows": [8, 16]})
    >>> len(blocks(designs)), len(blocks([designs, designs]))
    (1, 2)
    """
    return [designs] if isinstance(designs, DataFrame) else designs


def every(axes: dict[str, list]) -> range:
    """The places of all designs in the grid.

    >>> every({name: [1, 2] for name in DESIGN if name != "dataflow"} | {"dataflows": ["os", "ws", "is"]})
    range(0, 384)
    """
    return range(prod(map(len, _values(axes))))


def grid(axes: dict[str, list], places: range | None = None) -> DataFrame:
    """Combinations of the axes, a row each, columns as in lib.arch.cost.DESIGN; "dataflows" names that axis.

    places : which of `every` combination, all if None; they are the index

    >>> axes = {name: [1, 2] for name in DESIGN if name != "dataflow"} | {"dataflows": ["os", "ws"]}
    >>> grid(axes, range(254, 256))[["rows", "dataflow", "clock_mhz"]]
         rows dataflow  clock_mhz
    254     2       ws          1
    255     2       ws          2
    """
    values, index = _values(axes), RangeIndex(every(axes) if places is None else places)
    chosen = np.unravel_index(index, [len(axis) for axis in values])
    return DataFrame({name: axis[at] for name, axis, at in zip(DESIGN, values, chosen, strict=True)}, index)


def _values(axes: dict[str, list]) -> list[np.ndarray]:
    return [np.array(axes["dataflows"] if name == "dataflow" else sorted(axes[name])) for name in DESIGN]


def evaluate(
    layers: list[Layer], designs: DataFrame, technology: Technology, numerics: Numerics = INT8, batch: int = 1
) -> DataFrame:
    """`network_costs` of designs in memory, which takes little more than the result does.

    >>> from lib.arch import technology
    >>> axes = dict.fromkeys(DESIGN, [64]) | {"rows": [8, 16], "dataflows": ["os", "ws"], "clock_mhz": [500]}
    >>> costs = evaluate([Layer("conv", 34, 34, 3, 3, 3, 32, 1, 1)], grid(axes), technology.read())
    >>> costs[["rows", "dataflow", "compute_cycles"]].values.tolist()
    [[8, 'os', 12415], [8, 'ws', 4407], [16, 'os', 6719], [16, 'ws', 2235]]
    """
    return pd.concat(in_blocks(layers, designs, technology, numerics, batch))


def in_blocks(
    layers: list[Layer], designs: DataFrame, technology: Technology, numerics: Numerics = INT8, batch: int = 1
) -> Iterator[DataFrame]:
    """`evaluate`, block by block.

    >>> from lib.arch import technology
    >>> designs = grid(dict.fromkeys(DESIGN, [64]) | {"rows": [8, 16], "dataflows": ["ws"], "clock_mhz": [500]})
    >>> blocks = in_blocks([Layer("conv", 34, 34, 3, 3, 3, 32, 1, 1)], designs, technology.read())
    >>> [block["compute_cycles"].tolist() for block in blocks]
    [[4407, 2235]]
    """
    for part in _parts(range(len(designs)), layers):
        yield network_costs(layers, designs.iloc[part.start : part.stop], technology, numerics, batch)


def sweep(
    layers: list[Layer], axes: dict[str, list], technology: Technology, numerics: Numerics = INT8, batch: int = 1
) -> Iterator[DataFrame]:
    """`evaluate` of the whole grid, block by block, so that memory does not grow with the number of designs at all.

    >>> from lib.arch import technology
    >>> axes = dict.fromkeys(DESIGN, [64]) | {"rows": [8, 16], "dataflows": ["os", "ws"], "clock_mhz": [500]}
    >>> (block,) = sweep([Layer("conv", 34, 34, 3, 3, 3, 32, 1, 1)], axes, technology.read())
    >>> block["compute_cycles"].tolist()
    [12415, 4407, 6719, 2235]
    """
    for part in _parts(every(axes), layers):
        yield network_costs(layers, grid(axes, part), technology, numerics, batch)


def _parts(places: range, layers: list[Layer]) -> Iterator[range]:
    """Consecutive places of CELLS designs x layers."""
    step = max(1, CELLS // len(layers))
    return (places[start : start + step] for start in range(0, len(places), step))


def axes(designs: Designs) -> dict[str, list]:
    """The values of each parameter that occur, in ascending order.

    >>> values = dict.fromkeys(DESIGN, [64]) | {"rows": [8, 16], "dataflows": ["os", "ws"]}
    >>> found = axes(grid(values).iloc[[0, 3]])  # 8 rows with os, 16 with ws
    >>> print(*found["rows"], *found["cols"], *found["dataflow"])
    8 16 64 os ws
    """
    found = {parameter: set() for parameter in DESIGN}
    for block in blocks(designs):
        for parameter, values in found.items():
            values.update(block[parameter].unique())
    return {parameter: sorted(values) for parameter, values in found.items()}


def write(designs: Designs, path: str | Path) -> tuple[int, int]:
    """Write costed designs as Parquet, whole or not at all: costs in float32, counts of cycles and bytes exactly.

    Returns the number of designs, and of those that can run the network.

    >>> from lib.arch import technology
    >>> from lib.examples import folder
    >>> axes = dict.fromkeys(DESIGN, [64]) | {"rows": [8, 16], "dataflows": ["ws"], "clock_mhz": [500]}
    >>> layers = [Layer("conv", 34, 34, 3, 3, 3, 32, 1, 1)]
    >>> write(sweep(layers, axes, technology.read()), folder() / "designs.parquet")
    (2, 2)
    """
    compact = map(_compact, _gathered(blocks(designs)))
    first = next(compact)
    schema = pa.Schema.from_pandas(first, preserve_index=False)
    count = possible = 0
    with whole(path) as temporary, parquet.ParquetWriter(temporary, schema, compression="zstd") as file:
        for block in chain([first], compact):
            file.write_table(pa.Table.from_pandas(block, schema, preserve_index=False), row_group_size=ROWS)
            count, possible = count + len(block), possible + int((block["reason"] == "").sum())
    return count, possible


def _gathered(blocks: Iterable[DataFrame]) -> Iterator[DataFrame]:
    """Small blocks put together until they have ROWS rows; the last may have fewer."""
    kept = []
    for block in blocks:
        kept.append(block)
        if sum(map(len, kept)) >= ROWS:
            yield pd.concat(kept)
            kept = []
    if kept:
        yield pd.concat(kept)


def _compact(designs: DataFrame) -> DataFrame:
    # Counts are whole, but missing where a design cannot run the network; float64 holds them exactly below 2^53.
    costs = designs.select_dtypes("float64").columns.difference([*DESIGN, *COUNTS])
    return designs.astype(dict.fromkeys(costs, "float32") | dict.fromkeys(COUNTS, "float64"))


def read(path: str | Path) -> Iterator[DataFrame]:
    """Costed designs, block by block; raises InputError where the file is damaged.

    >>> from lib.arch import technology
    >>> from lib.examples import folder
    >>> axes = dict.fromkeys(DESIGN, [64]) | {"rows": [8, 16], "dataflows": ["ws"], "clock_mhz": [500]}
    >>> layers = [Layer("conv", 34, 34, 3, 3, 3, 32, 1, 1)]
    >>> _ = write(sweep(layers, axes, technology.read()), folder() / "designs.parquet")
    >>> [block["rows"].tolist() for block in read(folder() / "designs.parquet")]
    [[8, 16]]
    """
    with reading(path, "a table of designs"), parquet.ParquetFile(path) as file:
        file.schema_arrow.field("reason")
        start = 0
        for group in range(file.num_row_groups):  # iter_batches keeps something of each until the last is read
            block = file.read_row_group(group).to_pandas()
            yield block.set_axis(RangeIndex(start, start + len(block)))
            start += len(block)
