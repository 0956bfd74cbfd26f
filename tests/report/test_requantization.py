"""The multiplier that the report recommends, on tables for which the right answer is known."""

import pandas as pd

from lib.report.requantization import by_kind, fixed_point

COLUMNS = ["layer", "rounding", "multiplier_bits", "differing", "max_steps"]


def tables(*layers: tuple, accuracy: dict[str, float]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both tables from rows (layer, rounding, bits, differing values, steps) and accuracies by mode."""
    proof = pd.DataFrame(layers, columns=COLUMNS).assign(reachable=1000)
    names = [f"{row.rounding}{row.multiplier_bits}" for row in proof.itertuples()]
    proof["mode"] = [name.replace("power_of_two1", "power_of_two") for name in names]
    tested = pd.DataFrame({"mode": accuracy.keys(), "accuracy": accuracy.values()}).assign(samples=1000)
    tested["rounding"] = tested["mode"].str.rstrip("0123456789").replace("float", "float32")
    bits = proof.drop_duplicates("mode").set_index("mode").multiplier_bits
    tested["multiplier_bits"] = tested["mode"].map(bits).fillna(24).astype(int)
    return proof, tested


POWER = ("fc", "power_of_two", 1, 900, 70)
SCHEMES = pd.DataFrame(
    [
        ("qdq_uint8_tensor_minmax", "fixed", 0),
        ("qdq_uint8_tensor_minmax", "gemmlowp", 8),
        ("qdq_uint8_channel_minmax", "fixed", 5),
        ("qdq_uint8_channel_minmax", "gemmlowp", 1200),
        ("qoperator_uint8_channel_minmax", "fixed", 3),
        ("qoperator_uint8_channel_minmax", "gemmlowp", 0),
    ],
    columns=["scheme", "rounding", "differing"],
)


def test_every_layer_must_hold_at_a_width_and_at_all_wider_ones():
    rows = [("conv", "fixed", bits, differing, int(differing > 0)) for bits, differing in {24: 0, 16: 5, 12: 0}.items()]
    rows += [("fc", "fixed", bits, 0, 0) for bits in (24, 16, 12)] + [("fc", "gemmlowp", 24, 9, 2), POWER]
    accuracy = dict.fromkeys(["float32", "fixed24", "fixed16", "fixed12", "gemmlowp24"], 0.8) | {"power_of_two": 0.5}
    found = fixed_point(*tables(*rows, accuracy=accuracy), SCHEMES)
    assert found["narrowest"]["fixed"] == {"equal": 24, "one_step": 12, "tenth": 12, "settled": 24}
    assert found["narrowest"]["gemmlowp"] == {"equal": None, "one_step": None, "tenth": 24, "settled": 24}
    assert found["by_layer"]["equal, one rounding"].tolist() == [24, 12]
    assert found["by_layer"]["equal, two roundings"].tolist() == ["–", "–"]
    assert found["power_of_two"]["max_steps"] == 70 and round(found["power_of_two"]["lost_points"], 6) == 30


def test_the_recommended_multiplier_is_narrow_within_a_step_and_a_tenth_of_a_point():
    rows = [("fc", rounding, bits, 1, 1) for rounding in ("fixed", "gemmlowp") for bits in (24, 16)] + [POWER]
    accuracy = {"float32": 0.8, "fixed24": 0.8, "fixed16": 0.799, "gemmlowp24": 0.8, "gemmlowp16": 0.8}
    found = fixed_point(*tables(*rows, accuracy=accuracy | {"power_of_two": 0.5}), SCHEMES)
    # Both roundings may have 16 bits; one rounding is cheaper.
    assert (found["recommended"]["rounding"], found["recommended"]["multiplier_bits"]) == ("fixed", 16)
    found = fixed_point(*tables(*rows, accuracy=accuracy | {"fixed16": 0.798, "power_of_two": 0.5}), SCHEMES)
    assert (found["recommended"]["rounding"], found["recommended"]["multiplier_bits"]) == ("gemmlowp", 16)
    assert {name: width["settled"] for name, width in found["narrowest"].items()} == {"fixed": 16, "gemmlowp": 16}


def test_where_nothing_is_good_enough_nothing_is_recommended():
    rows = [("fc", rounding, 8, 1, 2) for rounding in ("fixed", "gemmlowp")] + [POWER]
    accuracy = {"float32": 0.8, "fixed8": 0.8, "gemmlowp8": 0.8, "power_of_two": 0.5}
    found = fixed_point(*tables(*rows, accuracy=accuracy), SCHEMES)
    assert found["recommended"] is None and found["widest"]["fixed"]["multiplier_bits"] == 8


def test_schemes_are_counted_by_kind():
    tensor, channel = by_kind(SCHEMES).to_dict("records")
    assert (tensor["granularity"], tensor["schemes"], tensor["equal, one rounding"]) == ("tensor", 1, 1)
    assert (channel["schemes"], channel["equal, one rounding"], channel["equal, two roundings"]) == (2, 0, 1)
    assert channel["differing values, two roundings"] == "0 … 1,200"
