"""The facts that the documents state about each workload, taken from the tables: winners, margins, widths.

Every function looks at one workload's rows and returns plain values, or small tables, for the templates.
"""

import pandas as pd

from lib.report.accumulators import accumulators
from lib.report.exactness import equality, without_vnni
from lib.report.joint import corners
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


def answers(tables: dict[str, pd.DataFrame]) -> dict[str, dict]:
    """All facts by workload: {workload: {dataset, quantization, choices, sensitivity, integer, exactness, …}}."""
    facts = {}
    for workload in tables["accuracy"].workload.unique():
        own = {name: table[table.workload == workload] for name, table in tables.items() if "workload" in table}
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
            "joint": corners(own["joint"], own["accuracy"]),
        }
    return facts
