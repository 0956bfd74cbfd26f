"""The facts that the documents state, taken from the tables: winners, margins, widths, bottlenecks.

Every function looks at one workload's rows and returns plain values, or small tables, for the templates.
"""

import pandas as pd

from lib.report.accumulators import accumulators
from lib.report.exactness import equality, without_vnni
from lib.report.requantization import fixed_point
from lib.report.throughput import speed

# Times, sizes and costs that differ by less count as equal: medians of the same computation scatter by as much.
SAME = 1.05


def quantization(accuracy: pd.DataFrame, latency: pd.DataFrame) -> dict:
    """Most accurate, fastest and recommended scheme, each with its margin.

    tied : schemes whose interval overlaps that of the most accurate one, itself included
    recommended : of the tied schemes the fastest at batch 1; where times are equal the smallest, where sizes are equal
        too the most accurate
    Accuracies and losses in percent and percentage points; a negative loss is a gain over float32.
    """
    fast = latency[latency.batch == 1][["scheme", "p50_ms", "speedup"]]
    table = accuracy.merge(fast, on="scheme")
    float32 = table[table.scheme == "float32"].iloc[0]
    schemes = table[table.scheme != "float32"].sort_values(
        ["accuracy", "p50_ms", "size_kb"], ascending=[False, True, True], kind="stable"
    )
    schemes = schemes.assign(loss_points=100 * (float32.accuracy - schemes.accuracy))
    best, second = schemes.iloc[0], schemes.iloc[min(1, len(schemes) - 1)]
    tied = schemes[schemes.ci_high >= best.ci_low]
    fast_enough = tied[tied.p50_ms <= SAME * tied.p50_ms.min()]
    recommended = fast_enough[fast_enough.size_kb <= SAME * fast_enough.size_kb.min()].iloc[0]
    by_speed = schemes.sort_values("p50_ms", kind="stable")
    return {
        "float32": float32.to_dict(),
        "most_accurate": best.to_dict(),
        "runner_up": second.to_dict(),
        "margin_points": 100 * (best.accuracy - second.accuracy),
        "tied": tied.scheme.tolist(),
        "is_tie": len(tied) > 1,
        "schemes": len(schemes),
        "within_float32": int((schemes.ci_high >= float32.ci_low).sum()),
        "worst": schemes.iloc[-1].to_dict(),
        "fastest": by_speed.iloc[0].to_dict(),
        "slowest": by_speed.iloc[-1].to_dict(),
        "recommended": recommended.to_dict(),
        "size_ratio": float32.size_kb / recommended.size_kb,
    }


def choices(accuracy: pd.DataFrame, latency: pd.DataFrame) -> pd.DataFrame:
    """What each choice brings, over all others: mean accuracy (%), median latency (ms) and speed-up at batch 1."""
    table = accuracy.merge(latency[latency.batch == 1][["scheme", "p50_ms", "speedup"]], on="scheme")
    table = table[table.scheme != "float32"]
    rows = []
    for choice in ("format", "activation", "granularity", "calibration"):
        for value, part in table.groupby(choice, sort=False):
            means = {"accuracy_percent": 100 * part.accuracy.mean(), "p50_ms": part.p50_ms.median()}
            rows.append({"choice": choice, "value": value} | means | {"speedup": part.speedup.median()})
    return pd.DataFrame(rows)


def sensitive_layers(sensitivity: pd.DataFrame, quant_errors: pd.DataFrame) -> dict:
    """The layer whose quantization alone costs most, by accuracy and by SQNR of the logits, and the noisiest tensor."""
    scheme = sensitivity.scheme.iloc[0]
    errors = quant_errors[quant_errors.scheme == scheme]
    noisiest = errors.loc[errors.sqnr_db.idxmin()]
    return {
        "scheme": scheme,
        "by_accuracy": sensitivity.loc[sensitivity.drop_points.idxmax()].to_dict(),
        "by_sqnr": sensitivity.loc[sensitivity.sqnr_db.idxmin()].to_dict(),
        "noisiest_tensor": noisiest.to_dict(),
    }


def integer(golden: pd.DataFrame) -> dict:
    """How exactly the reference kernel matches ONNX Runtime, and where it is farthest from PyTorch."""
    return {
        "golden_elements": int(golden.elements.sum()),
        "golden_differing": int(golden.differing_from_ort.sum()),
        "golden_worst": golden.loc[golden.within_one_step_share.idxmin()].to_dict(),
    }


def designs(scalesim: pd.DataFrame) -> pd.DataFrame:
    """One row per design: cycles, time, energy, energy-delay product, utilization, and share of time bound by memory.

    A layer takes the longer of its compute and memory time; layers run one after another.
    """
    layers = scalesim.assign(
        time_ms=scalesim[["compute_ms", "memory_ms"]].max(axis=1),
        slots=scalesim.scalesim_cycles * scalesim["rows"] * scalesim["cols"],
    )
    layers["memory_bound_ms"] = layers.time_ms.where(layers.bound == "memory", 0.0)
    total = layers.groupby(["design", "rows", "cols", "dataflow", "sram_kb"], sort=False, as_index=False).agg(
        cycles=("scalesim_cycles", "sum"),
        compute_ms=("compute_ms", "sum"),
        memory_ms=("memory_ms", "sum"),
        time_ms=("time_ms", "sum"),
        energy_uj=("energy_pj", lambda energy: energy.sum() / 1e6),
        macs=("macs", "sum"),
        slots=("slots", "sum"),
        memory_bound_ms=("memory_bound_ms", "sum"),
    )
    total["pes"] = total["rows"] * total["cols"]
    total["edp_uj_ms"] = total.energy_uj * total.time_ms
    total["utilization"] = total.macs / total.slots
    total["memory_bound_share"] = total.memory_bound_ms / total.time_ms
    return total.drop(columns=["slots", "memory_bound_ms"])


