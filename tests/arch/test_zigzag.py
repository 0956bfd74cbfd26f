"""ZigZag gets our designs and layers as they are; where its model differs from ours, the reasons are the known ones."""

from dataclasses import replace
from math import prod

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper

from lib.arch import energy, mapping, technology, topology, zigzag
from lib.arch.cost import DESIGN, layer_costs
from lib.arch.numerics import Numerics
from lib.arch.topology import Layer

TECHNOLOGY = technology.read()
NUMERICS = Numerics()
SQUARE = Layer("square", 10, 10, 3, 3, 16, 16, 1, 1)
LAYERS = [
    Layer("product", 1, 20, 1, 1, 50, 30, 1, 1),
    SQUARE,
    Layer("strided", 17, 17, 3, 3, 4, 8, 2, 1),
    Layer("depthwise", 10, 10, 3, 3, 1, 1, 1, 4),
    Layer("signal", 1, 36, 1, 5, 3, 8, 1, 1),
    Layer("fc", 1, 1, 1, 1, 64, 10, 1, 1),
]
FLOWS = ["os", "ws", "is"]


def design(dataflow, rows=8, cols=4, kb=64):
    return pd.DataFrame([(rows, cols, dataflow, kb, kb, kb, 1.0, 500)], columns=DESIGN)


