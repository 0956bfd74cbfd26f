"""Bytes that a layer moves through SRAM and DRAM, with int8 operands and outputs and int32 partial sums."""

import numpy as np
from pandas import DataFrame

from lib.arch.design import Design
from lib.arch.systolic import fold
from lib.arch.topology import Layer

PARTIAL_SUM_BYTES = 4


def partial_sums_in_flight(layers: list[Layer], design: Design) -> np.ndarray:
    """Partial sums that wait for the next fold of the same outputs [words]; 0 where one fold finishes an output."""
    row_size, col_size, stream, row_folds, _ = fold(layers, design.rows, design.cols, design.dataflow)
    if design.dataflow == "os":
        return np.zeros_like(row_size)
    return np.where(row_folds > 1, stream * np.minimum(col_size, design.cols), 0)


def traffic(layers: list[Layer], design: Design, accesses: DataFrame) -> DataFrame:
    """SRAM and DRAM bytes of each layer.

    accesses : one row a layer with ifmap_sram_reads, filter_sram_reads, ofmap_sram_writes (closed form) and
        ifmap_dram_reads, filter_dram_reads (SCALE-Sim's double buffers, of which one half holds the operand)
    returns : sram_bytes, ifmap_dram_bytes, filter_dram_bytes, ofmap_dram_bytes

    A partial sum is written and read back as int32; an output is written once, as int8. Partial sums stay in half of
    the ofmap SRAM where they fit, and otherwise all travel to DRAM and back. SCALE-Sim's own count of output writes
    is not used: whatever the SRAM, it sends every partial sum to DRAM as one byte and reads none back, and it
    counts the empty slots of partly filled lines.
    """
    outputs = np.array([layer.ofmap_words for layer in layers])
    partial_bytes = (accesses["ofmap_sram_writes"] - outputs) * 2 * PARTIAL_SUM_BYTES
    spilled = partial_sums_in_flight(layers, design) * PARTIAL_SUM_BYTES > design.sram_kb * 1024 / 2
    return DataFrame(
        {
            "sram_bytes": accesses["ifmap_sram_reads"] + accesses["filter_sram_reads"] + outputs + partial_bytes,
            "ifmap_dram_bytes": accesses["ifmap_dram_reads"],
            "filter_dram_bytes": accesses["filter_dram_reads"],
            "ofmap_dram_bytes": outputs + partial_bytes * spilled,
        }
    )
