"""The third answer: which array, buffers and bandwidth, what holds them back, and what more of each would buy.

The recommended design is the winner under the first constraint that any design meets.
"""

from itertools import pairwise
from math import log2

import pandas as pd

from lib.report.style import facets

METRICS = {"latency_ms": "latency", "energy_uj": "energy", "edp_uj_ms": "energy-delay product"}
PARAMETERS = {
    "pes": "PEs",
    "sram_kb": "SRAM, all three (kB)",
    "dram_gb_per_s": "DRAM bandwidth (GB/s)",
    "clock_mhz": "clock (MHz)",
}
COMPONENTS = {
    "mac": "MACs",
    "register": "registers",
    "requantize": "requantization",
    "sram": "SRAM",
    "dram": "DRAM",
    "static": "leakage",
}


def best_so_far(returns: pd.DataFrame, parameter: str, metric: str, others: str = "free") -> pd.Series:
    """The least `metric` that any design with at most each value of the parameter has, by value.

    >>> returns = pd.DataFrame({"value": [64, 256, 512], "latency_ms": [4.0, 1.0, 1.5]})
    >>> best_so_far(returns.assign(parameter="pes", others="free"), "pes", "latency_ms").to_dict()
    {64: 4.0, 256: 1.0, 512: 1.0}
    """
    rows = returns[(returns.parameter == parameter) & (returns.others == others)]
    return rows.set_index("value")[metric].sort_index().cummin()


def enough(curve: pd.Series) -> float | None:
    """The least value from which on no doubling lowers the curve by 5 %; None where the last value still does.

    The step to the next value at least twice as large, or to the last one, counts as so many doublings.

    >>> enough(pd.Series({1: 8.0, 2: 4.0, 4: 3.9, 8: 3.9}))
    2
    """
    values = curve.index.tolist()
    least = values[0]
    for value, following in pairwise(values):
        other = next((larger for larger in values if larger >= 2 * value), values[-1])
        if (curve[other] / curve[value]) ** (1 / log2(other / value)) < 0.95:
            least = following
    return least if least != values[-1] else None


def _enough_table(returns: pd.DataFrame) -> pd.DataFrame:
    """`enough` of each resource by metric, as text."""
    rows = []
    for parameter, name in PARAMETERS.items():
        found = {label: enough(best_so_far(returns, parameter, metric)) for metric, label in METRICS.items()}
        rows.append({"resource": name} | {k: "beyond the axis" if v is None else f"{v:g}" for k, v in found.items()})
    return pd.DataFrame(rows)


def plain(values: pd.Series) -> pd.Series:
    """Values of an axis of the design space as text, 4 for 4.0.

    >>> plain(pd.Series([0.5, 4.0])).tolist()
    ['0.5', '4']
    """
    return values.astype(str).str.removesuffix(".0")


def next_steps(steps: pd.DataFrame, minimised: str) -> dict:
    """What one step of one parameter along its axis does to the minimised metric.

    steps : the table design_sensitivity for one design; `ratio` of the results is the metric's
    gain : the step upwards that lowers it most; None where none does
    loss : the step downwards that raises it most; None where none does
    ends : parameters at the end of their axis, of which more was not tried

    >>> steps = pd.DataFrame({"parameter": ["rows", "rows"], "step": ["previous", "next"], "latency_ratio": [1.9, 0.6]})
    >>> found = next_steps(steps.assign(value=16.0, other_value=[8.0, 32.0]), "latency_ms")
    >>> found["gain"]["other_value"], found["gain"]["ratio"], found["loss"]["ratio"]
    ('32', 0.6, 1.9)
    """
    ratio = steps[f"{minimised.split('_')[0]}_ratio"]
    steps = steps.assign(ratio=ratio, value=plain(steps.value), other_value=plain(steps.other_value))
    up, down = (steps[steps.step == step] for step in ("next", "previous"))
    gains, losses = up[up.ratio < 1].sort_values("ratio"), down[down.ratio > 1].sort_values("ratio", ascending=False)
    return {
        "gain": gains.iloc[0].to_dict() if len(gains) else None,
        "loss": losses.iloc[0].to_dict() if len(losses) else None,
        "ends": [name for name in down.parameter if name not in set(up.parameter)],
    }


def agreement(validation: pd.DataFrame) -> dict:
    """How many designs and layers were compared with SCALE-Sim, how many counts differ, the ratios of DRAM reads.

    >>> validation = pd.DataFrame({"origin": ["grid", "pareto"], "layers": [4, 0], "reason": ["", "no result"]})
    >>> found = agreement(validation.assign(cycles_differing=[0, None], dram_read_ratio=[0.9, None]))
    >>> found["layers"], found["differing"], len(found["failed"])
    (4, 0, 1)
    """
    compared = validation[validation.reason == ""]
    return {
        "grid": int((compared.origin == "grid").sum()),
        "pareto": int((compared.origin == "pareto").sum()),
        "layers": int(compared.layers.sum()),
        "differing": int(compared.filter(regex="_differing$").sum().sum()),
        "least_dram": compared.dram_read_ratio.min(),
        "median_dram": compared.dram_read_ratio.median(),
        "most_dram": compared.dram_read_ratio.max(),
        "failed": validation[validation.reason != ""],
    }