def own(layer, chosen, batch=1):
    """Our costs, and ZigZag's of our loop order."""
    costs = layer_costs([layer], chosen, TECHNOLOGY, NUMERICS, batch).iloc[0]
    sides = zigzag.spatial(layer, costs, batch)
    fixed = {side: [f"{loop}, {factor}" for loop, factor in over.items()] for side, over in sides.items()}
    (found,) = zigzag.evaluate(
        zigzag.network(layer, NUMERICS, batch),
        zigzag.accelerator(costs, TECHNOLOGY, NUMERICS),
        {"spatial_mapping": fixed, "temporal_ordering": zigzag.own_order(layer, costs, batch)},
    )
    return costs, found


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_multiplications_and_steps_are_ours_but_for_loops_cut_one_by_one(layer, flow):
    for batch in (1, 3):
        costs, found = own(layer, design(flow), batch)
        sides = zigzag.spatial(layer, costs, batch)
        spread = sides["D1"] | sides["D2"]
        expected = prod(-(-size // spread.get(loop, 1)) for loop, size in zigzag.loops(layer, batch).items())
        ours = mapping.ours(costs.to_frame().T)["ours_ideal_cycles"].iloc[0]
        assert found.layer.total_mac_count == costs.macs == batch * layer.macs
        assert found.ideal_temporal_cycle == expected >= ours
        if layer.name in ("product", "square", "fc") and batch == 1:  # sides of one loop, or that divide
            assert expected == ours


@pytest.mark.parametrize("flow", FLOWS)
def test_energy_of_our_loop_order_is_ours_but_for_wide_outputs(flow):
    """Where sums wait in the SRAM, ZigZag writes the last as wide as all others, and reads one before the first."""
    costs, found = own(SQUARE, design(flow))
    surplus_bytes = 0 if flow == "os" else SQUARE.ofmap_words * (2 * 32 - 8) / 8
    pj_per_byte = energy.sram_pj_per_byte(TECHNOLOGY, 64) * energy.voltage(TECHNOLOGY, 500) ** 2
    assert found.energy_total == pytest.approx(costs[mapping.ENERGIES].sum() + surplus_bytes * pj_per_byte, rel=1e-6)


@pytest.mark.parametrize("flow", FLOWS)
def test_zigzag_crosses_the_array_once_a_layer_where_we_do_once_a_fold(flow):
    """What stays is loaded row by row in each fold, by us as part of it, by ZigZag as a stall but for the first row."""
    rows, cols = 8, 4
    costs, found = own(SQUARE, design(flow, rows, cols))
    folds = found.ideal_temporal_cycle / {"os": SQUARE.window, "ws": SQUARE.pixels, "is": SQUARE.filters}[flow]
    loading = 0 if flow == "os" else rows
    crossing = rows + cols - 2
    assert costs.compute_cycles + 1 == found.ideal_temporal_cycle + folds * (loading + crossing)
    assert found.systolic_drain_cycle == crossing
    assert found.stall_slack_comb == (folds - 1) * max(0, loading - 1)


def test_zigzag_waits_for_the_longer_of_two_operands_that_are_loaded_as_a_whole():
    costs, found = own(SQUARE, design("os"))
    bytes_per_cycle = 1000 * costs.dram_gb_per_s / costs.clock_mhz
    assert found.data_onloading_cycle == max(SQUARE.ifmap_words, SQUARE.filter_words) / bytes_per_cycle
    assert costs.ifmap_dram_bytes == SQUARE.ifmap_words and costs.filter_dram_bytes == SQUARE.filter_words


def test_operand_between_half_and_all_of_its_sram_is_fetched_once_by_zigzag_and_in_part_again_by_us():
    layer = Layer("conv", 12, 12, 3, 3, 48, 32, 1, 1)
    chosen = design("ws", 8, 8).assign(ifmap_kb=8, ofmap_kb=8)
    costs, found = own(layer, chosen)
    fetched = {operand.name: pj[-1] / TECHNOLOGY.dram_pj_per_byte for operand, pj in found.mem_energy_breakdown.items()}
    assert 4096 < layer.ifmap_words < 8192
    assert fetched["I"] == pytest.approx(layer.ifmap_words) and fetched["I"] < costs.ifmap_dram_bytes
    assert fetched["W"] == pytest.approx(costs.filter_dram_bytes) and fetched["O"] == pytest.approx(
        costs.ofmap_dram_bytes
    )


def test_the_node_of_the_onnx_file_costs_the_same_but_for_the_padding(tmp_path):
    """Padding is data to us and to SCALE-Sim; ZigZag does not fetch what the ONNX file says is padding."""
    shapes = {"x": [1, 4, 12, 12], "y": [1, 8, 6, 6]}
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items())
    node = helper.make_node("Conv", ["x", "w"], ["y"], "conv", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    weight = numpy_helper.from_array(np.ones((8, 4, 3, 3), np.float32), "w")
    graph = helper.make_graph([node], "graph", [x], [y], [weight])
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    (layer,) = topology.from_onnx(path)
    numerics = Numerics(accumulator_bits=16)  # what ZigZag takes where a node does not say
    target = zigzag.accelerator(design("ws").iloc[0], TECHNOLOGY, numerics)
    order = [["OX", 6], ["OY", 6], ["FX", 3], ["FY", 3], ["K", 2]]
    fixed = {"spatial_mapping": {"D1": ["C, 4"], "D2": ["K, 4"]}, "temporal_ordering": order}
    (ours,) = zigzag.evaluate(zigzag.network(layer, numerics, batch=1), target, fixed)
    (theirs,) = zigzag.evaluate(onnx.load(path), target, fixed)
    padding = layer.ifmap_words - 4 * 12 * 12
    sram = energy.sram_pj_per_byte(TECHNOLOGY, 64) * energy.voltage(TECHNOLOGY, 500) ** 2
    assert ours.latency_total2 - theirs.latency_total2 == padding / 2  # 2 bytes a cycle
    gap = padding * (TECHNOLOGY.dram_pj_per_byte + sram)
    assert ours.energy_total - theirs.energy_total == pytest.approx(gap, rel=1e-3)


def test_search_finds_the_best_order_for_each_objective_and_is_silent(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    layer = Layer("conv", 1, 66, 1, 3, 16, 8, 1, 1)
    layers = [layer, replace(layer, name="again")]
    costs = layer_costs(layers, design("ws", kb=1), TECHNOLOGY, NUMERICS)
    table = mapping.beside(zigzag.search(layers, costs, TECHNOLOGY, NUMERICS), costs, {"conv": 7})
    rows = table[table.layer == "conv"].set_index("objective")
    product = rows.energy_pj * rows.latency_cycles
    assert rows.latency_cycles["latency"] == rows.latency_cycles.min()
    assert rows.energy_pj["energy"] == rows.energy_pj.min()
    assert product["EDP"] == product.min()
    # Partial sums of all pixels leave the small SRAM in our order; a searched one keeps those of some pixels in it.
    assert rows.energy_pj["energy"] < 0.5 * rows.energy_pj[zigzag.OWN_ORDER]
    assert table[table.layer == "again"].loops.tolist() == rows.loops.tolist()
    assert rows.scalesim_cycles.tolist() == [7] * 4
    np.testing.assert_allclose(table[mapping.CYCLES].sum(axis=1), table["latency_cycles"])
    np.testing.assert_allclose(table[mapping.ENERGIES].sum(axis=1), table["energy_pj"])
    assert capfd.readouterr().out == "" and not list(tmp_path.iterdir())


def test_layer_without_a_mapping_keeps_its_reason_and_the_others_their_rows(monkeypatch):
    layers = LAYERS[-2:]
    costs = layer_costs(layers, design("os"), TECHNOLOGY, NUMERICS)
    model = zigzag.network
    monkeypatch.setattr(zigzag, "network", lambda layer, *rest: model(layer, *rest) if layer.name == "fc" else None)
    table = mapping.beside(zigzag.search(layers, costs, TECHNOLOGY, NUMERICS), costs, {})
    failed = table[table.reason != ""]
    assert failed.layer.tolist() == ["signal"] and failed.reason.str.match("ZigZag found no mapping").all()
    assert failed.latency_differs_in.tolist() == [""] and failed.ours_energy_pj.notna().all()
    assert table[table.layer == "fc"].latency_cycles.notna().sum() == 4
