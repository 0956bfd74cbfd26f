"""The memory and cost models keep to what is physical, for any layer and design."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.arch import space, technology
from lib.arch.cost import COMPONENTS, DESIGN, layer_costs, network_costs
from lib.arch.numerics import INT8, Numerics
from lib.arch.systolic import evaluate
from lib.arch.topology import Layer
from lib.errors import InputError

NODE_45 = technology.read(Path(technology.__file__).with_name("technology.csv"), 45)
BUFFERS = ["ifmap_kb", "filter_kb", "ofmap_kb"]
DRAM = ["ifmap_dram_bytes", "filter_dram_bytes", "ofmap_dram_bytes"]
NETWORK = [
    Layer("conv1", 34, 34, 3, 3, 3, 32, 1, 1),
    Layer("depthwise", 18, 18, 3, 3, 1, 1, 1, 32),
    Layer("strided", 17, 17, 3, 3, 16, 32, 2, 1),
    Layer("conv1d", 1, 128, 1, 7, 8, 16, 1, 1),
    Layer("fc", 1, 1, 1, 1, 128, 10, 1, 1),
]


@st.composite
def layers(draw):
    filter_h, filter_w = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    ifmap_h, ifmap_w = filter_h + draw(st.integers(0, 40)), filter_w + draw(st.integers(0, 40))
    channels, filters = draw(st.integers(1, 100)), draw(st.integers(1, 100))
    stride, groups = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    return Layer("any", ifmap_h, ifmap_w, filter_h, filter_w, channels, filters, stride, groups)


@st.composite
def designs(draw):
    size, kb = st.integers(1, 40), st.integers(8, 200)
    values = [draw(size), draw(size), draw(st.sampled_from(["os", "ws", "is"])), *(draw(kb) for _ in BUFFERS)]
    return pd.DataFrame([[*values, draw(st.floats(0.01, 50)), 500.0]], columns=DESIGN)


numerics = st.builds(Numerics, st.integers(2, 8), st.integers(2, 8), st.integers(12, 32))
universal = settings(max_examples=40, deadline=None, derandomize=True)


def costs(layer, design, numbers=INT8):
    return layer_costs([layer], design, NODE_45, numbers).iloc[0]


def before_and_after(layer, design, **changes):
    """Costs of the design, and of the design with some parameters changed."""
    table = layer_costs([layer], pd.concat([design, design.assign(**changes)], ignore_index=True), NODE_45)
    return table.iloc[0], table.iloc[1]


@universal
@given(layers(), designs(), numerics)
def test_dram_traffic_is_at_least_compulsory_and_at_most_what_the_array_reads(layer, design, numbers):
    cost = costs(layer, design, numbers)
    assert cost.ifmap_dram_bytes >= layer.ifmap_words * numbers.activation_bits / 8
    assert cost.filter_dram_bytes >= layer.filter_words * numbers.weight_bits / 8
    assert cost.ofmap_dram_bytes >= layer.ofmap_words * numbers.activation_bits / 8
    # Each group's bytes are rounded up.
    assert cost.ifmap_dram_bytes <= cost.ifmap_sram_reads * numbers.activation_bits / 8 + layer.groups
    assert cost.filter_dram_bytes <= cost.filter_sram_reads * numbers.weight_bits / 8 + layer.groups


@universal
@given(layers(), designs(), st.sampled_from(BUFFERS), st.integers(1, 100))
def test_a_larger_buffer_never_costs_traffic_or_cycles(layer, design, buffer, more):
    small, large = before_and_after(layer, design, **{buffer: design[buffer] + more})
    assert sum(large[DRAM]) <= sum(small[DRAM])
    assert large.cycles <= small.cycles


@universal
@given(layers(), designs(), st.floats(1, 20))
def test_more_bandwidth_never_costs_cycles(layer, design, factor):
    slow, fast = before_and_after(layer, design, dram_gb_per_s=design.dram_gb_per_s * factor)
    assert fast.cycles <= slow.cycles
    assert sum(fast[DRAM]) == sum(slow[DRAM])


@universal
@given(layers(), designs())
def test_without_limit_of_bandwidth_the_array_never_waits(layer, design):
    cost = costs(layer, design.assign(dram_gb_per_s=np.inf))
    exact = evaluate([layer], design["rows"][0], design["cols"][0], design["dataflow"][0]).iloc[0]
    assert cost.stall_cycles == 0 and cost.bound == "compute"
    for column in ("compute_cycles", "utilization", "ifmap_sram_reads", "filter_sram_reads", "ofmap_sram_writes"):
        assert cost[column] == exact[column]


@universal
@given(layers(), designs(), numerics)
def test_energy_is_the_sum_of_its_components(layer, design, numbers):
    cost = costs(layer, design, numbers)
    assert cost.energy_pj == pytest.approx(sum(cost[f"energy_{name}_pj"] for name in COMPONENTS))
    assert all(cost[f"energy_{name}_pj"] > 0 for name in COMPONENTS)


@universal
@given(layers(), designs(), st.sampled_from(["activation_bits", "weight_bits", "accumulator_bits"]))
def test_narrower_numbers_never_cost_more(layer, design, width):
    narrow = replace(INT8, **{width: getattr(INT8, width) // 2})
    lean, full = costs(layer, design, narrow), costs(layer, design)
    assert lean.energy_pj < full.energy_pj and lean.cycles <= full.cycles and sum(lean[DRAM]) <= sum(full[DRAM])


def test_network_costs_are_sums_of_layer_costs():
    names = [8, 16], [4, 32], ["os", "ws", "is"], [8, 64], [8, 64], [8], [0.5, 4.0], [200.0]
    designs = pd.DataFrame(product(*names), columns=DESIGN).sample(frac=1, random_state=1)
    network = network_costs(NETWORK, designs, NODE_45)
    layerwise = layer_costs(NETWORK, designs, NODE_45)
    assert network.index.equals(designs.index) and (network[DESIGN] == designs[DESIGN]).all(axis=None)
    sums = layerwise.groupby(np.repeat(np.arange(len(designs)), len(NETWORK)))
    assert network.cycles.tolist() == sums.cycles.sum().tolist()
    assert network.latency_ms.tolist() == pytest.approx(sums.latency_ms.sum().tolist())
    assert network.energy_uj.tolist() == pytest.approx((sums.energy_pj.sum() / 1e6).tolist())
    assert (network.area_mm2 == network.area_array_mm2 + network.area_sram_mm2).all()


def test_blocks_leave_no_trace(monkeypatch):
    axes = {name: [8, 16, 64] for name in DESIGN} | {"dataflows": ["is", "os"]}
    designs = space.grid(axes).sample(300, random_state=2)
    whole = space.evaluate(NETWORK, designs, NODE_45)
    monkeypatch.setattr(space, "CELLS", 7)
    pd.testing.assert_frame_equal(space.evaluate(NETWORK, designs, NODE_45), whole)


def test_batch_shares_the_weights():
    design = pd.DataFrame([[16, 16, "ws", 64, 64, 64, 1.0, 500.0]], columns=DESIGN)
    one, four = (layer_costs(NETWORK, design, NODE_45, batch=batch) for batch in (1, 4))
    assert (four.macs == 4 * one.macs).all()
    assert (four.filter_dram_bytes == one.filter_dram_bytes).all()
    assert (four.ofmap_dram_bytes >= 4 * one.ofmap_dram_bytes).all()


def test_a_design_too_small_for_one_fold_says_why_and_leaves_the_others_alone():
    rows = [[128, 128, "ws", 64, 8, 64, 1.0, 500.0], [8, 8, "ws", 64, 8, 64, 1.0, 500.0]]
    designs = pd.DataFrame(rows, columns=DESIGN)
    fc = Layer("fc", 1, 1, 1, 1, 256, 256, 1, 1)
    network = network_costs([NETWORK[0], fc], designs, NODE_45)
    assert network.reason.tolist() == ["filter buffer of 8 kB: one fold of fc needs 32,768 bytes", ""]
    assert np.isnan(network.energy_uj[0]) and network.energy_uj[1] > 0
    layerwise = layer_costs([NETWORK[0], fc], designs, NODE_45)
    assert layerwise.reason.ne("").tolist() == [False, True, False, False]
    assert layerwise.energy_pj.isna().tolist() == [False, True, False, False]
    assert layerwise.bound.tolist()[1] == ""


@pytest.mark.parametrize(
    ("parameter", "value"), [("dram_gb_per_s", 0), ("clock_mhz", -1), ("rows", 0), ("ifmap_kb", 0)]
)
def test_a_design_without_array_memory_bandwidth_or_clock_is_refused(parameter, value):
    design = pd.DataFrame([[16, 16, "ws", 64, 64, 64, 1.0, 500.0]], columns=DESIGN).assign(**{parameter: value})
    for costs_of in (layer_costs, network_costs):
        with pytest.raises(InputError, match=f"{parameter} = {value}: a positive number is needed"):
            costs_of(NETWORK, design, NODE_45)


def test_default_buffers_and_bandwidth_bind_somewhere():
    rows = [[32, 32, "ws", 8, 8, 8, 0.05, 500.0], [8, 8, "ws", 128, 128, 128, 50.0, 500.0]]
    designs = pd.DataFrame(rows, columns=DESIGN)
    bounds = layer_costs(NETWORK, designs, NODE_45).bound
    assert set(bounds) > {"compute"}
