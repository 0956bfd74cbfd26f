"""The joint choice of numerics and hardware: which corner of the front to take, and what the next ones cost."""

import pandas as pd

WIDTHS = ["activation_bits", "weight_bits", "accumulator_bits", "requantization"]
PLAIN = [8, 8, 32, "float32"]  # as ONNX Runtime computes


def corners(joint: pd.DataFrame, accuracy: pd.DataFrame) -> dict:
    """Corners of one workload's front, as rows with edp_uj_ms; the best design is that of least energy-delay product.

    fits : each combination of widths on its best design, best first
    most_accurate : of fits, as measured
    take : the best design of those that are as good, their interval overlapping that of the most accurate
    fastest, frugal : of the same, the designs with the least latency and the least energy
    cheaper : of fits those less accurate beyond doubt that beat all more accurate ones, each another step down
    point : the best design that loses at most one point against `take`, which it may be itself
    plain : the best design in the widths of ONNX Runtime; is_plain : whether `take` has these widths

    >>> rows = {"accumulator_bits": [32, 18, 16], "accuracy": [0.79, 0.785, 0.5], "energy_uj": [10.0, 9.0, 8.0]}
    >>> table = pd.DataFrame(rows).assign(latency_ms=1.0, on_front=True)
    >>> table = table.assign(activation_bits=8, weight_bits=8, requantization="float32")
    >>> table = table.assign(ci_low=table.accuracy - 0.01, ci_high=table.accuracy + 0.01)
    >>> found = corners(table, pd.DataFrame({"scheme": ["float32"], "accuracy": [0.8]}))
    >>> {name: int(found[name].accumulator_bits) for name in ("most_accurate", "take", "plain")}
    {'most_accurate': 32, 'take': 18, 'plain': 32}
    """
    table = joint.assign(edp_uj_ms=joint.energy_uj * joint.latency_ms).sort_values("edp_uj_ms", kind="stable")
    fits = table.drop_duplicates(WIDTHS)
    most_accurate = fits.loc[fits.accuracy.idxmax()]
    as_good = table[table.ci_high >= most_accurate.ci_low]
    take = as_good.iloc[0]
    less = fits[fits.ci_high < most_accurate.ci_low].sort_values("accuracy", ascending=False, kind="stable")
    so_far = less.edp_uj_ms.cummin().shift(fill_value=take.edp_uj_ms).clip(upper=take.edp_uj_ms)
    # Rounded, because a difference of two shares is not exact.
    within_a_point = table[(take.accuracy - table.accuracy).round(9) <= 0.01]
    return {
        "fits": fits,
        "float32": accuracy[accuracy.scheme == "float32"].iloc[0],
        "most_accurate": most_accurate,
        "take": take,
        "fastest": as_good.sort_values(["latency_ms", "energy_uj"]).iloc[0],
        "frugal": as_good.sort_values(["energy_uj", "latency_ms"]).iloc[0],
        "cheaper": less[less.edp_uj_ms < so_far],
        "point": within_a_point.iloc[0],
        "plain": fits[(fits[WIDTHS] == PLAIN).all(axis=1)].iloc[0],
        "is_plain": take[WIDTHS].tolist() == PLAIN,
        "front": int(table.on_front.sum()),
    }
