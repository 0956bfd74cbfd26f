"""Which layers need bits and why, what predicts it, and what giving each layer its own width saves."""

import pandas as pd

KEPT_POINTS = 0.5  # a layer needs the fewest bits that lose no more
LIMITS_POINTS = (0.5, 1.0, 3.0)
COSTS = {"size": "weight_kb", "bit operations": "bit_operations"}
# What may make a layer sensitive, and on which side it would stand out.
REASONS = {"outliers": "largest", "range": "largest", "parameters": "fewest"}
PROXIES = {
    "sqnr_db": "SQNR of the logits",
    "hessian": "Hessian's trace",
    "outliers": "outliers",
    "range": "range",
    "parameters": "number of weights",
}


def needed_bits(rows: pd.DataFrame) -> pd.Series:
    """Fewest bits of each layer, all wider ones alike, at which it alone costs at most KEPT_POINTS; NaN if none do.

    >>> rows = pd.DataFrame({"layer": ["a", "a", "b", "b"], "bits": [8, 4, 8, 4], "drop_points": [0.0, 0.4, 0.1, 3.0]})
    >>> needed_bits(rows).to_dict()
    {'a': 4, 'b': 8}
    """
    rows = rows.sort_values("bits", ascending=False, kind="stable")
    # Rounded, because a difference of two shares is not exact.
    holds = (rows.drop_points.round(9) <= KEPT_POINTS).groupby(rows.layer, sort=False).cummin()
    return rows[holds].groupby("layer", sort=False).bits.min().reindex(rows.layer.unique())


def sensitive(bit_sensitivity: pd.DataFrame) -> dict[str, dict]:
    """By kind ("weight", "activation") the layer that loses most on average over the bits, and what sets it apart.

    needs : fewest bits of each layer; bits, others_bits : those of this layer and the median of the others
    reasons : property, value and median of all layers, where its outliers or its range are larger than any other
        layer's, or its weights fewer

    >>> rows = pd.DataFrame({"layer": ["a", "a", "b", "b"], "bits": [8, 4, 8, 4], "drop_points": [0.0, 0.4, 0.1, 3.0]})
    >>> rows = rows.assign(kind="weight", tensor=rows.layer, outliers=[3.0, 3.0, 8.0, 8.0], range=1.0, parameters=90)
    >>> found = sensitive(rows)["weight"]
    >>> found["layer"], int(found["bits"]), [reason["property"] for reason in found["reasons"]]
    ('b', 8, ['outliers'])
    """
    found = {}
    # Layers that multiply the same tensor share its rows; the first of them stands for all.
    for kind, rows in bit_sensitivity.drop_duplicates(["kind", "tensor", "bits"]).groupby("kind", sort=False):
        drops = rows.groupby("layer", sort=False).drop_points.mean()
        layer, needs = drops.idxmax(), needed_bits(rows)
        layers = rows.drop_duplicates("layer").set_index("layer")
        own, others = layers.loc[layer], layers.drop(layer)
        reasons = [
            {"property": name, "value": own[name], "median": layers[name].median()}
            for name, side in REASONS.items()
            if (own[name] > others[name].max() if side == "largest" else own[name] < others[name].min())
            and (kind == "weight" or name != "parameters")
        ]
        worst = rows[rows.layer == layer].sort_values("bits").iloc[0]
        found[kind] = {
            "layer": layer,
            "layers": len(layers),
            "mean_points": drops[layer],
            "worst": worst.to_dict(),
            "needs": needs,
            "bits": needs[layer],
            "others_bits": needs.drop(layer).median(),
            "reasons": reasons,
        }
    return found


