"""Dynamic energy of a layer by component, from a table of energies per operation and byte (energy.csv).

Source: Horowitz, "Computing's energy problem (and what we can do about it)", ISSCC 2014, figure 1.1.9.
"""

from math import sqrt
from pathlib import Path

import pandas as pd
from pandas import DataFrame, Series

from lib.errors import InputError

COMPONENTS = ("int8_multiply", "int32_add", "sram_8kb", "dram")


def read_table(path: str | Path) -> dict[str, float]:
    """Energy of each component [pJ per operation or byte]; raises InputError where one is missing or not positive."""
    try:
        table = pd.read_csv(path).set_index("component")["energy_pj"].astype(float).to_dict()
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{path}: not an energy table with the columns component, energy_pj ({error})") from error
    for component in COMPONENTS:
        if not table.get(component, 0) > 0:
            raise InputError(f"{path}: {component}: a positive energy in pJ is needed")
    return table


def sram_pj_per_byte(sram_kb: float, table: dict[str, float]) -> float:
    """Energy of one byte from an SRAM of `sram_kb` kB [pJ].

    Word and bit lines grow with the side of the cell array, hence energy with the square root of the capacity, as
    CACTI (Muralimanohar et al., MICRO 2007) finds. From Horowitz's 8 kB this gives his 32 kB exactly and
    his 1 MB within 14 %.

    >>> sram_pj_per_byte(32, {"sram_8kb": 1.25})
    2.5
    """
    return table["sram_8kb"] * sqrt(sram_kb / 8)


def energy(macs: Series, sram_bytes: Series, dram_bytes: Series, sram_kb: float, table: dict[str, float]) -> DataFrame:
    """Energy per layer [pJ]: energy_mac_pj (int8 multiply, int32 add), energy_sram_pj, energy_dram_pj, energy_pj."""
    parts = DataFrame(
        {
            "energy_mac_pj": macs * (table["int8_multiply"] + table["int32_add"]),
            "energy_sram_pj": sram_bytes * sram_pj_per_byte(sram_kb, table),
            "energy_dram_pj": dram_bytes * table["dram"],
        }
    )
    return parts.assign(energy_pj=parts.sum(axis=1))
