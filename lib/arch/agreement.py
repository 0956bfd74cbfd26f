"""SCALE-Sim's reports beside ours: confirmed by the closed form layer by layer, costed with our memory and energy."""

from dataclasses import asdict

import pandas as pd
from pandas import DataFrame

from lib.arch.cost import layer_costs
from lib.arch.design import Design
from lib.arch.systolic import evaluate, fold, work
from lib.arch.technology import Technology
from lib.arch.topology import Layer
from lib.errors import InputError

# Columns of lib.arch.scalesim.read_reports that the closed form predicts exactly.
EXACT = ["scalesim_cycles", "ifmap_sram_reads", "filter_sram_reads", "ofmap_sram_writes"]


def closed_form(layers: list[Layer], design: Design) -> DataFrame:
    """What SCALE-Sim must report: columns EXACT, a row per layer.

    >>> layer = Layer("conv", 10, 10, 3, 3, 2, 6, 1, 1)  # 64 outputs of each of 6 filters: 384, of 18 products each
    >>> closed_form([layer], Design.parse("8x8_os_16kb")).iloc[0].to_dict()  # 8 folds, each adding 8 + 8 writes
    {'scalesim_cycles': 255, 'ifmap_sram_reads': 1152, 'filter_sram_reads': 864, 'ofmap_sram_writes': 512}
    """
    predicted = evaluate(layers, design.rows, design.cols, design.dataflow)
    predicted = predicted.rename(columns={"compute_cycles": "scalesim_cycles"})[EXACT]
    if design.dataflow == "os":
        # SCALE-Sim adds rows + cols to the output writes of each output-stationary fold.
        product = work(layers)
        folding = fold(product, design.rows, design.cols, "os")
        folds = product.groups * folding.row_folds * folding.col_folds
        predicted["ofmap_sram_writes"] += folds * (design.rows + design.cols)
    return predicted


def confirm(layers: list[Layer], design: Design, simulated: DataFrame) -> None:
    """Compare SCALE-Sim's reports with the closed form, layer by layer.

    Raises InputError naming the first layer and quantity that differ, or DRAM reads below the operand's size or
    above the array's own reads.

    >>> from lib.arch.scalesim import simulate
    >>> layers, design = [Layer("fc", 1, 1, 1, 1, 64, 8, 1, 1)], Design.parse("8x8_ws_16kb")
    >>> reports = simulate(layers, design)
    >>> confirm(layers, design, reports)  # nothing to say: all is as it must be
    >>> confirm(layers, design, reports.assign(ifmap_sram_reads=63))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    lib.errors.InputError: design 8x8_ws_16kb, layer fc: ifmap_sram_reads is 63 in SCALE-Sim's report and 64 in ...
    """
    expected = closed_form(layers, design)
    for column in EXACT:
        for layer, found, wanted in zip(layers, simulated[column], expected[column], strict=True):
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


def _costs(layers: list[Layer], design: Design, operation: dict[str, float], technology: Technology) -> DataFrame:
    """Our costs of a design with 8-bit operands, a row per layer.

    operation : clock_mhz and dram_gb_per_s
    """
    return layer_costs(layers, DataFrame([asdict(design) | operation]), technology)


def simulated_table(
    layers: list[Layer],
    simulated: dict[Design, DataFrame],
    failed: dict[Design, str],
    operation: dict[str, float],
    technology: Technology,
) -> DataFrame:
    """A row per design and layer: our costs, SCALE-Sim's cycles and its DRAM reads; one row per failed design.

    simulated, failed : lib.arch.scalesim.read_designs; SCALE-Sim simulates one inference at a time
    reason : empty, or why SCALE-Sim failed or our memory model refuses the design
    Raises InputError where SCALE-Sim differs from the closed form.

    >>> from lib.arch import scalesim, technology
    >>> layers, design = [Layer("fc", 1, 1, 1, 1, 64, 8, 1, 1)], Design.parse("8x8_ws_16kb")
    >>> reports, operation = {design: scalesim.simulate(layers, design)}, {"clock_mhz": 500, "dram_gb_per_s": 1}
    >>> table = simulated_table(layers, reports, {}, operation, technology.read())
    >>> table[["layer", "cycles", "stall_cycles", "scalesim_cycles", "filter_dram_bytes"]].values.tolist()
    [['fc', 291, 108, 183, 512.0]]
    """
    parts = []
    for design, reports in simulated.items():
        confirm(layers, design, reports)
        table = _costs(layers, design, operation, technology)
        table["scalesim_cycles"] = reports["scalesim_cycles"]
        for operand in ("ifmap", "filter"):
            table[f"scalesim_{operand}_dram_bytes"] = reports[f"{operand}_dram_reads"]  # words of 8 bits
        parts.append(table)
    for design, reason in failed.items():
        parts.append(DataFrame([{"design": design.name} | asdict(design) | operation | {"reason": reason}]))
    return pd.concat(parts, ignore_index=True)


def agreement(
    layers: list[Layer],
    simulated: dict[Design, DataFrame],
    failed: dict[Design, str],
    operation: dict[str, float],
    technology: Technology,
) -> DataFrame:
    """A row per design: on how many layers SCALE-Sim and the closed form differ, and our DRAM reads over SCALE-Sim's.

    layers : number of layers compared; 0 where SCALE-Sim failed, for the reason in `reason`
    dram_read_ratio : ifmap and filter bytes of the whole network; missing where our memory model refuses the design

    >>> from lib.arch import scalesim, technology
    >>> layers, design = [Layer("fc", 1, 1, 1, 1, 64, 8, 1, 1)], Design.parse("8x8_ws_16kb")
    >>> reports, operation = {design: scalesim.simulate(layers, design)}, {"clock_mhz": 500, "dram_gb_per_s": 1}
    >>> failed = {Design.parse("8x8_is_1kb"): "no result"}
    >>> agreement(layers, reports, failed, operation, technology.read())[["design", "cycles_differing"]].values.tolist()
    [['8x8_ws_16kb', 0.0], ['8x8_is_1kb', nan]]
    """
    rows = []
    for design, reports in simulated.items():
        differing = (reports[EXACT] != closed_form(layers, design)).sum()
        ours = _costs(layers, design, operation, technology)[["ifmap_dram_bytes", "filter_dram_bytes"]].to_numpy().sum()
        theirs = reports[["ifmap_dram_reads", "filter_dram_reads"]].to_numpy().sum()
        rows.append([design.name, len(layers), *differing, ours / theirs, ""])
    rows += [[design.name, 0, *[None] * len(EXACT), None, reason] for design, reason in failed.items()]
    counts = [f"{column.removeprefix('scalesim_')}_differing" for column in EXACT]
    return DataFrame(rows, columns=["design", "layers", *counts, "dram_read_ratio", "reason"])
