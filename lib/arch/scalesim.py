"""SCALE-Sim 3.0.0 as a function: layers and a design in, its three reports out, and the reports as one table."""

import shutil
import tempfile
from pathlib import Path

import pandas as pd
from pandas import DataFrame
from scalesim.scale_sim import scalesim

from lib.arch import topology
from lib.arch.design import Design
from lib.arch.topology import Layer
from lib.errors import InputError
from lib.files import whole

# CALC: memory never stalls the array, and SCALE-Sim reports the bandwidth that this takes. SCALE-Sim reads all
# sections and keys, used or not: request buffers, layout banks and sparsity have no effect on what we read.
CONFIG = """\
[general]
run_name = reports
[run_presets]
InterfaceBandwidth = CALC
UseRamulatorTrace = False
[architecture_presets]
ArrayHeight = {design.rows}
ArrayWidth = {design.cols}
Dataflow = {design.dataflow}
IfmapSramSzkB = {design.sram_kb}
FilterSramSzkB = {design.sram_kb}
OfmapSramSzkB = {design.sram_kb}
IfmapOffset = 0
FilterOffset = 10000000
OfmapOffset = 20000000
ReadRequestBuffer = 64
WriteRequestBuffer = 64
[layout]
IfmapCustomLayout = False
IfmapSRAMBankBandwidth = 10
IfmapSRAMBankNum = 10
IfmapSRAMBankPort = 2
FilterCustomLayout = False
FilterSRAMBankBandwidth = 10
FilterSRAMBankNum = 10
FilterSRAMBankPort = 2
[sparsity]
SparsitySupport = False
"""

# SCALE-Sim's columns that we keep, and what they are called here; words are bytes at 8 bits.
REPORTS = {
    "COMPUTE_REPORT.csv": {
        "Total Cycles": "scalesim_cycles",
        "Stall Cycles": "stall_cycles",
        "Overall Util %": "utilization",
        "Mapping Efficiency %": "mapping_efficiency",
    },
    "BANDWIDTH_REPORT.csv": {
        f"Avg {operand} {memory} BW": f"{operand.lower()}_{memory.lower()}_words_per_cycle"
        for memory in ("SRAM", "DRAM")
        for operand in ("IFMAP", "FILTER", "OFMAP")
    },
    "DETAILED_ACCESS_REPORT.csv": {
        f"{memory} {operand} {access}": f"{operand.lower()}_{memory.lower()}_{access.lower()}"
        for memory in ("SRAM", "DRAM")
        for operand, access in (("IFMAP", "Reads"), ("Filter", "Reads"), ("OFMAP", "Writes"))
    },
}


def run(layers: list[Layer], design: Design, folder: str | Path) -> None:
    """Simulate the layers (one group of each) on the design and put SCALE-Sim's three reports into `folder`.

    Raises InputError where SCALE-Sim stops early or leaves a report short; then no report is written.
    """
    with tempfile.TemporaryDirectory() as temporary:
        config, layers_csv, layout = (f"{temporary}/{name}" for name in ("design.cfg", "topology.csv", "layout.csv"))
        Path(config).write_text(CONFIG.format(design=design))
        topology.write(layers, layers_csv)
        # SCALE-Sim insists on a memory layout, one line a layer, that it only reads with custom layouts on.
        Path(layout).write_text("layout\n" + f"layer{',1' * 20},\n" * len(layers))
        try:
            simulator = scalesim(save_disk_space=True, verbose=False, config=config, topology=layers_csv, layout=layout)
            simulator.run_scale(top_path=temporary)
        except (Exception, SystemExit) as error:  # it asserts, divides by zero, and calls exit()
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise InputError(f"design {design.name}: SCALE-Sim stopped ({reason})") from error
        reports = Path(temporary) / "reports"
        read_reports(reports, layers)
        for name in REPORTS:
            with whole(Path(folder) / name) as target:
                shutil.copyfile(reports / name, target)


def read_reports(folder: str | Path, layers: list[Layer]) -> DataFrame:
    """SCALE-Sim's reports of a run over `layers`: one row a layer, columns as in REPORTS.

    Cycles and accesses are those of all groups, one after the other; shares are 0…1.
    Raises InputError where a report is missing, short or damaged.
    """
    table = pd.concat([_read(Path(folder) / name, columns, len(layers)) for name, columns in REPORTS.items()], axis=1)
    groups = [layer.groups for layer in layers]
    # "Total Cycles" is the number of the last cycle, counted from 0.
    table["scalesim_cycles"] = (table["scalesim_cycles"] + 1) * groups - 1
    counts = ["stall_cycles", *REPORTS["DETAILED_ACCESS_REPORT.csv"].values()]
    table[counts] = table[counts].mul(groups, axis=0)
    table[["utilization", "mapping_efficiency"]] /= 100
    table.insert(0, "layer", [layer.name for layer in layers])
    return table


def _read(path: Path, columns: dict[str, str], layers: int) -> DataFrame:
    try:
        text = path.read_text(encoding="utf-8")
        table = pd.read_csv(path, skipinitialspace=True)[list(columns)]
        whole_numbers = [name for name in columns if name.endswith(("Cycles", "Reads", "Writes"))]
        table = table.astype(float).astype(dict.fromkeys(whole_numbers, "int64"))
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: not a SCALE-Sim report ({reason}); delete it to have it made again") from error
    # Every complete line ends in a comma.
    if len(table) != layers or not text.endswith(",\n") or table.isna().any(axis=None):
        raise InputError(f"{path}: cut short, {layers} layers expected; delete it to have it made again")
    return table.rename(columns=columns)
