"""How wide the accumulators must be: the facts that the documents state, taken from the tables of one workload."""

import pandas as pd

LOSSES_POINTS = {"none": 0.0, "tenth": 0.1, "one": 1.0}
Widths = dict[str, int | None]  # narrowest accumulator (bits) for each of the losses


def narrowest(curve: pd.DataFrame, full: float) -> Widths:
    """Narrowest accumulators (bits) that lose nothing, at most 0.1 and at most 1 point against the accuracy `full`.

    curve : columns accumulator_bits, accuracy
    A width counts only if every wider one in the table keeps the limit too; None where not even the widest does.

    >>> curve = pd.DataFrame({"accumulator_bits": [32, 20, 18, 16], "accuracy": [0.8, 0.8, 0.795, 0.5]})
    >>> narrowest(curve, full=0.8)
    {'none': 20, 'tenth': 20, 'one': 18}
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
    """Accuracy at the widest accumulator measured, with which the others are compared.

    >>> float(widest_accuracy(pd.DataFrame({"accumulator_bits": [16, 32, 17], "accuracy": [0.4, 0.79, 0.7]})))
    0.79
    """
    return table.loc[table.accumulator_bits.idxmax()].accuracy


def overflow_policies(overflow: pd.DataFrame) -> dict:
    """Narrowest accumulators by policy, for the whole network and layer by layer.

    narrowest : policy -> widths, all layers alike
    limiting : policy -> the layers that alone need the widest accumulator to lose nothing, and its bits; None where
        that is wider than those measured
    gap : where saturating every addition and wrapping differ most, {} where they do not; accuracies in percent

    >>> curve = pd.DataFrame({"accumulator_bits": [32, 16], "accuracy": [0.8, 0.5], "samples": 1000, "layer": "all"})
    >>> alone = curve.assign(layer="conv", policy="saturate")
    >>> wrapped = curve.assign(policy="wrap", accuracy=[0.8, 0.1])
    >>> found = overflow_policies(pd.concat([curve.assign(policy="saturate"), wrapped, alone], ignore_index=True))
    >>> found["narrowest"]["wrap"], found["limiting"], found["gap"]["bits"], round(found["gap"]["points"])
    ({'none': 32, 'tenth': 32, 'one': 32}, {'saturate': {'bits': 32, 'layers': ['conv']}}, 16, 40)
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

    >>> plain = pd.DataFrame({"accumulator_bits": [32, 18, 16], "accuracy": [0.8, 0.8, 0.5], "technique": "plain"})
    >>> tiled = pd.DataFrame({"accumulator_bits": [16], "accuracy": [0.8], "technique": "tile 8"})
    >>> reliefs(pd.concat([plain, tiled], ignore_index=True).assign(policy="saturate"))[1]["saved"]
    {'none': 2, 'tenth': 2, 'one': 2}
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

    >>> curve = pd.DataFrame({"accumulator_bits": [32, 16], "accuracy": [0.8, 0.5], "samples": 1000})
    >>> policies = [curve.assign(policy=policy, layer="all") for policy in ("saturate", "wrap")]
    >>> bounds = {"textbook_bits": 22, "weight_bound_bits": 19, "observed_bits": 17, "observed_partial_bits": 18}
    >>> relief = curve.assign(policy="saturate", technique="plain")
    >>> found = accumulators(pd.concat(policies, ignore_index=True), pd.DataFrame([bounds]), relief)
    >>> found["bounds"]["textbook_bits"], found["policies"]["narrowest"]["wrap"]["one"], found["best"]
    (22, 32, None)
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

    >>> plain = pd.DataFrame({"accumulator_bits": [32, 16], "accuracy": [0.8, 0.5], "technique": "plain"})
    >>> tiled = pd.DataFrame({"accumulator_bits": [16], "accuracy": [0.79], "technique": "tile 8"})
    >>> relief = pd.concat([plain, tiled], ignore_index=True).assign(policy="saturate")
    >>> found = too_narrow(relief, reliefs(relief))
    >>> found["technique"], found["accumulator_bits"], found["accuracy"]
    ('tile 8', 16, 0.79)
    """
    least = next(row["widths"]["one"] for row in rows if (row["technique"], row["policy"]) == ("plain", "saturate"))
    there = relief[relief.accumulator_bits < (least or 0)]
    there = there[there.accumulator_bits == there.accumulator_bits.max()]
    remedies = there[there.technique != "plain"]
    if remedies.empty:
        return None
    plain = there[(there.technique == "plain") & (there.policy == "saturate")]
    return remedies.loc[remedies.accuracy.idxmax()].to_dict() | {"plain_accuracy": plain.accuracy.iloc[0]}
