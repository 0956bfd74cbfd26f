"""Reports, roofline and energy: damaged reports are named, traffic and time keep to what is physical."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from lib.arch import energy, scalesim
from lib.arch.design import Design
from lib.arch.designspace import design_table
from lib.arch.energy import read_table
from lib.arch.topology import Layer
from lib.errors import InputError

LAYERS = [
    Layer("conv1", 10, 10, 3, 3, 8, 16, 1, 1),
    Layer("depthwise", 10, 10, 3, 3, 1, 1, 1, 16),
    Layer("conv2", 15, 15, 1, 1, 40, 16, 2, 1),
    Layer("fc", 1, 1, 1, 1, 64, 10, 1, 1),
]
DESIGNS = [Design.parse(f"8x4_{dataflow}_{sram}kb") for dataflow in ("os", "ws", "is") for sram in (1, 64)]
ENERGY_TABLE = Path(energy.__file__).with_name("energy.csv")
ENERGIES = read_table(ENERGY_TABLE)


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("name with spaces")
    for design in DESIGNS:
        scalesim.run(LAYERS, design, folder / design.name)
    return folder


def table(reports, design, clock_mhz=500.0, dram_gb_per_s=1.0):
    simulated = scalesim.read_reports(reports / design.name, LAYERS)
    return design_table(LAYERS, design, simulated, clock_mhz, dram_gb_per_s, ENERGIES)


def test_run_leaves_the_reports_alone(reports):
    found = sorted(path.name for path in (reports / DESIGNS[0].name).iterdir())
    assert found == sorted(scalesim.REPORTS)


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.name)
def test_dram_traffic_is_at_least_compulsory(reports, design):
    rows = table(reports, design)
    assert (rows["ifmap_dram_bytes"] >= [layer.ifmap_words for layer in LAYERS]).all()
    assert (rows["filter_dram_bytes"] >= [layer.filter_words for layer in LAYERS]).all()
    assert (rows["ofmap_dram_bytes"] >= [layer.ofmap_words for layer in LAYERS]).all()


def test_large_buffers_fetch_every_word_once(reports):
    for design in DESIGNS:
        if design.sram_kb == 64:
            rows = table(reports, design)
            assert rows["ifmap_dram_bytes"].tolist() == [layer.ifmap_words for layer in LAYERS]
            assert rows["filter_dram_bytes"].tolist() == [layer.filter_words for layer in LAYERS]
            assert rows["ofmap_dram_bytes"].tolist() == [layer.ofmap_words for layer in LAYERS]


def test_partial_sums_spill_where_the_buffer_is_small(reports):
    small, large = (table(reports, Design.parse(f"8x4_ws_{sram}kb")) for sram in (1, 64))
    assert small["ofmap_dram_bytes"][0] > large["ofmap_dram_bytes"][0]
    assert small["ofmap_dram_bytes"][3] == large["ofmap_dram_bytes"][3]  # one row of partial sums fits anywhere


def test_more_bandwidth_is_never_slower_and_changes_no_traffic(reports):
    slow, fast = (table(reports, DESIGNS[1], dram_gb_per_s=bandwidth) for bandwidth in (0.1, 10.0))
    assert (fast["memory_ms"] < slow["memory_ms"]).all()
    assert (fast["compute_ms"] == slow["compute_ms"]).all()
    assert (fast["energy_pj"] == slow["energy_pj"]).all()
    assert set(slow["bound"]) == {"memory"}


def test_bound_is_the_longer_time(reports):
    for design in DESIGNS:
        rows = table(reports, design)
        assert ((rows["bound"] == "memory") == (rows["memory_ms"] > rows["compute_ms"])).all()


def test_energy_is_the_sum_of_its_components(reports):
    rows = table(reports, DESIGNS[2])
    parts = rows[["energy_mac_pj", "energy_sram_pj", "energy_dram_pj"]]
    assert (parts > 0).all(axis=None)
    assert rows["energy_pj"].tolist() == pytest.approx(parts.sum(axis=1).tolist())
    assert rows["energy_mac_pj"].tolist() == pytest.approx([0.3 * layer.macs for layer in LAYERS])


def test_difference_from_scalesim_names_design_layer_and_quantity(reports):
    design = DESIGNS[0]
    simulated = scalesim.read_reports(reports / design.name, LAYERS)
    simulated.loc[2, "scalesim_cycles"] += 1
    with pytest.raises(InputError, match=rf"{design.name}, layer conv2: scalesim_cycles"):
        design_table(LAYERS, design, simulated, 500, 1, ENERGIES)


@pytest.mark.parametrize("name", scalesim.REPORTS)
@pytest.mark.parametrize("damage", ["missing", "empty", "cut in a number", "cut after a line", "letters"])
def test_damaged_report_is_named(name, damage, reports, tmp_path):
    folder = shutil.copytree(reports / DESIGNS[0].name, tmp_path / "reports")
    report = folder / name
    text = report.read_text()
    if damage == "missing":
        report.unlink()
    elif damage == "empty":
        report.write_text("")
    elif damage == "cut in a number":
        report.write_text(text[:-4])
    elif damage == "cut after a line":
        report.write_text("".join(text.splitlines(keepends=True)[:-1]))
    else:
        report.write_text(text.replace("0", "x"))
    with pytest.raises(InputError, match=name):
        scalesim.read_reports(folder, LAYERS)


def test_scalesim_that_stops_gives_its_reason_and_no_report(tmp_path):
    # A single multiply-accumulate on a single PE ends in cycle 0, by which SCALE-Sim divides.
    with pytest.raises(InputError, match=r"1x1_os_1kb: SCALE-Sim stopped \(ZeroDivisionError"):
        scalesim.run([Layer("one", 1, 1, 1, 1, 1, 1, 1, 1)], Design.parse("1x1_os_1kb"), tmp_path / "reports")
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize("damage", ["component", "row", "value"])
def test_damaged_energy_table_is_named(damage, tmp_path):
    rows = pd.read_csv(ENERGY_TABLE)
    if damage == "component":
        rows = rows.drop(columns="component")
    elif damage == "row":
        rows = rows[rows["component"] != "dram"]
    else:
        rows["energy_pj"] = 0
    rows.to_csv(tmp_path / "energy.csv", index=False)
    with pytest.raises(InputError, match=r"energy\.csv"):
        read_table(tmp_path / "energy.csv")