def predictors(proxies: pd.DataFrame) -> dict[str, list[dict]]:
    """The proxies of each kind with their name and rank correlation to measured sensitivity, the strongest first.

    >>> rows = [("weight", "outliers", 0.4), ("weight", "sqnr_db", -0.9), ("weight", "hessian", None)]
    >>> found = predictors(pd.DataFrame(rows, columns=["kind", "proxy", "spearman"]))
    >>> [(row["name"], row["spearman"]) for row in found["weight"]]
    [('SQNR of the logits', -0.9), ('outliers', 0.4)]
    """
    table = proxies.dropna(subset="spearman")
    table = table.assign(name=table.proxy.map(PROXIES), strength=table.spearman.abs())
    order = table.sort_values("strength", ascending=False, kind="stable")
    return {kind: part.to_dict("records") for kind, part in order.groupby("kind", sort=False)}


def savings(mixed_precision: pd.DataFrame) -> pd.DataFrame:
    """Cheapest uniform and mixed assignment that lose at most so many points as measured, by cost and limit.

    columns objective, limit_points, uniform, mixed (costs), uniform_assignment, mixed_assignment, uniform_loss_points,
    mixed_loss_points, saved (share of the uniform cost; at most 0 where mixing saves nothing). Limits that uniform or
    mixed widths do not keep have no row.

    >>> rows = {"assignment": ["all:8", "all:6", "a:8 b:4"], "weight_kb": [80, 60, 45], "loss_points": [0.0, 0.4, 0.3]}
    >>> table = pd.DataFrame(rows).assign(origin=["uniform", "uniform", "mixed"], objective=["", "", "size"])
    >>> found = savings(table.assign(bit_operations=1.0))
    >>> found[["objective", "limit_points", "uniform_assignment", "mixed_assignment", "saved"]].values[0].tolist()
    ['size', 0.5, 'W6', 'a:8 b:4', 0.25]
    """
    rows = []
    for objective, cost in COSTS.items():
        of_objective = (mixed_precision.origin == "uniform") | (mixed_precision.objective == objective)
        for limit in LIMITS_POINTS:
            # Rounded, because a difference of two shares is not exact.
            kept = mixed_precision[of_objective & (mixed_precision.loss_points.round(9) <= limit)].sort_values(cost)
            best = {origin: kept[kept.origin == origin].head(1) for origin in ("uniform", "mixed")}
            if any(part.empty for part in best.values()):
                continue
            row = {"objective": objective, "limit_points": limit}
            for origin, part in best.items():
                row |= {origin: part[cost].item(), f"{origin}_assignment": part.assignment.item().replace("all:", "W")}
                row |= {f"{origin}_loss_points": part.loss_points.item()}
            rows.append(row | {"saved": 1 - row["mixed"] / row["uniform"]})
    return pd.DataFrame(rows)


def folding(folding: pd.DataFrame) -> pd.DataFrame:
    """By stage: the layer whose channels differ most, their spread, and the mean SQNR (dB) of 4-bit weights.

    columns stage, layer, spread, median_spread, sqnr_db_tensor, sqnr_db_channel; empty where nothing was measured

    >>> rows = [("exported", "conv1", 4.0, 20.0), ("exported", "conv2", 2.0, 22.0), ("folded", "conv1", 9.0, 15.0)]
    >>> table = pd.DataFrame(rows, columns=["stage", "layer", "spread", "sqnr_db_tensor"])
    >>> found = folding(table.assign(bits=4, sqnr_db_channel=25.0))
    >>> found[["stage", "layer", "spread", "sqnr_db_tensor"]].values.tolist()
    [['exported', 'conv1', 4.0, 21.0], ['folded', 'conv1', 9.0, 15.0]]
    """
    rows = []
    for stage, part in folding[folding.bits == folding.bits.min()].groupby("stage", sort=False):
        widest = part.loc[part.spread.idxmax()]
        rows.append(
            {"stage": stage, "layer": widest.layer, "spread": widest.spread, "median_spread": part.spread.median()}
            | {"bits": int(widest.bits)}
            | part[["sqnr_db_tensor", "sqnr_db_channel"]].mean().to_dict()
        )
    return pd.DataFrame(rows)
