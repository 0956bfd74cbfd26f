"""Cycles, utilization and SRAM accesses of a systolic array in closed form, equal to SCALE-Sim 3.0.0.

All functions take one array size or many: sizes that are [designs, 1] give results that are [designs, layers].

Source: Samajdar et al., "A systematic methodology for characterizing scalability of DNN accelerators using
SCALE-Sim", ISPASS 2020, with the details of scalesim 3.0.0 (tests/arch/test_systolic.py runs both).
"""

from typing import NamedTuple

import numpy as np
from pandas import DataFrame

from lib.arch.topology import Layer
from lib.errors import InputError


class Work(NamedTuple):
    """Matrix products [pixels, window] x [window, filters], `groups` one after the other; an entry per layer.

    >>> product = work([Layer("conv", 34, 34, 3, 3, 3, 32, 1, 1)])
    >>> product.pixels.item(), product.window.item(), product.filters.item(), product.macs.item()
    (1024, 27, 32, 884736)
    """

    pixels: np.ndarray
    window: np.ndarray
    filters: np.ndarray
    groups: np.ndarray

    @property
    def macs(self) -> np.ndarray:
        """Multiply-accumulates of all groups."""
        return self.pixels * self.window * self.filters * self.groups

    @property
    def outputs(self) -> np.ndarray:
        """Output words of all groups."""
        return self.pixels * self.filters * self.groups


class Folding(NamedTuple):
    """How a matrix product of one group is cut to fit the array.

    row_size, col_size : what is spread over the array's rows and columns
    stream : what streams through a fold, one a cycle
    row_folds, col_folds : ceil(row_size / rows), ceil(col_size / cols)

    >>> found = fold(work([Layer("conv", 34, 34, 3, 3, 3, 32, 1, 1)]), 16, 16, "ws")
    >>> Folding(*(size.item() for size in found))
    Folding(row_size=27, col_size=32, stream=1024, row_folds=2, col_folds=2)
    """

    row_size: np.ndarray
    col_size: np.ndarray
    stream: np.ndarray
    row_folds: np.ndarray
    col_folds: np.ndarray


class Counts(NamedTuple):
    """What the array does for each layer, all groups; see `evaluate` for the meaning of each.

    >>> found = count(work([Layer("conv", 34, 34, 3, 3, 3, 32, 1, 1)]), 16, 16, "os")
    >>> found.compute_cycles.item(), found.ifmap_sram_reads.item(), found.ofmap_sram_writes.item()
    (7295, 55296, 32768)
    """

    compute_cycles: np.ndarray
    mapping_efficiency: np.ndarray
    ifmap_sram_reads: np.ndarray
    filter_sram_reads: np.ndarray
    ofmap_sram_writes: np.ndarray


def work(layers: list[Layer], batch: int = 1) -> Work:
    """The layers' matrix products; `batch` inferences at once have as many times the pixels, and the same weights.

    >>> layers = [Layer("conv", 34, 34, 3, 3, 3, 32, 1, 1), Layer("fc", 1, 1, 1, 1, 256, 10, 1, 1)]
    >>> work(layers, batch=2).pixels.tolist(), work(layers).window.tolist()
    ([2048, 2], [27, 256])
    """
    rows = [(batch * layer.pixels, layer.window, layer.filters, layer.groups) for layer in layers]
    return Work(*np.array(rows, dtype=np.int64).reshape(-1, 4).T)


