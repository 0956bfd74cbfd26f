"""Where SCALE-Sim 3.0.0 is wrong or unphysical: small cases, run here, beside what is right.

Quantities bear SCALE-Sim's own names. What is right comes from lib.arch.systolic, from the layer's own sizes, or from
what one PE can do in a cycle.
"""

import subprocess
import sys
import tempfile
from dataclasses import astuple
from pathlib import Path

import pandas as pd
from pandas import DataFrame

from lib.arch import topology
from lib.arch.design import Design
from lib.arch.scalesim import REPORTS, execute
from lib.arch.systolic import evaluate
from lib.arch.topology import Layer

CONV = Layer("conv", 10, 10, 3, 3, 2, 6, 1, 1)
NAMED = Layer("ADPCM", *astuple(CONV)[1:])
STRIDED = Layer("strided", 10, 10, 3, 3, 2, 6, 2, 1)
DEPTHWISE = Layer("depthwise", 10, 10, 3, 3, 1, 1, 1, 16)
DOT = Layer("dot", 1, 1, 1, 1, 8, 1, 1, 1)
ONE = Layer("one", 1, 1, 1, 1, 1, 1, 1, 1)
DENSE = Layer("dense", 1, 1, 1, 1, 128, 32, 1, 1)
WIDE = Layer("wide", 1, 1, 1, 1, 2, 1000, 1, 1)
POINTWISE = Layer("pointwise", 1, 200, 1, 1, 1, 10, 1, 1)

WHY = {
    "cycles counted one short": "the last cycle's number, counted from 0, is taken for how many there are",
    "utilization above 100 %": "the MACs are divided by one cycle too few",
    "a layer of one cycle": "the MACs are divided by the number of the last cycle, 0",
    "output-stationary writes": "each fold adds the array's rows + cols to the outputs that it writes",
    "output size rounded up": "where the stride leaves a remainder, outputs are computed from beyond the input's edge",
    "groups ignored": "a topology has no groups; a single one is simulated",
    '"DP" in a name': 'a layer whose name has "DP" in it, here ADPCM, is taken apart: one layer for each channel',
    "partial sums sent to DRAM": "each goes to DRAM as one byte although it fits the buffer, and none is read back",
    "empty slots sent to DRAM": "a line that is sent before it is full counts as full",
    "bandwidth that nothing asks for": "the mean is over the time of a prefetch of 10 words a cycle, before cycle 0",
    "a buffer filled twice in a cycle": "a prefetch is divided by the cycles since the last one, here 0",
    "DRAM read more than the array reads": "a missing word is awaited until the prefetcher, in its own order, has it",
    "stalls at any bandwidth": "reads take the layout's bank bandwidth, here 10 words a cycle; Bandwidth is ignored",
    "-s is ignored": "traces, which slow the run and fill the disk, are always written",
    "failure passed for success": "exit() is called without a code, so that a script takes the run for a success",
}


def reported(layer: Layer, design: str, **interface) -> DataFrame:
    """SCALE-Sim's three reports, side by side as it wrote them, for a layer that it reads as it stands.

    interface : as lib.arch.scalesim.execute takes it

    >>> reported(CONV, "4x4_ws_64kb")[["Total Cycles", "DRAM OFMAP Writes"]].values.tolist()  # 384 outputs
    [[739, 1920]]
    """
    with tempfile.TemporaryDirectory() as folder:
        layers = Path(folder) / "topology.csv"
        layers.write_text(f"{topology.HEADER}\n{','.join(map(str, astuple(layer)))}\n")
        reports = execute(layers, Design.parse(design), Path(folder), **interface)
        return pd.concat([pd.read_csv(reports / name, skipinitialspace=True) for name in REPORTS], axis=1)


def _exact(layer: Layer, design: str) -> pd.Series:
    """The closed form of a layer (lib.arch.systolic.evaluate)."""
    array = Design.parse(design)
    return evaluate([layer], array.rows, array.cols, array.dataflow).iloc[0]