def mappings(mapping: pd.DataFrame) -> pd.DataFrame:
    """Latency and energy of the network as each tool maps it, over ours, by tool, design and objective.

    >>> mapping = pd.DataFrame({"latency_cycles": [10, 20], "ours_latency_cycles": [20, 20], "energy_pj": [3.0, 3.0]})
    >>> mapping = mapping.assign(ours_energy_pj=3.0, tool="ZigZag", design="8x8_ws_16kb", objective="EDP", reason="")
    >>> mappings(mapping)[["tool", "latency_ratio", "energy_ratio"]].values.tolist()
    [['ZigZag', 0.75, 1.0]]
    """
    sums = ["latency_cycles", "ours_latency_cycles", "energy_pj", "ours_energy_pj"]
    found = mapping[mapping.reason == ""]
    total = found.groupby(["tool", "design", "objective"], sort=False)[sums].sum().reset_index()
    return total[["tool", "design", "objective"]].assign(
        latency_ratio=total.latency_cycles / total.ours_latency_cycles,
        energy_ratio=total.energy_pj / total.ours_energy_pj,
    )


def left_out(coverage: pd.DataFrame) -> dict:
    """Operators that do not run on the array, their share of the known MACs, and those whose MACs are unknown.

    >>> rows = {"operator": ["Conv", "Einsum"], "macs": [900, 100], "mac_share": [0.9, 0.1]}
    >>> found = left_out(pd.DataFrame(rows | {"runs": ["array", "not on the array"]}))
    >>> found["operators"], found["mac_share"].item(), found["unknown"]
    (['Einsum'], 0.1, [])
    """
    elsewhere = coverage[coverage.runs != "array"]
    return {
        "operators": elsewhere.operator.tolist(),
        "mac_share": elsewhere.mac_share.sum(),
        "unknown": elsewhere.operator[elsewhere.macs.isna()].tolist(),
    }


def _recommendation(best: pd.Series, layers: pd.DataFrame, steps: pd.DataFrame) -> dict:
    """The design, the layer that takes most of its time, the layers that wait for DRAM, its energy, the next steps.

    layers, steps : the tables bottlenecks and design_sensitivity for this design
    """
    energy = {name: layers[f"energy_{part}_pj"].sum() / layers.energy_pj.sum() for part, name in COMPONENTS.items()}
    slowest = layers.loc[layers.latency_ms.idxmax()]
    return {
        "best": best.to_dict(),
        "bottleneck": slowest.to_dict() | {"time_share": slowest.latency_ms / layers.latency_ms.sum()},
        "layers": len(layers),
        "waiting": layers.layer[layers.bound != "compute"].tolist(),
        "energy": dict(sorted(energy.items(), key=lambda item: item[1], reverse=True)),
        "steps": next_steps(steps, best.minimise),
    }


def _architecture(tables: dict[str, pd.DataFrame]) -> dict:
    """All facts about the designs of one network, from its own rows; `best` is None where no constraint is met."""
    winners, front = tables["winners"], tables["pareto"]
    met = winners[winners.reason == ""]
    facts = {
        "winners": met.assign(clock_mhz=plain(met.clock_mhz), dram_gb_per_s=plain(met.dram_gb_per_s)),
        "missed": winners[winners.reason != ""],
        "front": front,
        "fastest": front.loc[front.latency_ms.idxmin()].to_dict(),
        "leanest": front.loc[front.energy_uj.idxmin()].to_dict(),
        "enough": _enough_table(tables["returns"]),
        "agreement": agreement(tables["validation"]) if len(tables["validation"]) else None,
        "mappings": mappings(tables["mapping"]),
        "left_out": left_out(tables["coverage"]),
        "best": None,
    }
    if len(met):
        best = met.iloc[0]
        layers, steps = tables["bottlenecks"], tables["design_sensitivity"]
        facts |= _recommendation(best, *(rows[rows.constraint == best.constraint] for rows in (layers, steps)))
    return facts


def architectures(tables: dict[str, pd.DataFrame]) -> dict[str, dict]:
    """Facts by what they are about, "tiny_cnn_2d on CIFAR-10" or, for a network without data, "resnet18".

    >>> from lib.report.tables import read_all
    >>> facts = architectures(read_all(Path("results/tables").glob("*.csv")))  # doctest: +SKIP
    >>> facts["tiny_cnn_2d on CIFAR-10"]["best"]["design"]  # doctest: +SKIP
    """
    ours = ("winners", "pareto", "returns", "validation", "mapping", "coverage", "bottlenecks", "design_sensitivity")
    return {
        about: _architecture({name: tables[name][tables[name].workload == part.workload.iloc[0]] for name in ours})
        for about, part in facets(tables["winners"]).items()
    }
