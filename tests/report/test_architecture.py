"""The facts about accelerators, on tables for which the right answer is known."""

import pandas as pd
import pytest

from lib.report.architecture import agreement, architectures, best_so_far, enough, left_out, mappings, next_steps


def test_doubling_stops_helping_after_the_last_step_that_still_buys_five_percent():
    assert enough(pd.Series({1: 8.0, 2: 4.0, 4: 4.0, 8: 2.0, 16: 1.95, 32: 1.9})) == 8
    assert enough(pd.Series({1: 8.0, 2: 7.9, 4: 7.8})) == 1


def test_what_still_helps_at_the_end_of_the_axis_has_no_answer():
    assert enough(pd.Series({1: 8.0, 2: 4.0})) is None


def test_steps_other_than_doublings_count_as_so_many_doublings():
    # Four times the bandwidth for 8 % less are two doublings of 4 % each.
    assert enough(pd.Series({1: 1.0, 4: 0.92})) == 1
    # 500 to 800 MHz are two thirds of a doubling: 4 % less would be 6 % less for a whole one.
    assert enough(pd.Series({500: 1.0, 800: 0.96})) is None


def test_more_of_a_resource_may_stay_unused():
    returns = pd.DataFrame({"parameter": "pes", "others": "free", "value": [16, 24, 32], "energy_uj": [5.0, 7.0, 4.0]})
    assert best_so_far(returns, "pes", "energy_uj").to_dict() == {16: 5.0, 24: 5.0, 32: 4.0}


def steps(*rows: tuple) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["parameter", "step", "edp_ratio", "latency_ratio"])
    return table.assign(value=500.0, other_value="800")


def test_the_step_that_buys_most_of_what_is_minimised_is_named():
    table = steps(("rows", "next", 0.9, 0.5), ("cols", "next", 0.8, 0.9), ("clock_mhz", "previous", 0.1, 0.1))
    gain = next_steps(table, "edp_uj_ms")["gain"]
    assert gain["parameter"] == "cols" and gain["ratio"] == 0.8 and gain["value"] == "500"
    assert next_steps(table, "latency_ms")["gain"]["parameter"] == "rows"


def test_no_step_is_named_where_none_helps_or_none_is_possible():
    found = next_steps(steps(("rows", "next", 1.0, 1.0), ("cols", "next", float("nan"), 1.1)), "edp_uj_ms")
    assert found == {"gain": None, "loss": None, "ends": []}


def test_what_can_be_spared_least_and_what_has_no_more_is_named():
    table = steps(("rows", "previous", 1.5, 1), ("rows", "next", 1, 1), ("dram_gb_per_s", "previous", 4.0, 1))
    found = next_steps(table, "edp_uj_ms")
    assert found["loss"]["parameter"] == "dram_gb_per_s" and found["ends"] == ["dram_gb_per_s"]


def test_designs_that_failed_are_not_counted_as_compared(tables):
    found = agreement(tables["validation"].query("workload == 'tiny_cnn_2d'"))
    assert (found["grid"], found["pareto"], found["layers"], found["differing"]) == (1, 1, 4, 0)
    assert found["failed"].design.tolist() == ["32x32_os_16kb"]


def test_mappings_are_compared_over_the_layers_that_a_tool_mapped():
    table = pd.DataFrame(
        [("a", 10, 20, 3.0, 2.0, ""), ("b", 20, 20, 3.0, 1.0, ""), ("c", None, 50, None, 9.0, "no mapping")],
        columns=["layer", "latency_cycles", "ours_latency_cycles", "energy_pj", "ours_energy_pj", "reason"],
    ).assign(tool="ZigZag", design="8x8_ws_16kb", objective="EDP")
    (row,) = mappings(table).to_dict("records")
    assert row["latency_ratio"] == 0.75 and row["energy_ratio"] == 2 and row["tool"] == "ZigZag"


def test_operators_beside_the_array_are_listed_with_their_share():
    found = left_out(
        pd.DataFrame(
            [("Conv", 90, 0.9, "array"), ("Loop", None, None, "elsewhere"), ("Einsum", 10, 0.1, "elsewhere")],
            columns=["operator", "macs", "mac_share", "runs"],
        )
    )
    assert found == {"operators": ["Loop", "Einsum"], "mac_share": pytest.approx(0.1), "unknown": ["Loop"]}


def test_networks_without_data_have_their_answer_too(tables):
    found = architectures(tables)
    assert list(found) == ["signal_cnn_1d on synthetic signals", "tiny_cnn_2d on CIFAR-10", "resnet18"]
    assert found["resnet18"]["agreement"] is None
    facts = found["tiny_cnn_2d on CIFAR-10"]
    assert facts["best"]["constraint"] == "fastest within 1 mm²" and facts["missed"].constraint.tolist() == ["tiny"]
    assert facts["bottleneck"]["time_share"] == pytest.approx(0.5) and facts["steps"]["gain"]["parameter"] == "rows"
    assert facts["waiting"] == [] and facts["energy"]["DRAM"] == pytest.approx(1 / 6)


def test_constraints_that_nothing_meets_leave_no_recommendation(tables):
    tables["winners"] = tables["winners"].assign(reason="no design is within the limits")
    facts = architectures(tables)["resnet18"]
    assert facts["best"] is None and len(facts["missed"]) == 3
