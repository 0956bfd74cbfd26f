"""The figures of one technology node, read from a table (technology.csv) in which each has a source.

docs/technology.md says how the figures were chosen and how to bring one's own.
"""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd

from lib.errors import InputError
from lib.files import reading

TABLE = Path(__file__).with_suffix(".csv")
COLUMNS = ["node_nm", "component", "value", "unit", "source"]


@dataclass(frozen=True)
class Technology:
    """One node's figures, each named by its component and unit in the table: (int8_multiply, pJ) is int8_multiply_pj.

    Energies and leakage hold at the nominal supply, `supply_v`, at which logic runs at `clock_mhz`.
    1 kB = 1024 bytes.

    >>> node = read(node_nm=45)
    >>> node.sram_32kb_pj_per_byte, node.clock_mhz, node.supply_v
    (2.5, 800.0, 0.9)
    """

    node_nm: float
    int8_multiply_pj: float
    int32_add_pj: float
    int32_multiply_pj: float
    fp32_multiply_pj: float
    register_pj_per_bit: float
    sram_8kb_pj_per_byte: float
    sram_32kb_pj_per_byte: float
    sram_1024kb_pj_per_byte: float
    dram_pj_per_byte: float
    int8_multiply_um2: float
    int32_add_um2: float
    int32_multiply_um2: float
    fp32_multiply_um2: float
    register_um2_per_bit: float
    sram_um2_per_bit: float
    logic_leakage_mw_per_mm2: float
    sram_leakage_mw_per_kb: float
    clock_mhz: float
    supply_v: float
    lowest_supply_v: float
    highest_supply_v: float
    threshold_v: float
    alpha: float


def read(path: str | Path = TABLE, node_nm: float = 45) -> Technology:
    """The node's figures from a table with the columns node_nm, component, value, unit, source.

    Raises InputError where the table is damaged or lacks the node, where a figure is missing, unknown, there twice or
    not a positive number, and where the supplies are not in order.

    >>> node = read(node_nm=7)
    >>> node.node_nm, node.int8_multiply_pj, node.dram_pj_per_byte
    (7.0, 0.07, 162.5)
    >>> read(node_nm=3)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    lib.errors.InputError: ...technology.csv: no figures for 3 nm; there are some for 7, 45 nm
    """
    with reading(path, f"a technology table with the columns {', '.join(COLUMNS)}", "docs/technology.md describes it"):
        table = pd.read_csv(path, dtype={"component": str, "unit": str})[COLUMNS]
        table = table.fillna({"component": "", "unit": ""}).assign(node_nm=pd.to_numeric(table["node_nm"]))
    rows = table[table["node_nm"] == node_nm]
    if rows.empty:
        nodes = ", ".join(f"{node:g}" for node in sorted(table["node_nm"].unique()))
        raise InputError(f"{path}: no figures for {node_nm} nm; there are some for {nodes} nm")

    names = (rows["component"] + "_" + rows["unit"]).str.lower().str.replace("/", "_per_").str.removesuffix("_1")
    values = pd.to_numeric(rows["value"], errors="coerce")
    wanted = {field.name for field in fields(Technology)} - {"node_nm"}
    problems = {
        "there twice": names[names.duplicated()],
        "unknown (or in another unit)": sorted(set(names) - wanted),
        "missing": sorted(wanted - set(names)),
        "not a positive number": names[~((values > 0) & np.isfinite(values))],
    }
    for problem, found in problems.items():
        if len(found):
            raise InputError(f"{path}: {node_nm} nm: {', '.join(map(str, found))}: {problem}")
    technology = Technology(float(node_nm), **dict(zip(names, map(float, values), strict=True)))
    supplies = [technology.lowest_supply_v, technology.supply_v, technology.highest_supply_v]
    if supplies != sorted(supplies) or technology.threshold_v >= supplies[0] or technology.alpha < 1:
        raise InputError(
            f"{path}: {node_nm} nm: threshold < lowest_supply <= supply <= highest_supply and alpha >= 1 do not hold"
        )
    return technology
