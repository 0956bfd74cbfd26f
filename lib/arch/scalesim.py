"""SCALE-Sim 3.0.0 as a function: layers and a design in, its three reports out, and the reports as one table."""

import json
import multiprocessing
import shutil
import tempfile
from collections.abc import Iterable
from multiprocessing.connection import Connection
from pathlib import Path

import pandas as pd
from pandas import DataFrame
from scalesim.scale_sim import scalesim

from lib.arch import topology
from lib.arch.design import Design
from lib.arch.topology import Layer
from lib.errors import InputError
from lib.files import reading, whole, write_json, write_text

# In CALC mode memory never stalls the array, and SCALE-Sim reports the bandwidth that this takes; in USER mode it
# stalls. SCALE-Sim reads all sections and keys, used or not: request buffers and sparsity have no effect here.
CONFIG = """\
[general]
run_name = reports
[run_presets]
InterfaceBandwidth = {mode}
UseRamulatorTrace = False
[architecture_presets]
ArrayHeight = {design.rows}
ArrayWidth = {design.cols}
Dataflow = {design.dataflow}
IfmapSramSzkB = {design.ifmap_kb}
FilterSramSzkB = {design.filter_kb}
OfmapSramSzkB = {design.ofmap_kb}
IfmapOffset = 0
FilterOffset = 10000000
OfmapOffset = 20000000
ReadRequestBuffer = 64
WriteRequestBuffer = 64
Bandwidth = {words_per_cycle}
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
STATUS = "status.json"

# A forked process has all modules loaded already.
FORK = multiprocessing.get_context("fork")


def execute(topology_csv: Path, design: Design, folder: Path, mode: str = "CALC", words_per_cycle: int = 10) -> Path:
    """Run SCALE-Sim in this process on a topology CSV as it stands; returns the folder of its reports, in `folder`.

    mode, words_per_cycle : SCALE-Sim's InterfaceBandwidth, CALC or USER, and its Bandwidth, which only USER looks at
    Raises what SCALE-Sim raises: it asserts, divides by zero, and calls exit().

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     topology.write([Layer("fc", 1, 1, 1, 1, 64, 8, 1, 1)], f"{folder}/topology.csv")
    ...     reports = execute(Path(folder, "topology.csv"), Design.parse("8x8_ws_16kb"), Path(folder))
    ...     sorted(path.name for path in reports.glob("*.csv"))
    ['BANDWIDTH_REPORT.csv', 'COMPUTE_REPORT.csv', 'DETAILED_ACCESS_REPORT.csv']
    """
    config, layout = folder / "design.cfg", folder / "layout.csv"
    config.write_text(CONFIG.format(design=design, mode=mode, words_per_cycle=words_per_cycle))
    # SCALE-Sim insists on a memory layout, one line a layer, that it only reads with custom layouts on.
    _, *layers = topology_csv.read_text(encoding="utf-8").splitlines()
    layout.write_text("layout\n" + f"layer{',1' * 20},\n" * len(layers))
    simulator = scalesim(
        save_disk_space=True, verbose=False, config=str(config), topology=str(topology_csv), layout=str(layout)
    )
    simulator.run_scale(top_path=str(folder))
    return folder / "reports"


def simulate(layers: list[Layer], design: Design) -> DataFrame:
    """What `read_reports` returns for a simulation in this process; raises what SCALE-Sim raises.

    >>> reports = simulate([Layer("fc", 1, 1, 1, 1, 64, 8, 1, 1)], Design.parse("8x8_ws_16kb"))
    >>> reports[["layer", "scalesim_cycles", "filter_sram_reads"]].values.tolist()  # 64·8 weights
    [['fc', 183, 512]]
    """
    with tempfile.TemporaryDirectory() as folder:
        topology_csv = Path(folder) / "topology.csv"
        topology.write(layers, topology_csv)
        return read_reports(execute(topology_csv, design, Path(folder)), layers)


def run(layers: list[Layer], design: Design, folder: str | Path, timeout_s: float) -> str:
    """Simulate in a process of its own and put SCALE-Sim's three reports and a status file into `folder`.

    returns : the status's reason, empty, or why there is no result in one line: SCALE-Sim stopped, was killed, or took
        longer than `timeout_s` [s]. The reports then hold nothing but a header.

    >>> layer = Layer("fc", 1, 1, 1, 1, 64, 8, 1, 1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run([layer], Design.parse("8x8_ws_16kb"), folder, timeout_s=60)
    ...     sorted(path.name for path in Path(folder).iterdir())
    ''
    ['BANDWIDTH_REPORT.csv', 'COMPUTE_REPORT.csv', 'DETAILED_ACCESS_REPORT.csv', 'status.json']
    """
    with tempfile.TemporaryDirectory() as scratch:
        receiver, sender = FORK.Pipe(duplex=False)
        child = FORK.Process(target=_child, args=(sender, layers, design, Path(scratch)), daemon=True)
        child.start()
        sender.close()  # the child has the only other end, so that its death ends the pipe
        try:
            reason = receiver.recv() if receiver.poll(timeout_s) else f"no result from SCALE-Sim after {timeout_s:g} s"
        except EOFError:
            child.join()
            reason = f"SCALE-Sim died (exit code {child.exitcode})"
        child.kill()
        child.join()
        for name, columns in REPORTS.items():
            if reason:
                write_text(", ".join(["LayerID", *columns]) + ",\n", Path(folder) / name)
            else:
                with whole(Path(folder) / name) as target:
                    shutil.copyfile(Path(scratch) / "reports" / name, target)
    write_json({"reason": reason}, Path(folder) / STATUS)
    return reason


def _child(sender: Connection, layers: list[Layer], design: Design, scratch: Path) -> None:
    try:
        topology.write(layers, scratch / "topology.csv")
        read_reports(execute(scratch / "topology.csv", design, scratch), layers)
        sender.send("")
    except (Exception, SystemExit) as error:
        reason = f"SCALE-Sim stopped ({type(error).__name__}: {error})".splitlines()[0]
        sender.send(reason.replace(f"{scratch}/", ""))


def read_designs(
    folders: Iterable[str | Path], layers: list[Layer]
) -> tuple[dict[Design, DataFrame], dict[Design, str]]:
    """Folders that `run` made, each called as its design: reports (`read_reports`) by design, and reasons of failure.

    Raises InputError where a report or a status is damaged.

    >>> layer = Layer("fc", 1, 1, 1, 1, 64, 8, 1, 1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = run([layer], Design.parse("8x8_ws_16kb"), f"{folder}/8x8_ws_16kb", timeout_s=60)
    ...     simulated, failed = read_designs(Path(folder).iterdir(), [layer])
    >>> {design.name: reports["scalesim_cycles"].tolist() for design, reports in simulated.items()}, failed
    ({'8x8_ws_16kb': [183]}, {})
    """
    simulated, failed = {}, {}
    for folder in map(Path, folders):
        design = Design.parse(folder.name)
        with reading(folder / STATUS, "a status"):
            reason = str(json.loads((folder / STATUS).read_text(encoding="utf-8"))["reason"])
        if reason:
            failed[design] = reason
        else:
            simulated[design] = read_reports(folder, layers)
    return simulated, failed


def read_cycles(folders: Iterable[str | Path], layers: list[Layer]) -> dict[str, int]:
    """SCALE-Sim's cycles by layer, from designs of one array and dataflow; empty where no simulation succeeded.

    >>> layer = Layer("fc", 1, 1, 1, 1, 64, 8, 1, 1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = run([layer], Design.parse("8x8_ws_16kb"), f"{folder}/8x8_ws_16kb", timeout_s=60)
    ...     read_cycles(Path(folder).iterdir(), [layer])  # 8 folds of 8 + 1 + 8 + 8 - 2 cycles, counted from 0
    {'fc': 183}
    """
    simulated, _ = read_designs(folders, layers)
    reports = next(iter(simulated.values()), DataFrame(columns=["layer", "scalesim_cycles"]))
    return dict(zip(reports["layer"], reports["scalesim_cycles"], strict=True))


def read_reports(folder: str | Path, layers: list[Layer]) -> DataFrame:
    """SCALE-Sim's reports of a run over `layers`: one row a layer, columns as in REPORTS.

    Cycles and accesses are those of all groups, one after the other; shares are 0…1.
    Raises InputError where a report is missing, short or damaged.

    >>> layer = Layer("fc", 1, 1, 1, 1, 64, 8, 1, 1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = run([layer], Design.parse("8x8_ws_16kb"), folder, timeout_s=60)
    ...     read_reports(folder, [layer])[["layer", "scalesim_cycles", "mapping_efficiency"]].values.tolist()
    [['fc', 183, 1.0]]
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
    with reading(path, "a SCALE-Sim report"):
        text = path.read_text(encoding="utf-8")
        table = pd.read_csv(path, skipinitialspace=True)[list(columns)]
        whole_numbers = [name for name in columns if name.endswith(("Cycles", "Reads", "Writes"))]
        table = table.astype(float).astype(dict.fromkeys(whole_numbers, "int64"))
    # Every complete line ends in a comma.
    if len(table) != layers or not text.endswith(",\n") or table.isna().any(axis=None):
        raise InputError(f"{path}: cut short, {layers} layers expected; delete it to have it made again")
    return table.rename(columns=columns)
