"""The facts that the documents state about each workload, taken from the tables: winners, margins, widths.

Every function looks at one workload's rows and returns plain values, or small tables, for the templates.
"""

import pandas as pd

from lib.report.accumulators import accumulators
from lib.report.calibration import calibration
from lib.report.exactness import equality, without_vnni
from lib.report.joint import corners
from lib.report.quantization import study
from lib.report.requantization import fixed_point
from lib.report.throughput import speed

# Times, sizes and costs that differ by less count as equal: medians of the same computation scatter by as much.
SAME = 1.05
# Level of paired tests, for all pairs of models together.
SIGNIFICANT = 0.05


def quantization(accuracy: pd.DataFrame, latency: pd.DataFrame, paired: pd.DataFrame) -> dict:
    """Most accurate, fastest and recommended scheme, each with its margin.

    tied : schemes that McNemar's test does not tell apart from the most accurate one, itself included
    apart_by : the choice that all others, and they alone, have in common; None where there is none
    recommended : of the tied schemes the fastest at batch 1; where times are equal the smallest, where sizes are equal
        too the most accurate
    overlapping : how many other intervals overlap that of the most accurate scheme
    within_float32, unlike_float32 : how many schemes' intervals overlap float32's, how many the test tells from it
    against_float32 : the row of `paired` for float32 and the recommended scheme, and whether the test tells them apart
    Accuracies and losses in percent and percentage points; a negative loss is a gain over float32.

    >>> rows = {"scheme": ["float32", "a", "b"], "accuracy": [0.8, 0.8, 0.79], "p50_ms": [1.0, 0.5, 0.4]}
    >>> table = pd.DataFrame(rows).assign(size_kb=[400, 100, 100], batch=1, speedup=[1.0, 2.0, 2.5])
    >>> table = table.assign(ci_low=table.accuracy - 0.01, ci_high=table.accuracy + 0.01, format="qdq")
    >>> table = table.assign(activation="uint8", granularity="channel", calibration=table.scheme)
    >>> pairs = [("float32", "a", 1.0), ("float32", "b", 0.4), ("a", "b", 0.6)]
    >>> paired = pd.DataFrame(pairs, columns=["first", "second", "p_holm"])
    >>> found = quantization(table.drop(columns=["p50_ms", "speedup"]), table, paired)
    >>> found["most_accurate"]["scheme"], found["tied"], found["recommended"]["scheme"]  # the faster of two level ones
    ('a', ['a', 'b'], 'b')
    """
    fast = latency[latency.batch == 1][["scheme", "p50_ms", "speedup"]]
    table = accuracy.merge(fast, on="scheme")
    float32 = table[table.scheme == "float32"].iloc[0]
    schemes = table[table.scheme != "float32"].sort_values(
        ["accuracy", "p50_ms", "size_kb"], ascending=[False, True, True], kind="stable"
    )
    schemes = schemes.assign(loss_points=100 * (float32.accuracy - schemes.accuracy))
    best, second = schemes.iloc[0], schemes.iloc[min(1, len(schemes) - 1)]
    from_float32 = paired["first"] == "float32"
    apart = paired.p_holm < SIGNIFICANT
    tied = schemes[~schemes.scheme.isin(paired[apart & ~from_float32].second)]
    fast_enough = tied[tied.p50_ms <= SAME * tied.p50_ms.min()]
    recommended = fast_enough[fast_enough.size_kb <= SAME * fast_enough.size_kb.min()].iloc[0]
    pair = paired[from_float32 & (paired.second == recommended.scheme)].iloc[0]
    by_speed = schemes.sort_values("p50_ms", kind="stable")
    return {
        "float32": float32.to_dict(),
        "most_accurate": best.to_dict(),
        "runner_up": second.to_dict(),
        "margin_points": 100 * (best.accuracy - second.accuracy),
        "tied": tied.scheme.tolist(),
        "is_tie": len(tied) > 1,
        "apart_by": shared_choice(schemes, ~schemes.scheme.isin(tied.scheme)),
        "schemes": len(schemes),
        "overlapping": int((schemes.ci_high >= best.ci_low).sum()) - 1,
        "within_float32": int((schemes.ci_high >= float32.ci_low).sum()),
        "unlike_float32": int((apart & from_float32).sum()),
        "against_float32": pair.to_dict() | {"told_apart": bool(pair.p_holm < SIGNIFICANT)},
        "worst": schemes.iloc[-1].to_dict(),
        "fastest": by_speed.iloc[0].to_dict(),
        "slowest": by_speed.iloc[-1].to_dict(),
        "recommended": recommended.to_dict(),
        "size_ratio": float32.size_kb / recommended.size_kb,
    }


