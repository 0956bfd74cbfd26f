"""Figures are those of the sources, costs grow with sizes, and a table that cannot be used is named in one line."""

from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.arch import area, energy
from lib.arch.numerics import WIDTHS, Numerics
from lib.arch.technology import TABLE, read
from lib.errors import InputError
from lib.fixedpoint.rescale import UNNUMBERED
from lib.fixedpoint.rescale import WIDTHS as MULTIPLIER_WIDTHS

NODES = [read(node_nm=node) for node in sorted(pd.read_csv(TABLE)["node_nm"].unique())]
MODES = [*UNNUMBERED, *(f"{rounding}{bits}" for rounding in ("fixed", "gemmlowp") for bits in MULTIPLIER_WIDTHS)]
DATAFLOWS = ["os", "ws", "is"]

each_node = pytest.mark.parametrize("technology", NODES, ids=lambda technology: f"{technology.node_nm:g}nm")
checked = settings(max_examples=50, deadline=None, derandomize=True)
nodes = st.sampled_from(NODES)
numerics = st.builds(
    Numerics, *(st.integers(low, high) for low, high in WIDTHS.values()), requantization=st.sampled_from(MODES)
)
sizes = st.lists(st.floats(0.25, 1e5), min_size=2, max_size=8).map(lambda values: np.sort(values))


def test_energies_at_45_nm_are_horowitz():
    technology = read(node_nm=45)
    assert energy.mac_pj(technology, Numerics()) == pytest.approx(0.2 + 0.1)
    assert energy.mac_pj(technology, Numerics(accumulator_bits=16)) == pytest.approx(0.2 + 0.05)
    assert energy.requantize_pj(technology, Numerics()) == 3.7
    assert (energy.sram_pj_per_byte(technology, np.array([8, 32, 1024])) * 8).tolist() == pytest.approx([10, 20, 100])
    assert energy.dram_pj_per_byte(technology) * 8 == 1300


def test_energies_at_7_nm_are_google():
    technology = read(node_nm=7)
    assert energy.mac_pj(technology, Numerics()) == pytest.approx(0.07 + 0.03)
    assert energy.requantize_pj(technology, Numerics()) == 1.31
    assert (energy.sram_pj_per_byte(technology, np.array([8, 32, 1024])) * 8).tolist() == pytest.approx([7.5, 8.5, 14])
    assert energy.dram_pj_per_byte(technology) * 8 == 1300


def test_requantizers_are_priced_by_their_circuits():
    technology = read(node_nm=45)
    cost = {mode: energy.requantize_pj(technology, Numerics(requantization=mode)) for mode in MODES}
    assert cost["power_of_two"] == technology.int32_add_pj
    assert cost["fixed16"] == pytest.approx(technology.int32_multiply_pj / 2 + technology.int32_add_pj * 1.5)
    assert cost["fixed16"] == cost["gemmlowp16"]
    assert cost["power_of_two"] < cost["fixed4"] < cost["fixed31"] < cost["float32"]


@checked
@given(nodes, numerics)
def test_costs_are_positive_for_every_numerics(technology, widths):
    assert energy.mac_pj(technology, widths) > 0
    assert energy.requantize_pj(technology, widths) > 0
    assert all(energy.register_pj(technology, widths, dataflow) > 0 for dataflow in DATAFLOWS)
    assert area.array_mm2(technology, widths, 1, 1) > 0


@checked
@given(nodes, numerics, st.sampled_from([*WIDTHS]))
def test_a_wider_integer_never_costs_less(technology, widths, width):
    bits = getattr(widths, width)
    if bits == WIDTHS[width][1]:
        return
    wider = Numerics(**{field.name: getattr(widths, field.name) for field in fields(widths)} | {width: bits + 1})
    assert energy.mac_pj(technology, wider) > energy.mac_pj(technology, widths)
    assert energy.requantize_pj(technology, wider) >= energy.requantize_pj(technology, widths)
    assert area.array_mm2(technology, wider, 8, 8) > area.array_mm2(technology, widths, 8, 8)
    for dataflow in DATAFLOWS:
        assert energy.register_pj(technology, wider, dataflow) >= energy.register_pj(technology, widths, dataflow)


@checked
@given(nodes, sizes)
def test_a_larger_sram_costs_more(technology, kb):
    for cost in (energy.sram_pj_per_byte(technology, kb), area.sram_mm2(technology, kb)):
        assert cost.shape == kb.shape
        assert cost[0] > 0 and (np.diff(cost)[np.diff(kb) > 0] > 0).all()


@each_node
def test_arrays_of_designs_cost_what_single_designs_do(technology):
    rows, cols, kb = np.array([4, 16, 128]), np.array([8, 4, 128]), np.array([24, 96, 384])
    array = area.array_mm2(technology, Numerics(), rows, cols)
    singles = [area.array_mm2(technology, Numerics(), r, c) for r, c in zip(rows, cols, strict=True)]
    assert array.tolist() == pytest.approx(singles)
    assert (np.diff(area.leakage_mw(technology, array, kb)) > 0).all()
    assert energy.sram_pj_per_byte(technology, 96.0) == energy.sram_pj_per_byte(technology, kb)[1]