def _compared(finding: str, layer: Layer, design: str, quantity: str, correct, **interface) -> tuple:
    """Finding, case, quantity, what SCALE-Sim reports or the error with which it stops, what is right."""
    try:
        found = reported(layer, design, **interface)[quantity].iloc[0].item()
    except (Exception, SystemExit) as error:
        found = f"{type(error).__name__}: {error}"
    case = f"{layer.ifmap_h}x{layer.ifmap_w}x{layer.channels} input, {layer.filter_h}x{layer.filter_w} filters, "
    case += f"filters {layer.filters}, stride {layer.stride}, groups {layer.groups}, {design}"
    case += "".join(f", {name} {value}" for name, value in interface.items())
    return finding, case, quantity, found, correct


def _in_a_shell(layers: str) -> tuple[int, int]:
    """Exit code of `python -m scalesim.scale -t layers -s N`, and how many traces it wrote.

    layers : topology.csv, or a file that is not there
    """
    with tempfile.TemporaryDirectory() as folder:
        # A run in this process leaves all input files that the command needs.
        topology.write([CONV], Path(folder) / "topology.csv")
        execute(Path(folder) / "topology.csv", Design.parse("4x4_ws_64kb"), Path(folder))
        options = ["-t", layers, "-l", "layout.csv", "-c", "design.cfg", "-p", "results", "-s", "N"]
        command = subprocess.run([sys.executable, "-m", "scalesim.scale", *options], cwd=folder, capture_output=True)
        return command.returncode, len(list(Path(folder).rglob("*_TRACE.csv")))


def findings() -> DataFrame:
    """One row a finding: finding, case, quantity, scalesim, correct, why.

    Cycles are numbered from 0, as SCALE-Sim does, but for the findings about just that.

    >>> table = findings()  # doctest: +SKIP
    >>> table.loc[0, ["finding", "scalesim", "correct"]].tolist()  # doctest: +SKIP
    ['cycles counted one short', 7, 8]
    """
    single, stationary, ample, little, wide = "1x1_os_64kb", "4x4_os_1kb", "4x4_ws_64kb", "8x8_ws_1kb", "2x1000_ws_1kb"
    conv, dense = _exact(CONV, ample), _exact(DENSE, little)
    user = {"mode": "USER", "words_per_cycle": 1000}
    at_most = f"at most {dense.filter_sram_reads}"
    mean = CONV.filter_words / (conv.compute_cycles + 1)
    rows = [
        _compared("cycles counted one short", DOT, single, "Total Cycles", DOT.macs),
        _compared("utilization above 100 %", DOT, single, "Overall Util %", 100 * _exact(DOT, single).utilization),
        _compared("a layer of one cycle", ONE, single, "Total Cycles", ONE.macs),
        _compared("output-stationary writes", CONV, stationary, "SRAM OFMAP Writes", CONV.ofmap_words),
        _compared("output size rounded up", STRIDED, ample, "Total Cycles", _exact(STRIDED, ample).compute_cycles),
        _compared("groups ignored", DEPTHWISE, ample, "Total Cycles", _exact(DEPTHWISE, ample).compute_cycles),
        _compared('"DP" in a name', NAMED, ample, "Total Cycles", conv.compute_cycles),
        _compared("partial sums sent to DRAM", CONV, ample, "DRAM OFMAP Writes", CONV.ofmap_words),
        _compared("empty slots sent to DRAM", POINTWISE, stationary, "DRAM OFMAP Writes", POINTWISE.ofmap_words),
        _compared("bandwidth that nothing asks for", CONV, ample, "Avg FILTER DRAM BW", mean),
        _compared("a buffer filled twice in a cycle", WIDE, wide, "Total Cycles", _exact(WIDE, wide).compute_cycles),
        _compared("DRAM read more than the array reads", DENSE, little, "DRAM Filter Reads", at_most, **user),
        _compared("stalls at any bandwidth", DENSE, little, "Total Cycles", dense.compute_cycles, **user),
        ("-s is ignored", "scalesim.scale -s N", "trace files", _in_a_shell("topology.csv")[1], 0),
        ("failure passed for success", "scalesim.scale -t absent.csv", "exit code", _in_a_shell("absent.csv")[0], 1),
    ]
    table = DataFrame(rows, columns=["finding", "case", "quantity", "scalesim", "correct"])
    return table.assign(why=table["finding"].map(WHY))
