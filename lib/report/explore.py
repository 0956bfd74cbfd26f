"""What the page lets people explore: for each network a few tables, which its charts draw.

A network is called as on the figures, "tiny_cnn_2d on CIFAR-10" or, without data, "resnet18". One without data has
its designs alone.
"""

import pandas as pd

from lib.report.accumulators import widest_accuracy
from lib.report.style import facets

COSTS = {
    "edp_uj_ms": "energy-delay product (µJ·ms)",
    "latency_ms": "latency (ms)",
    "energy_uj": "energy (µJ)",
    "area_mm2": "area (mm²)",
}
# What the designs can be limited by, at most; the last two have few values.
LIMITS = {
    "latency_ms": "latency (ms)",
    "energy_uj": "energy (µJ)",
    "area_mm2": "area (mm²)",
    "sram_kb": "SRAM, all three (kB)",
    "pes": "processing elements",
    "dram_gb_per_s": "DRAM bandwidth (GB/s)",
    "clock_mhz": "clock (MHz)",
}
DESIGN = ["design", "rows", "cols", "dataflow", "sram_kb", "pes", "dram_gb_per_s", "clock_mhz"]


def designs(contenders: pd.DataFrame, validation: pd.DataFrame) -> pd.DataFrame:
    """The designs that can win, each with the simulated design whose cycles by SCALE-Sim are its own too, if any.

    These depend on array and dataflow alone. simulated : its name, or an empty string

    >>> able = pd.DataFrame({"design": ["8x8_ws_64kb", "16x8_ws_64kb"]}).reindex(
    ...     columns=[*DESIGN, *COSTS, "utilization", "stall_share"], fill_value=1
    ... )
    >>> validation = pd.DataFrame({"design": ["8x8_ws_128kb"], "reason": [""]})
    >>> designs(able, validation)[["design", "simulated"]].values.tolist()
    [['8x8_ws_64kb', '8x8_ws_128kb'], ['16x8_ws_64kb', '']]
    """
    runs = validation[validation.reason == ""].design
    alike = dict(zip(runs.map(_array), runs, strict=True))
    table = contenders[[*DESIGN, *COSTS, "utilization", "stall_share"]]
    return table.assign(simulated=[alike.get(_array(name), "") for name in table.design])


def _array(design: str) -> str:
    """Rows, columns and dataflow of a design's name.

    >>> _array("16x8_ws_64-32-16kb")
    '16x8_ws'
    """
    return design.rpartition("_")[0]


def schemes(accuracy: pd.DataFrame, latency: pd.DataFrame) -> pd.DataFrame:
    """Accuracy and its interval [%], size [kB], median latency [ms] of each scheme and batch, float32 included.

    >>> parts = {"format": "", "activation": "", "granularity": "", "calibration": "", "size_kb": 300}
    >>> measured = {"accuracy": 0.75, "ci_low": 0.72, "ci_high": 0.78}
    >>> accuracy = pd.DataFrame([{"scheme": "float32"} | parts | measured])
    >>> latency = pd.DataFrame({"scheme": "float32", "batch": [1, 64], "p50_ms": [0.5, 16.0], "speedup": 1.0})
    >>> schemes(accuracy, latency)[["format", "batch", "p50_ms", "accuracy_percent"]].values.tolist()
    [['float32', 1, 0.5, 75.0], ['float32', 64, 16.0, 75.0]]
    """
    table = accuracy.merge(latency[["scheme", "batch", "p50_ms", "speedup"]], on="scheme")
    shares = {f"{name}_percent": 100 * table[name] for name in ("accuracy", "ci_low", "ci_high")}
    parts = ["scheme", "format", "activation", "granularity", "calibration", "batch", "p50_ms", "speedup", "size_kb"]
    return table[parts].assign(**shares).replace("", "float32")


def widths(overflow: pd.DataFrame, bit_growth: pd.DataFrame) -> pd.DataFrame:
    """Accuracy [%] and points lost by accumulator width and policy, in one layer alone or in all.

    bound_bits : the width that no input can make overflow; widest_percent : the accuracy at the widest one measured

    >>> about = {"layer": "all", "policy": "wrap", "samples": 1000, "overflow_share": [0.0, 0.1]}
    >>> overflow = pd.DataFrame(about | {"accumulator_bits": [32, 16], "accuracy": [0.75, 0.5]})
    >>> bit_growth = pd.DataFrame({"layer": ["conv", "fc"], "weight_bound_bits": [18, 20]})
    >>> widths(overflow, bit_growth)[["accumulator_bits", "lost_points", "bound_bits"]].values.tolist()
    [[32.0, 0.0, 20.0], [16.0, 25.0, 20.0]]
    """
    bounds = bit_growth.set_index("layer").weight_bound_bits
    bounds["all"] = bounds.max()
    full = 100 * widest_accuracy(overflow)
    table = overflow[["layer", "accumulator_bits", "policy", "samples", "overflow_share"]]
    measured = 100 * overflow.accuracy
    columns = {"accuracy_percent": measured, "lost_points": full - measured, "widest_percent": full}
    return table.assign(**columns, bound_bits=table.layer.map(bounds))