def shared_choice(schemes: pd.DataFrame, chosen: pd.Series) -> str | None:
    """The value of a choice, such as a calibration, that all chosen schemes and no others have; None if there is none.

    schemes : columns format, activation, granularity, calibration; chosen : bool, by scheme

    >>> schemes = pd.DataFrame({"calibration": ["minmax", "mse", "mse"], "activation": ["uint8", "uint8", "int8"]})
    >>> schemes = schemes.assign(granularity="channel", format="qdq")
    >>> shared_choice(schemes, pd.Series([False, True, True]))
    'calibration mse'
    """
    for choice in ("calibration", "granularity", "activation", "format"):
        for value in schemes[choice].unique() if chosen.any() else []:
            if ((schemes[choice] == value) == chosen).all():
                return f"{choice} {value}"
    return None


def _choices(accuracy: pd.DataFrame, latency: pd.DataFrame) -> pd.DataFrame:
    """What each choice brings, over all others: mean accuracy (%), median latency (ms) and speed-up at batch 1."""
    table = accuracy.merge(latency[latency.batch == 1][["scheme", "p50_ms", "speedup"]], on="scheme")
    table = table[table.scheme != "float32"]
    rows = []
    for choice in ("format", "activation", "granularity", "calibration"):
        for value, part in table.groupby(choice, sort=False):
            means = {"accuracy_percent": 100 * part.accuracy.mean(), "p50_ms": part.p50_ms.median()}
            rows.append({"choice": choice, "value": value} | means | {"speedup": part.speedup.median()})
    return pd.DataFrame(rows)


def _sensitive_layers(sensitivity: pd.DataFrame, quant_errors: pd.DataFrame) -> dict:
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


def _integer(golden: pd.DataFrame) -> dict:
    """How exactly the reference kernel matches ONNX Runtime, and where it is farthest from float32.

    None of the latter for a network without convolutions, to which the kernel does not apply.
    """
    return {
        "golden_elements": int(golden.elements.sum()),
        "golden_differing": int(golden.differing_from_ort.sum()),
        "golden_worst": golden.loc[golden.within_one_step_share.idxmin()].to_dict() if len(golden) else None,
    }


def answers(tables: dict[str, pd.DataFrame]) -> dict[str, dict]:
    """All facts by workload: {workload: {dataset, quantization, choices, sensitivity, integer, exactness, …}}.

    >>> from lib.report.tables import read_all
    >>> facts = answers(read_all(Path("results/tables").glob("*.csv")))  # doctest: +SKIP
    >>> facts["tiny_cnn_2d"]["quantization"]["recommended"]["scheme"]  # doctest: +SKIP
    """
    facts = {}
    for workload in tables["accuracy"].workload.unique():
        own = {name: table[table.workload == workload] for name, table in tables.items() if "workload" in table}
        facts[workload] = {
            "dataset": own["accuracy"].dataset.iloc[0],
            "quantization": quantization(own["accuracy"], own["latency"], own["paired"]),
            "choices": _choices(own["accuracy"], own["latency"]),
            "study": study(own),
            "calibration": calibration(own["calibration_study"]),
            "sensitivity": _sensitive_layers(own["sensitivity"], own["quant_errors"]),
            "integer": _integer(own["golden"]),
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
