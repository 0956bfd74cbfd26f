"""The facts about equality with ONNX Runtime, on tables for which the right answer is known."""

import pandas as pd

from lib.report.exactness import equality, without_vnni


def compared(*rows: tuple) -> pd.DataFrame:
    """Rows (scheme, configuration, tensor, differing) of ten elements each."""
    table = pd.DataFrame(rows, columns=["scheme", "configuration", "tensor", "differing"])
    return table.assign(elements=10, samples=5, session_option="default")


def test_only_the_matched_session_counts_as_equality_and_the_others_as_inconsistency():
    kinds = [("a_minmax", 3), ("a_entropy", 0)]
    rows = [(scheme, "matched", tensor, 0) for scheme, _ in kinds for tensor in ("conv", "logits")]
    rows += [(scheme, "default", "logits", differing) for scheme, differing in kinds]
    rows += [(scheme, "unfused", tensor, 1) for scheme, _ in kinds for tensor in ("conv", "logits")]
    found = equality(compared(*rows))
    assert (found["elements"], found["differing"], found["tensors"], found["schemes"]) == (40, 0, 4, 2)
    assert found["inconsistent_default"] == ["a_minmax"] and len(found["inconsistent_unfused"]) == 2
    (kind,) = found["by_kind"].to_dict("records")
    assert kind["scheme"] == "a" and kind["session_option"] == "default"
    assert (kind["elements"], kind["default_differing"], kind["unfused_differing"]) == (40, 3, 4)


def adds(*rows: tuple) -> pd.DataFrame:
    """Rows (scheme, reduce_range, layer, saturable pairs, differing accumulators, differing classes, accuracy)."""
    names = ["scheme", "reduce_range", "layer", "saturable_pairs", "differing_accumulators", "differing_classes"]
    table = pd.DataFrame(rows, columns=[*names, "accuracy"])
    return table.assign(samples=100, pairs=50, accumulators=1000, exact_accuracy=0.8)


def test_worst_scheme_and_its_layer_are_found_and_the_cure_is_checked():
    full = [("a", False, "all", 9, 7, 2, 0.79), ("a", False, "conv", 8, 6, 2, 0.79), ("a", False, "fc", 1, 1, 0, 0.8)]
    found = without_vnni(adds(*full, ("b", False, "all", 0, 0, 0, 0.8), ("a", True, "all", 0, 0, 0, 0.8)))
    assert found["worst"]["scheme"] == "a" and found["responsible"]["layer"] == "conv"
    assert found["affected"] == found["changed"] == ["a"] and found["cured"]
    assert not without_vnni(adds(*full, ("a", True, "all", 1, 0, 0, 0.8)))["cured"]


def test_nothing_to_cure_has_no_responsible_layer():
    found = without_vnni(adds(("a", False, "all", 0, 0, 0, 0.8), ("a", True, "all", 0, 0, 0, 0.8)))
    assert found["responsible"] is None and found["changed"] == [] and found["cured"]