@each_node
def test_supply_follows_the_clock_between_its_limits(technology):
    clocks = np.linspace(1, technology.clock_mhz, 500)
    supply = energy.voltage(technology, clocks)
    assert supply[0] == pytest.approx(technology.lowest_supply_v / technology.supply_v)
    assert supply[-1] == 1
    assert (np.diff(supply) >= 0).all()

    def speed(v):
        return (v - technology.threshold_v) ** technology.alpha / v

    moving = supply > supply[0]
    reached = technology.clock_mhz * speed(supply * technology.supply_v) / speed(technology.supply_v)
    assert reached[moving] == pytest.approx(clocks[moving], rel=1e-6)


@each_node
def test_clock_out_of_reach_is_refused_with_the_highest_one(technology):
    with pytest.raises(InputError, match=rf"clock of 9000 MHz.*{technology.node_nm:g} nm.* \d+ MHz"):
        energy.voltage(technology, np.array([100, 9000]))


@each_node
def test_a_narrow_multiplier_is_a_small_part_of_its_wide_one(technology):
    # The rule that cells go with bits x bits, against the two multipliers that both sources give.
    assert technology.int8_multiply_pj * 16 == pytest.approx(technology.int32_multiply_pj, rel=0.3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"activation_bits": 0},
        {"weight_bits": 17},
        {"accumulator_bits": 7},
        {"accumulator_bits": 65},
        {"activation_bits": 8.0},
        {"weight_bits": None},
        {"requantization": "fixed3"},
        {"requantization": "gemmlowp32"},
        {"requantization": "float16"},
    ],
    ids=str,
)
def test_numerics_that_no_array_has_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Numerics(**wrong)


def test_widths_from_a_row_of_a_table_are_integers_too():
    assert Numerics(*np.array([8, 4, 24])) == Numerics(8, 4, 24)


def test_unknown_dataflow_is_refused():
    with pytest.raises(InputError, match="'rs'"):
        energy.register_pj(NODES[0], Numerics(), "rs")


def test_every_figure_has_a_source_and_scaled_ones_follow_their_rule():
    table = pd.read_csv(TABLE).set_index(["node_nm", "component", "unit"])
    assert table["source"].str.contains(r"\d{4}|WikiChip|CACTI 7|^assumption: .|^derived: fitted").all()
    rules = table["source"].str.extract(r"^derived: 45 nm × ([\d.]+)(?: / ([\d.]+))?").astype(float).fillna(1)
    scaled = table["source"].str.startswith("derived: 45 nm ×")
    for (node, *figure), factor in (rules[0] / rules[1])[scaled].items():
        assert table["value"][node, *figure] == pytest.approx(table["value"][45, *figure] * factor, rel=0.02)
    assert scaled.sum() == 8


def put(column, value):
    """The table with another value in a column of the rows for DRAM."""
    return lambda table: table.assign(
        **{column: table[column].astype(object).mask(table["component"] == "dram", value)}
    )


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda table: table[table["component"] != "dram"], "dram_pj_per_byte: missing"),
        (lambda table: pd.concat([table, table.tail(1)]), "alpha: there twice"),
        (put("value", 0), "dram_pj_per_byte: not a positive number"),
        (put("value", -1), "dram_pj_per_byte: not a positive number"),
        (put("value", None), "dram_pj_per_byte: not a positive number"),
        (put("value", "inf"), "dram_pj_per_byte: not a positive number"),
        (put("value", "much"), "dram_pj_per_byte: not a positive number"),
        (put("unit", "fJ/byte"), "dram_fj_per_byte: unknown"),
        (put("unit", None), "dram_: unknown"),
        (put("component", None), "unknown"),
        (put("node_nm", "a few"), "not a technology table"),
        (lambda table: table.drop(columns="unit"), "not a technology table"),
        (lambda table: table[table["node_nm"] != 7], "there are some for 45 nm"),
        (lambda table: table.replace({"value": {0.58: 0.1}}), "threshold < lowest_supply"),
    ],
)
def test_damaged_table_is_named_in_one_line(damage, message, tmp_path):
    path = tmp_path / "mine.csv"
    damage(pd.read_csv(TABLE)).to_csv(path, index=False)
    with pytest.raises(InputError, match=message) as refusal:
        read(path, 7)
    assert "mine.csv" in str(refusal.value) and "\n" not in str(refusal.value)


@pytest.mark.parametrize("content", [None, b"", b"a,b\n1,2,3\n", b"\xff\xfe\x00"])
def test_file_that_is_no_table_is_named(content, tmp_path):
    path = tmp_path / "mine.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"mine\.csv") as refusal:
        read(path, 45)
    assert "\n" not in str(refusal.value)
