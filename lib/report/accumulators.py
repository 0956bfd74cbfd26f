"""How wide the accumulators must be: the facts that the documents state, taken from the tables of one workload."""

import pandas as pd

LOSSES_POINTS = {"none": 0.0, "tenth": 0.1, "one": 1.0}
Widths = dict[str, int | None]  # narrowest accumulator (bits) for each of the losses


def narrowest(curve: pd.DataFrame, full: float) -> Widths:
    """Narrowest accumulators (bits) that lose nothing, at most 0.1 and at most 1 point against the accuracy `full`.

    curve : columns accumulator_bits, accuracy
    A width counts only if every wider one in the table keeps the limit too; None where not even the widest does.
    """
    curve = curve.sort_values("accumulator_bits", ascending=False)
    # Rounded, because a difference of two shares is not exact and 0.1 point must count as 0.1 point.
    lost = (100 * (full - curve.accuracy)).round(9)
    widths = {}
    for name, limit in LOSSES_POINTS.items():
        kept = curve.accumulator_bits[(lost <= limit).cummin()]
        widths[name] = int(kept.min()) if len(kept) else None
    return widths


def widest_accuracy(table: pd.DataFrame) -> float:
    """Accuracy at the widest accumulator measured, with which the others are compared."""
    return table.loc[table.accumulator_bits.idxmax()].accuracy


def overflow_policies(overflow: pd.DataFrame) -> dict:
    """Narrowest accumulators by policy, for the whole network and layer by layer.

    narrowest : policy -> widths, all layers alike
    limiting : policy -> the layers that alone need the widest accumulator to lose nothing, and its bits; None where
        that is wider than those measured
    gap : where saturating every addition and wrapping differ most, {} where they do not; accuracies in percent
    """
    full = widest_accuracy(overflow)
    network, layers = overflow[overflow.layer == "all"], overflow[overflow.layer != "all"]
    limiting = {}
    for policy, table in layers.groupby("policy"):
        needs = {layer: narrowest(curve, full)["none"] for layer, curve in table.groupby("layer", sort=False)}
        widest = None if None in needs.values() else max(needs.values())
        limiting[policy] = {"bits": widest, "layers": [layer for layer, bits in needs.items() if bits == widest]}
    by_width = 100 * network.pivot_table(index="accumulator_bits", columns="policy", values="accuracy")
    difference = by_width.saturate - by_width.wrap
    width = difference.abs().idxmax()
    gap = {"bits": int(width), "points": difference[width]} | by_width.loc[width].to_dict()
    return {
        "narrowest": {policy: narrowest(curve, full) for policy, curve in network.groupby("policy")},
        "limiting": limiting,
        "gap": gap if gap["points"] else {},
        "samples": int(overflow.samples.max()),
    }


def reliefs(relief: pd.DataFrame) -> list[dict]:
    """One row per technique and policy: narrowest accumulators for each loss, and the bits saved against plain ones.

    Where a technique was not measured, because plain saturation overflows nowhere, the width counts as plain's does.
    """
    full = widest_accuracy(relief)
    plain = relief[(relief.technique == "plain") & (relief.policy == "saturate")]
    base = narrowest(plain, full)
    rows = []
    for (technique, policy), curve in relief.groupby(["technique", "policy"], sort=False):
        wider = plain[plain.accumulator_bits > curve.accumulator_bits.max()]
        widths = narrowest(pd.concat([curve, wider]), full)
        saved = {name: None if None in (bits, base[name]) else base[name] - bits for name, bits in widths.items()}
        rows.append({"technique": technique, "policy": policy, "widths": widths, "saved": saved})
    return rows


def accumulators(overflow: pd.DataFrame, bit_growth: pd.DataFrame, relief: pd.DataFrame) -> dict:
    """Accumulator widths by bounds, by observation and by accuracy, and what the remedies for narrow ones bring.

    best, guaranteed : of the remedies, and of those that no input can make overflow, the one that loses at most one
        point at the narrowest width; None where there is none
    """
    columns = ("textbook_bits", "weight_bound_bits", "observed_bits", "observed_partial_bits")
    rows = reliefs(relief)
    able = sorted((row for row in rows if row["widths"]["one"] is not None), key=lambda row: row["widths"]["one"])
    return {
        "bounds": {column: int(bit_growth[column].max()) for column in columns},
        "policies": overflow_policies(overflow),
        "relief": rows,
        "best": next((row for row in able if row["technique"] != "plain"), None),
        "guaranteed": next((row for row in able if row["policy"] == "none"), None),
        "too_narrow": too_narrow(relief, rows),
        "relief_samples": int(relief.samples.max()),
    }


def too_narrow(relief: pd.DataFrame, rows: list[dict]) -> dict | None:
    """Where plain saturation first loses more than one point: its accuracy, and the row of the best remedy there.

    None where nothing was measured there. rows : as reliefs gives them
    """
    least = next(row["widths"]["one"] for row in rows if (row["technique"], row["policy"]) == ("plain", "saturate"))
    there = relief[relief.accumulator_bits < (least or 0)]
    there = there[there.accumulator_bits == there.accumulator_bits.max()]
    remedies = there[there.technique != "plain"]
    if remedies.empty:
        return None
    plain = there[(there.technique == "plain") & (there.policy == "saturate")]
    return remedies.loc[remedies.accuracy.idxmax()].to_dict() | {"plain_accuracy": plain.accuracy.iloc[0]}