def fold(work: Work, rows: np.ndarray, cols: np.ndarray, dataflow: str) -> Folding:
    """Folding on arrays of rows x cols PEs; raises InputError for an impossible array or an unknown dataflow.

    >>> folding = fold(work([Layer("conv", 34, 34, 3, 3, 3, 32, 1, 1)]), 16, 16, "ws")
    >>> folding.row_folds.tolist(), folding.col_folds.tolist()  # ceil(3·3·3 / 16), ceil(32 / 16)
    ([2], [2])
    """
    if np.min(rows) < 1 or np.min(cols) < 1:
        raise InputError(f"array {np.min(rows)}x{np.min(cols)}: at least one row and one column are needed")
    spread = {
        "os": (work.pixels, work.filters, work.window),  # outputs stay, their windows stream
        "ws": (work.window, work.filters, work.pixels),  # weights stay, pixels stream
        "is": (work.window, work.pixels, work.filters),  # inputs stay, filters stream
    }
    if dataflow not in spread:
        raise InputError(f"dataflow {dataflow!r}: unknown; choose os, ws or is")
    row_size, col_size, stream = spread[dataflow]
    return Folding(row_size, col_size, stream, -(-row_size // rows), -(-col_size // cols))


def fold_cycles(stream: np.ndarray, rows: np.ndarray, cols: np.ndarray, dataflow: str) -> np.ndarray:
    """Cycles of one fold: load what stays (rows; nothing for os), stream, and cross the array.

    >>> fold_cycles(27, 16, 16, "os"), fold_cycles(1024, 16, 16, "ws")
    (57, 1070)
    """
    load = 0 if dataflow == "os" else rows
    return load + stream + rows + cols - 2


def count(work: Work, rows: np.ndarray, cols: np.ndarray, dataflow: str) -> Counts:
    """What `evaluate` returns, for many arrays at once: rows and cols [designs, 1] give [designs, layers].

    >>> rows = np.array([[8], [16], [32]])  # designs by layers
    >>> count(work([Layer("conv", 34, 34, 3, 3, 3, 32, 1, 1)]), rows, rows, "ws").compute_cycles.tolist()
    [[16735], [4279], [1117]]
    """
    row_size, col_size, stream, row_folds, col_folds = fold(work, rows, cols, dataflow)
    pixels, window, filters, groups = work
    again = {  # how often the array reads each input and each weight's row of products, and writes each output
        "os": (col_folds, row_folds, 1),
        "ws": (col_folds, 1, row_folds),
        "is": (1, col_folds, row_folds),
    }
    ifmap, weight, output = again[dataflow]
    return Counts(
        compute_cycles=groups * row_folds * col_folds * fold_cycles(stream, rows, cols, dataflow) - 1,
        mapping_efficiency=row_size * col_size / (row_folds * rows * col_folds * cols),
        ifmap_sram_reads=groups * pixels * window * ifmap,
        filter_sram_reads=groups * window * filters * weight,
        ofmap_sram_writes=groups * pixels * filters * output,
    )


def utilization(macs: np.ndarray, cycles: np.ndarray, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
    """MACs per PE and cycle, 0…1; `cycles` is the number of the last one, counted from 0.

    >>> float(utilization(macs=884736, cycles=4279, rows=16, cols=16).round(3))
    0.808
    """
    return np.minimum(macs / (np.maximum(cycles, 1) * rows * cols), 1.0)


def evaluate(layers: list[Layer], rows: int, cols: int, dataflow: str, batch: int = 1) -> DataFrame:
    """Cost of each layer on a rows x cols array, without memory stalls; groups run one after the other.

    compute_cycles : SCALE-Sim's "Total Cycles", the number of the last cycle counted from 0 [cycles]
    utilization : MACs per PE and compute cycle, 0…1 (SCALE-Sim's "Overall Util"). The last cycle's number being one
        less than their count, SCALE-Sim exceeds 100 % (or divides by 0) on a 1x1 os array; here it is 1.
    mapping_efficiency : share of PEs that hold an operand, mean over folds, 0…1
    ifmap_sram_reads, filter_sram_reads, ofmap_sram_writes : [words]. SCALE-Sim's os writes are rows + cols per fold
        too many (it adds the fold's shape to its size); here they are the outputs.
    Raises InputError for an impossible array or an unknown dataflow.

    >>> evaluate([Layer("conv1", 34, 34, 3, 3, 3, 32, 1, 1)], 16, 16, "ws").compute_cycles[0]
    np.int64(4279)
    """
    product = work(layers, batch)
    counts = count(product, rows, cols, dataflow)
    table = DataFrame(counts._asdict())
    table.insert(1, "utilization", utilization(product.macs, counts.compute_cycles, rows, cols))
    table.insert(0, "layer", [layer.name for layer in layers])
    return table
