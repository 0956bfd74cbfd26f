"""The facts about requantization in fixed point: which multiplier is wide enough, by proof and by test accuracy."""

import pandas as pd

ROUNDINGS = {"fixed": "one rounding", "gemmlowp": "two roundings"}


def narrowest(table: pd.DataFrame, holds: pd.Series) -> int | None:
    """The smallest multiplier_bits of the table where `holds`, as it must for all wider ones; None if it never does.

    >>> table = pd.DataFrame({"layer": ["a", "b"] * 3, "multiplier_bits": [31, 31, 16, 16, 8, 8]})
    >>> narrowest(table, holds=pd.Series([True, True, True, True, True, False]))
    16
    """
    by_width = holds.groupby(table.multiplier_bits).all().sort_index(ascending=False)
    kept = by_width.index[by_width.cummin()]
    return int(kept.min()) if len(kept) else None


def fixed_point(layers: pd.DataFrame, accuracy: pd.DataFrame, schemes: pd.DataFrame) -> dict:
    """Narrowest multipliers (bits) by rounding and demand, what is recommended, and what a power of two costs.

    narrowest : per rounding the width that equals ONNX Runtime for every accumulator a layer can reach (equal), that is
        never more than one step off (one_step), that loses at most 0.1 points of test accuracy (tenth), and from which
        on wider ones differ as often (settled)
    recommended : never more than one step off and at most 0.1 points lost, of the fewest bits; at equal widths one
        rounding is cheaper than two. None where no width does.
    by_layer : the first two widths of each layer alone
    by_kind : how many schemes of a kind equal ONNX Runtime with the widest multiplier

    >>> modes = {"mode": ["float32", "fixed31", "gemmlowp31", "power_of_two"], "multiplier_bits": [24, 31, 31, 1]}
    >>> modes = pd.DataFrame(modes | {"rounding": ["float32", "fixed", "gemmlowp", "power_of_two"]})
    >>> layers = modes[1:].assign(layer="fc", reachable=1000, differing=[0, 4, 900], max_steps=[0, 1, 70])
    >>> schemes = layers.assign(scheme="qdq_uint8_channel_minmax")
    >>> found = fixed_point(layers, modes.assign(accuracy=[0.8, 0.8, 0.8, 0.5]), schemes)
    >>> found["narrowest"]["fixed"]["equal"], found["narrowest"]["gemmlowp"]["equal"], found["recommended"]["rounding"]
    (31, None, 'fixed')
    """
    float32 = accuracy[accuracy["mode"] == "float32"].iloc[0]
    # Rounded, because a difference of two shares is not exact and 0.1 point must count as 0.1 point.
    accuracy = accuracy.assign(lost_points=(100 * (float32.accuracy - accuracy.accuracy)).round(9))
    per_mode = layers.groupby("mode", sort=False).agg({"reachable": "sum", "differing": "sum", "max_steps": "max"})
    modes = accuracy.join(per_mode, on="mode", how="inner").set_index("mode")
    widths, widest = {}, layers.multiplier_bits.max()
    for rounding in ROUNDINGS:
        own, tested = (table[table.rounding == rounding] for table in (layers, accuracy))
        at_widest = own[own.multiplier_bits == widest].set_index("layer").differing
        widths[rounding] = {
            "equal": narrowest(own, own.differing == 0),
            "one_step": narrowest(own, own.max_steps <= 1),
            "tenth": narrowest(tested, tested.lost_points <= 0.1),
            "settled": narrowest(own, own.differing == own.layer.map(at_widest)),
        }
    wide_enough = {
        rounding: max(found["one_step"], found["tenth"])
        for rounding, found in widths.items()
        if found["one_step"] and found["tenth"]
    }
    best = min(wide_enough, key=wide_enough.get, default=None)
    return {
        "narrowest": widths,
        "recommended": modes.loc[f"{best}{wide_enough[best]}"].to_dict() if best else None,
        "widest": {rounding: modes.loc[f"{rounding}{widest}"].to_dict() for rounding in ROUNDINGS},
        "power_of_two": modes.loc["power_of_two"].to_dict(),
        "float32": float32.to_dict(),
        "by_layer": _by_layer(layers),
        "by_kind": by_kind(schemes),
    }


def _by_layer(layers: pd.DataFrame) -> pd.DataFrame:
    """One row per layer: narrowest multipliers that are equal and one step off, per rounding; "–" where none is."""
    rows = []
    for layer, part in layers.groupby("layer", sort=False):
        row = {"layer": layer}
        for rounding, name in ROUNDINGS.items():
            own = part[part.rounding == rounding]
            row[f"equal, {name}"] = narrowest(own, own.differing == 0) or "–"
            row[f"one step, {name}"] = narrowest(own, own.max_steps <= 1) or "–"
        rows.append(row)
    return pd.DataFrame(rows)


def by_kind(schemes: pd.DataFrame) -> pd.DataFrame:
    """One row per activation type and weight granularity: schemes that are equal everywhere, and differing values.

    >>> schemes = pd.DataFrame({"scheme": ["qdq_uint8_tensor_mse", "qdq_uint8_tensor_minmax"], "differing": [0, 5]})
    >>> found = by_kind(pd.concat([schemes.assign(rounding=rounding) for rounding in ROUNDINGS]))
    >>> found[["granularity", "schemes", "equal, one rounding", "differing values, one rounding"]].values.tolist()
    [['tensor', 2, 1, '0 … 5']]
    """
    names = schemes.scheme.str.split("_", expand=True)
    kinds = schemes.assign(activation=names[1], granularity=names[2]).groupby(["activation", "granularity"], sort=False)
    rows = []
    for (activation, granularity), part in kinds:
        row = {"activation": activation, "granularity": granularity, "schemes": part.scheme.nunique()}
        for rounding, name in ROUNDINGS.items():
            differing = part[part.rounding == rounding].differing
            row[f"equal, {name}"] = int((differing == 0).sum())
            row[f"differing values, {name}"] = f"{differing.min():,} … {differing.max():,}"
        rows.append(row)
    return pd.DataFrame(rows)
