"""The table of mapping searches: a tool's best mapping of each layer beside our own model of the same design.

Both sides are split alike, so that a difference can be traced to its part:

    latency = ideal + fill and drain + stalls + edges        energy = MACs + registers + SRAM + DRAM

ideal : multiply-accumulates over the PEs that the mapping uses
fill and drain : loading what stays in the array, and crossing it
stalls, edges : waiting for memory on the way; for the first operands and for the last outputs
"""

import numpy as np
from pandas import DataFrame

CYCLES = ["ideal_cycles", "fill_drain_cycles", "stall_cycles", "edge_cycles"]
ENERGIES = ["energy_mac_pj", "energy_register_pj", "energy_sram_pj", "energy_dram_pj"]
COLUMNS = [
    *("tool", "design", "objective", "layer", "macs", "loops"),
    *("latency_cycles", *CYCLES, "energy_pj", *ENERGIES, "dram_bytes"),
]
# Parts in which the two sides can differ, and the columns that make them up; our stalls include the edges.
LATENCY_PARTS = {"ideal": CYCLES[:1], "fill and drain": CYCLES[1:2], "memory": CYCLES[2:]}
ENERGY_PARTS = dict(zip(("MACs", "registers", "SRAM", "DRAM"), ([name] for name in ENERGIES), strict=True))


def ours(costs: DataFrame) -> DataFrame:
    """Our side of the table, one row per layer, each column but `layer` with the prefix `ours_`.

    costs : lib.arch.cost.layer_costs of one design. Its requantization and static energy are left out, as mapping
        tools have neither; its stalls include the edges.

    >>> from lib.arch import cost, technology, topology
    >>> layers = [topology.Layer("fc", 1, 1, 1, 1, 64, 8, 1, 1)]
    >>> design = DataFrame([[8, 8, "ws", 16, 16, 16, 1, 500]], columns=cost.DESIGN)
    >>> table = ours(cost.layer_costs(layers, design, technology.read()))
    >>> table.filter(like="cycles").iloc[0].astype(int).to_dict()  # 512 MACs on 64 PEs
    {'ours_latency_cycles': 291, 'ours_ideal_cycles': 8, 'ours_fill_drain_cycles': 175, 'ours_stall_cycles': 108}
    """
    ideal = (costs["macs"] / (costs["rows"] * costs["cols"] * costs["mapping_efficiency"])).round()
    table = DataFrame(
        {
            "latency_cycles": costs["cycles"],
            "ideal_cycles": ideal,
            "fill_drain_cycles": costs["compute_cycles"] - ideal,
            "stall_cycles": costs["stall_cycles"],
            "energy_pj": costs[ENERGIES].sum(axis=1),
            **costs[ENERGIES],
            "dram_bytes": costs[[f"{operand}_dram_bytes" for operand in ("ifmap", "filter", "ofmap")]].sum(axis=1),
        }
    )
    return table.add_prefix("ours_").assign(layer=costs["layer"])


def _differs_in(table: DataFrame, parts: dict[str, list[str]]) -> np.ndarray:
    """The part in which the tool and we differ most, by row; empty where they agree or the tool has no mapping."""

    def total(columns):
        return table[[name for name in columns if name in table]].sum(axis=1)

    gaps = [abs(total(names) - total([f"ours_{name}" for name in names])) for names in parts.values()]
    largest = np.max(gaps, axis=0)
    return np.where((table["reason"] == "") & (largest > 0), np.array(list(parts))[np.argmax(gaps, axis=0)], "")


def beside(found: DataFrame, costs: DataFrame, simulated: dict[str, int]) -> DataFrame:
    """The table `mapping`: what a tool found, our costs of the same layers, SCALE-Sim's cycles, and ratios tool / ours.

    found : columns COLUMNS as far as the tool knows them, and `reason` where it found nothing
    simulated : SCALE-Sim's cycles by layer, for the layers there are
    latency_differs_in, energy_differs_in : the part in which the two sides differ most

    >>> from lib.arch import cost, technology, topology
    >>> layers = [topology.Layer("fc", 1, 1, 1, 1, 64, 8, 1, 1)]
    >>> design = DataFrame([[8, 8, "ws", 16, 16, 16, 1, 500]], columns=cost.DESIGN)
    >>> costs = cost.layer_costs(layers, design, technology.read())
    >>> found = DataFrame([["fc", 280, 8, 272, ""]], columns=["layer", "latency_cycles", *CYCLES[0:3:2], "reason"])
    >>> table = beside(found, costs, simulated={"fc": 183})
    >>> table[["latency_ratio", "latency_differs_in", "scalesim_cycles"]].round(3).values.tolist()
    [[0.962, 'fill and drain', 183]]
    """
    table = found.reindex(columns=[*COLUMNS, "reason"]).fillna({"reason": ""})
    table = table.merge(ours(costs), on="layer", how="left")
    table["scalesim_cycles"] = table["layer"].map(simulated)
    table["latency_ratio"] = table["latency_cycles"] / table["ours_latency_cycles"]
    table["energy_ratio"] = table["energy_pj"] / table["ours_energy_pj"]
    table["latency_differs_in"] = _differs_in(table, LATENCY_PARTS)
    table["energy_differs_in"] = _differs_in(table, ENERGY_PARTS)
    table["reason"] = table.pop("reason")
    return table
