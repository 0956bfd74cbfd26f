"""The facts about equality with ONNX Runtime, in its configurations, and on CPUs that add in saturating pairs."""

import pandas as pd

COUNTS = ["elements", "differing"]


def equality(exactness: pd.DataFrame) -> dict:
    """What was compared and what differs: with the matched ONNX Runtime, its default session, and without fusion.

    by_kind : one row per format, activation and granularity, calibrations together: elements compared and differing,
        and the same of a default session's logits and of all tensors without graph optimizations

    >>> rows = [("matched", "conv", 0), ("matched", "fc", 0), ("default", "fc", 3), ("unfused", "conv", 2)]
    >>> table = pd.DataFrame(rows, columns=["configuration", "tensor", "differing"]).assign(elements=10, samples=5)
    >>> found = equality(table.assign(scheme="qdq_int8_channel_minmax", session_option="default"))
    >>> found["elements"], found["differing"], found["inconsistent_default"]
    (20, 0, ['qdq_int8_channel_minmax'])
    """
    parts = dict(list(exactness.groupby("configuration")))
    matched = parts["matched"]
    totals = {name: part.groupby("scheme", sort=False)[COUNTS].sum() for name, part in parts.items()}
    options = matched.groupby("scheme", sort=False).session_option.first()
    table = totals["matched"].assign(session_option=options)
    for name in ("default", "unfused"):
        table = table.join(totals[name].add_prefix(f"{name}_"))
    kinds = table.groupby(table.index.str.rsplit("_", n=1).str[0], sort=False)
    return {
        "elements": int(matched.elements.sum()),
        "differing": int(matched.differing.sum()),
        "tensors": len(matched),
        "tensors_differing": int((matched.differing > 0).sum()),
        "samples": int(matched.samples.max()),
        "fewest_samples": int(matched.samples.min()),
        "unfused_samples": int(parts["unfused"].samples.max()),
        "schemes": len(table),
        "inconsistent_default": table[table.default_differing > 0].index.tolist(),
        "inconsistent_unfused": table[table.unfused_differing > 0].index.tolist(),
        "by_kind": kinds.sum(numeric_only=True).assign(session_option=kinds.session_option.first()).reset_index(),
    }


def without_vnni(pairwise: pd.DataFrame) -> dict:
    """What CPUs without VNNI change, per scheme, with weights of 8 and of 7 bits.

    worst : the scheme with the most changed classes; responsible : the layer that alone changes most of them there,
        None where no layer changes any
    cured : whether weights of 7 bits leave no pair that can saturate, and measured no accumulator that differs;
        cure_points : by how many percentage points they change the accuracy of exact sums, over the schemes

    >>> rows = {"reduce_range": [False, False, True], "layer": ["all", "conv", "all"], "saturable_pairs": [9, 9, 0]}
    >>> table = pd.DataFrame(rows | {"differing_accumulators": [7, 7, 0], "differing_classes": [2, 2, 0]})
    >>> found = without_vnni(table.assign(scheme="a", samples=100, exact_accuracy=[0.8, 0.8, 0.79]))
    >>> found["responsible"]["layer"], found["cured"]
    ('conv', True)
    """
    whole = pairwise[pairwise.layer == "all"]
    full, reduced = whole[~whole.reduce_range], whole[whole.reduce_range]
    worst = full.loc[full.differing_classes.idxmax()]
    layers = pairwise[(pairwise.scheme == worst.scheme) & ~pairwise.reduce_range & (pairwise.layer != "all")]
    responsible = layers.loc[layers.differing_accumulators.idxmax()].to_dict() if len(layers) else None
    gains = 100 * (reduced.set_index("scheme").exact_accuracy - full.set_index("scheme").exact_accuracy)
    return {
        "samples": int(whole.samples.max()),
        "schemes": len(full),
        "affected": full[full.differing_accumulators > 0].scheme.tolist(),
        "changed": full[full.differing_classes > 0].scheme.tolist(),
        "worst": worst.to_dict(),
        "responsible": responsible,
        "cured": bool((reduced.saturable_pairs == 0).all() and (reduced.differing_accumulators == 0).all()),
        "cure_points_min": gains.min(),
        "cure_points_max": gains.max(),
        "by_scheme": full.merge(reduced, on="scheme", suffixes=("", "_reduced")),
    }