def winner(table: pd.DataFrame, column: str) -> dict:
    """The row with the smallest value, and by what factor the next larger value exceeds it (None if all are equal)."""
    ordered = table.sort_values(column, kind="stable")
    best = ordered.iloc[0]
    others = ordered[ordered[column] > best[column]]
    equal = table[table[column] == best[column]].design.tolist()
    margin = others.iloc[0] if len(others) else None
    return {
        "best": best.to_dict(),
        "equal": equal,
        "runner_up": None if margin is None else margin.to_dict(),
        "factor": None if margin is None else margin[column] / best[column],
    }


def architecture(scalesim: pd.DataFrame) -> dict:
    """Best designs, the bottleneck of the one with the least energy-delay product, and what would move it.

    frugal : the smallest array, then the smallest buffers, whose energy-delay product is as good as the best
    """
    table = designs(scalesim)
    by_edp = winner(table, "edp_uj_ms")
    best = by_edp["best"]
    close = table[table.edp_uj_ms <= SAME * best["edp_uj_ms"]]
    layers = scalesim[scalesim.design == best["design"]]
    time = layers[["compute_ms", "memory_ms"]].max(axis=1)
    bottleneck = layers.loc[time.idxmax()]
    with_bandwidth = pd.concat([layers.compute_ms, layers.memory_ms / 2], axis=1).max(axis=1).sum()
    components = {name: layers[f"energy_{name}_pj"].sum() / layers.energy_pj.sum() for name in ("mac", "sram", "dram")}
    return {
        "designs": table,
        "by_cycles": winner(table, "cycles"),
        "by_time": winner(table, "time_ms"),
        "by_energy": winner(table, "energy_uj"),
        "by_edp": by_edp,
        "frugal": close.sort_values(["pes", "sram_kb", "edp_uj_ms"], kind="stable").iloc[0].to_dict(),
        "bottleneck": bottleneck.to_dict() | {"time_share": time.max() / time.sum()},
        "memory_bound_layers": layers.layer[layers.bound == "memory"].tolist(),
        "energy_shares": components,
        "double_bandwidth_speedup": best["time_ms"] / with_bandwidth,
        "larger_array": larger_array(table, best),
        "larger_buffer": larger_buffer(table, best),
        "bound_counts": scalesim.bound.value_counts().to_dict(),
    }


def larger_array(table: pd.DataFrame, design: dict) -> dict | None:
    """What the next larger array of the same dataflow and buffers brings; None where there is none."""
    same = table[(table.dataflow == design["dataflow"]) & (table.sram_kb == design["sram_kb"])]
    larger = same[same.pes > design["pes"]]
    return gains(larger.loc[larger.pes.idxmin()], design) if len(larger) else None


def larger_buffer(table: pd.DataFrame, design: dict) -> dict | None:
    """What the next larger buffers of the same array and dataflow bring; None where there are none."""
    same = table[(table[["rows", "cols", "dataflow"]] == pd.Series(design)[["rows", "cols", "dataflow"]]).all(axis=1)]
    larger = same[same.sram_kb > design["sram_kb"]]
    return gains(larger.loc[larger.sram_kb.idxmin()], design) if len(larger) else None


def gains(other: pd.Series, design: dict) -> dict:
    """Speed-up and energy ratio of another design over this one."""
    ratios = {"speedup": design["time_ms"] / other.time_ms, "energy_ratio": other.energy_uj / design["energy_uj"]}
    return {"design": other.design} | ratios


def answers(tables: dict[str, pd.DataFrame]) -> dict[str, dict]:
    """All facts by workload: {workload: {dataset, quantization, choices, sensitivity, integer, exactness, …}}."""
    facts = {}
    for workload in tables["accuracy"].workload.unique():
        own = {name: table[table.workload == workload] for name, table in tables.items()}
        facts[workload] = {
            "dataset": own["accuracy"].dataset.iloc[0],
            "quantization": quantization(own["accuracy"], own["latency"]),
            "choices": choices(own["accuracy"], own["latency"]),
            "sensitivity": sensitive_layers(own["sensitivity"], own["quant_errors"]),
            "integer": integer(own["golden"]),
            "accumulators": accumulators(own["overflow"], own["bit_growth"], own["relief"]),
            "exactness": equality(own["exactness"]),
            "requantization": fixed_point(
                own["requantization"], own["requantization_accuracy"], own["requantization_schemes"]
            ),
            "pairwise": without_vnni(own["pairwise"]),
            "speed": speed(own["throughput"], own["step_times"]),
            "architecture": architecture(own["scalesim"]),
        }
    return facts
