"""SCALE-Sim's reports beside ours: equal layer by layer, differences named, failed designs kept with their reason."""

import pytest

from lib.arch import scalesim, technology
from lib.arch.agreement import agreement, confirm, simulated_table
from lib.arch.cost import DESIGN, layer_costs
from lib.arch.design import Design
from lib.arch.topology import Layer
from lib.errors import InputError

LAYERS = [
    Layer("conv1", 8, 8, 3, 3, 4, 8, 1, 1),
    Layer("depthwise", 6, 6, 3, 3, 1, 1, 1, 16),
    Layer("conv2", 9, 9, 1, 1, 20, 8, 2, 1),
    Layer("fc", 1, 1, 1, 1, 64, 10, 1, 1),
]
DESIGNS = [Design.parse(f"8x4_{dataflow}_{kb}kb") for dataflow in ("os", "ws", "is") for kb in ("1-2-8", "64")]
FAILED = {Design.parse("8x1200_ws_1kb"): "no result from SCALE-Sim after 600 s"}
OPERATION = {"clock_mhz": 500.0, "dram_gb_per_s": 1.0}
FIGURES = technology.read()
COUNTS = [f"{name}_differing" for name in ("cycles", "ifmap_sram_reads", "filter_sram_reads", "ofmap_sram_writes")]


@pytest.fixture(scope="module")
def simulated():
    return {design: scalesim.simulate(LAYERS, design) for design in DESIGNS}


def agree(simulated, failed=None):
    return agreement(LAYERS, simulated, failed or {}, OPERATION, FIGURES).set_index("design")


def test_no_layer_differs_from_the_closed_form(simulated):
    for design, reports in simulated.items():
        confirm(LAYERS, design, reports)
    table = agree(simulated)
    assert table.index.tolist() == [design.name for design in DESIGNS]
    assert (table[COUNTS] == 0).all(axis=None) and (table["layers"] == len(LAYERS)).all()


def test_buffers_that_hold_everything_read_from_dram_as_scalesim_does(simulated):
    ratios = agree(simulated)["dram_read_ratio"]
    assert (ratios[ratios.index.str.endswith("_64kb")] == 1).all()


@pytest.mark.parametrize(
    ("column", "by", "quantity"),
    [
        ("scalesim_cycles", 1, "scalesim_cycles"),
        ("filter_sram_reads", -1, "filter_sram_reads"),
        ("ofmap_sram_writes", 1, "ofmap_sram_writes"),
        ("ifmap_dram_reads", 10**6, "ifmap words from DRAM"),
        ("filter_dram_reads", -640, "filter words from DRAM"),
    ],
)
def test_difference_names_design_layer_and_quantity(simulated, column, by, quantity):
    design = DESIGNS[0]
    reports = simulated[design].copy()
    reports.loc[2, column] += by
    with pytest.raises(InputError, match=rf"{design.name}, layer conv2: .*{quantity}"):
        confirm(LAYERS, design, reports)


def test_differing_layers_are_counted(simulated):
    reports = simulated[DESIGNS[0]].copy()
    reports.loc[[1, 2], "scalesim_cycles"] += 1
    reports.loc[3, "ifmap_sram_reads"] += 1
    assert agree({DESIGNS[0]: reports})[COUNTS].iloc[0].tolist() == [2, 1, 0, 0]


def test_table_has_our_costs_and_scalesims_numbers_of_every_layer(simulated):
    table = simulated_table(LAYERS, simulated, {}, OPERATION, FIGURES)
    assert len(table) == len(LAYERS) * len(DESIGNS)
    assert (table["scalesim_cycles"] == table["compute_cycles"]).all()
    part = table[table["design"] == DESIGNS[1].name].reset_index(drop=True)
    ours = layer_costs(LAYERS, part[DESIGN].head(1), FIGURES)
    assert part[ours.columns].equals(ours)
    theirs = simulated[DESIGNS[1]]
    assert part["scalesim_filter_dram_bytes"].tolist() == theirs["filter_dram_reads"].tolist()


def test_failed_design_has_one_row_and_the_others_are_kept(simulated):
    table = simulated_table(LAYERS, simulated, FAILED, OPERATION, FIGURES)
    (failed,) = table[table["design"] == "8x1200_ws_1kb"].to_dict("records")
    assert failed["reason"] == "no result from SCALE-Sim after 600 s"
    assert (failed["rows"], failed["cols"], failed["dataflow"]) == (8, 1200, "ws")
    assert len(table) == len(LAYERS) * len(DESIGNS) + 1
    compared = agree(simulated, FAILED)
    assert compared["reason"].tolist() == [""] * len(DESIGNS) + list(FAILED.values())
    assert compared["layers"].tolist() == [len(LAYERS)] * len(DESIGNS) + [0]


def test_tables_of_nothing_but_failures():
    assert simulated_table(LAYERS, {}, FAILED, OPERATION, FIGURES)["reason"].tolist() == list(FAILED.values())
    assert agree({}, FAILED)["reason"].tolist() == list(FAILED.values())


def test_design_that_our_memory_model_refuses_is_compared_but_for_dram():
    design = Design.parse("64x64_ws_1kb")
    table = agree({design: scalesim.simulate(LAYERS, design)})
    assert table["dram_read_ratio"].isna().all() and (table[COUNTS] == 0).all(axis=None)