def numerics(joint: pd.DataFrame) -> pd.DataFrame:
    """Each combination of widths with the designs that suit it: accuracy [%], latency, energy, energy-delay product.

    >>> bits = {"weight_bits": 4, "activation_bits": 8, "accumulator_bits": 20, "requantization": "float32"}
    >>> costs = {"dram_gb_per_s": 1, "clock_mhz": 500, "latency_ms": 2.0, "energy_uj": 30.0, "area_mm2": 0.5}
    >>> share = {"accuracy": 0.75, "ci_low": 0.72, "ci_high": 0.78}
    >>> joint = pd.DataFrame([{"scheme": "int4", "design": "8x8_ws_64kb"} | bits | costs | share])
    >>> numerics(joint)[["numerics", "widths", "edp_uj_ms", "accuracy_percent"]].values.tolist()
    [['W4A8, 20-bit accumulator, float32', 'W4A8', 60.0, 75.0]]
    """
    names = [
        f"W{row.weight_bits}A{row.activation_bits}, {row.accumulator_bits}-bit accumulator, {row.requantization}"
        for row in joint.itertuples()
    ]
    table = joint[["scheme", "design", "dram_gb_per_s", "clock_mhz", "latency_ms", "energy_uj", "area_mm2"]]
    shares = {f"{name}_percent": 100 * joint[name] for name in ("accuracy", "ci_low", "ci_high")}
    product = joint.latency_ms * joint.energy_uj
    kinds = "W" + joint.weight_bits.astype(str) + "A" + joint.activation_bits.astype(str)
    return table.assign(numerics=names, widths=kinds, edp_uj_ms=product, **shares)


def explorable(tables: dict[str, pd.DataFrame]) -> dict[str, dict]:
    """By network the workload's name, and the `compact` table that each chart draws; None where it has no such data.

    >>> columns = ["workload", "dataset", *DESIGN, *COSTS, "utilization", "stall_share"]
    >>> able = pd.DataFrame({"workload": ["resnet18"], "dataset": "no data", "design": "8x8_ws_64kb"})
    >>> tables = {"contenders": able.reindex(columns=columns, fill_value=1)}
    >>> none = pd.DataFrame(columns=["workload", "design", "reason"])
    >>> tables |= dict.fromkeys(["validation", "accuracy", "latency", "overflow", "bit_growth", "joint"], none)
    >>> found = explorable(tables)["resnet18"]
    >>> len(found["designs"]["rows"]), found["schemes"]
    (1, None)
    """
    made = {
        "designs": (designs, "contenders", "validation"),
        "schemes": (schemes, "accuracy", "latency"),
        "widths": (widths, "overflow", "bit_growth"),
        "numerics": (numerics, "joint"),
    }
    found = {}
    for about, part in facets(tables["contenders"]).items():
        workload = part.workload.iloc[0]
        found[about] = {"workload": workload}
        for chart, (make, *names) in made.items():
            own = [tables[name][tables[name].workload == workload] for name in names]
            found[about][chart] = compact(make(*own)) if len(own[0]) else None
    return found


def compact(table: pd.DataFrame) -> dict[str, list]:
    """A table as its columns' names and its rows, for JSON: numbers with nine digits, enough for what was float32.

    >>> compact(pd.DataFrame({"design": ["a"], "latency_ms": [1 / 3], "speedup": [float("nan")]}))
    {'columns': ['design', 'latency_ms', 'speedup'], 'rows': [['a', 0.333333333, None]]}
    """

    def shorter(value):
        return None if value != value else float(f"{value:.9g}") if isinstance(value, float) else value

    rows = [[shorter(value) for value in row] for row in table.itertuples(index=False)]
    return {"columns": table.columns.tolist(), "rows": rows}


def questions(constraints: list[dict]) -> list[dict]:
    """The configured constraints as the page asks them: name, what is minimised, and upper limits by column.

    >>> questions([{"name": "fastest within 1 mm²", "minimise": "latency_ms", "area_mm2": 1.0}])
    [{'name': 'fastest within 1 mm²', 'minimise': 'latency_ms', 'limits': {'area_mm2': 1.0}}]
    """
    return [
        {key: constraint[key] for key in ("name", "minimise")}
        | {"limits": {column: limit for column, limit in constraint.items() if column in LIMITS}}
        for constraint in constraints
    ]
