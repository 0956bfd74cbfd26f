"""One design's row per layer: SCALE-Sim's reports confirmed by the closed form, then memory, roofline and energy."""

import pandas as pd
from pandas import DataFrame

from lib.arch.design import Design
from lib.arch.energy import energy
from lib.arch.memory import traffic
from lib.arch.roofline import roofline
from lib.arch.systolic import evaluate, fold
from lib.arch.topology import Layer
from lib.errors import InputError


def confirm(layers: list[Layer], design: Design, simulated: DataFrame, predicted: DataFrame) -> None:
    """Compare SCALE-Sim's reports with the closed form, layer by layer.

    Raises InputError naming the first layer and quantity that differ, or DRAM reads below the operand's size or
    above the array's own reads.
    """
    _, _, _, row_folds, col_folds = fold(layers, design.rows, design.cols, design.dataflow)
    groups = pd.Series([layer.groups for layer in layers])
    # SCALE-Sim adds rows + cols to the output writes of each output-stationary fold.
    surplus = groups * row_folds * col_folds * (design.rows + design.cols) * (design.dataflow == "os")
    expected = {
        "scalesim_cycles": predicted["compute_cycles"],
        "ifmap_sram_reads": predicted["ifmap_sram_reads"],
        "filter_sram_reads": predicted["filter_sram_reads"],
        "ofmap_sram_writes": predicted["ofmap_sram_writes"] + surplus,
    }
    for column, values in expected.items():
        for layer, found, wanted in zip(layers, simulated[column], values, strict=True):
            if found != wanted:
                raise InputError(
                    f"design {design.name}, layer {layer.name}: {column} is {found} in SCALE-Sim's report and {wanted} "
                    "in closed form; delete the design's reports to have them made again"
                )
    for operand in ("ifmap", "filter"):
        least = [getattr(layer, f"{operand}_words") for layer in layers]
        reads = zip(layers, least, simulated[f"{operand}_dram_reads"], simulated[f"{operand}_sram_reads"], strict=True)
        for layer, words, dram, sram in reads:
            if not words <= dram <= sram:
                raise InputError(
                    f"design {design.name}, layer {layer.name}: SCALE-Sim reads {dram} {operand} words from DRAM, "
                    f"where {words} are needed once and the array reads {sram}"
                )


def design_table(
    layers: list[Layer],
    design: Design,
    simulated: DataFrame,
    clock_mhz: float,
    dram_gb_per_s: float,
    energies: dict[str, float],
) -> DataFrame:
    """All that is known of a design, one row a layer, units in the column names.

    simulated : SCALE-Sim's reports (lib.arch.scalesim.read_reports), confirmed here
    energies : lib.arch.energy.read_table
    avg_dram_bytes_per_cycle : the demand, all DRAM bytes over the stall-free cycles. SCALE-Sim's bandwidth report
        averages over the time in which its memory is busy, which rests on its fixed 10 words a cycle.
    """
    predicted = evaluate(layers, design.rows, design.cols, design.dataflow)
    confirm(layers, design, simulated, predicted)
    sram_accesses = predicted[["ifmap_sram_reads", "filter_sram_reads", "ofmap_sram_writes"]]
    dram_reads = simulated[["ifmap_dram_reads", "filter_dram_reads"]]
    moved = traffic(layers, design, sram_accesses.join(dram_reads))
    dram = moved.drop(columns="sram_bytes")
    dram_bytes = dram.sum(axis=1)
    cycles = predicted["compute_cycles"]
    macs = pd.Series([layer.macs for layer in layers])
    return pd.concat(
        [
            DataFrame({"layer": predicted["layer"], "macs": macs, "scalesim_cycles": simulated["scalesim_cycles"]}),
            cycles.rename("closed_form_cycles"),
            predicted[["utilization", "mapping_efficiency"]],
            sram_accesses,
            dram,
            (dram_bytes / (cycles + 1)).rename("avg_dram_bytes_per_cycle"),
            roofline(cycles, dram_bytes, clock_mhz, dram_gb_per_s),
            (macs / dram_bytes).rename("macs_per_dram_byte"),
            energy(macs, moved["sram_bytes"], dram_bytes, design.sram_kb, energies),
        ],
        axis=1,
    )
