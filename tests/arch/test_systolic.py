"""The closed form equals SCALE-Sim, which runs here in process."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lib.arch import scalesim
from lib.arch.agreement import confirm
from lib.arch.design import Design
from lib.arch.systolic import count, evaluate, work
from lib.arch.topology import Layer
from lib.errors import InputError

COUNTS = ["compute_cycles", "ifmap_sram_reads", "filter_sram_reads", "ofmap_sram_writes"]


@st.composite
def convolutions(draw):
    """With remainders of the stride, groups, and 1x1 filters among them."""
    filter_h, filter_w = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    ifmap_h, ifmap_w = filter_h + draw(st.integers(0, 6)), filter_w + draw(st.integers(0, 6))
    channels, filters, stride, groups = (draw(st.integers(1, high)) for high in (8, 20, 3, 3))
    return Layer("convolution", ifmap_h, ifmap_w, filter_h, filter_w, channels, filters, stride, groups)


@st.composite
def signals(draw):
    """1D convolutions."""
    taps, channels, filters, stride = (draw(st.integers(1, high)) for high in (9, 6, 12, 4))
    return Layer("signal", 1, taps + draw(st.integers(0, 40)), 1, taps, channels, filters, stride, 1)


def depthwise(size, taps, stride, channels):
    return Layer("depthwise", size + taps, size + taps, taps, taps, 1, 1, stride, channels)


def dense(inputs, outputs):
    return Layer("dense", 1, 1, 1, 1, inputs, outputs, 1, 1)


# Layers that SCALE-Sim simulates in milliseconds.
layers = st.one_of(
    convolutions(),
    signals(),
    st.builds(depthwise, st.integers(0, 8), st.integers(1, 3), st.integers(1, 3), st.integers(1, 16)),
    st.builds(dense, st.integers(1, 100), st.integers(1, 40)),
)
kb = st.sampled_from([1, 2, 16])
designs = st.builds(Design, st.integers(1, 12), st.integers(1, 12), st.sampled_from(["os", "ws", "is"]), kb, kb, kb)


def simulated(network, design):
    """SCALE-Sim's reports; layers that take it a single cycle are left out, as it divides by that cycle's number."""
    alone = evaluate([replace(layer, groups=1) for layer in network], design.rows, design.cols, design.dataflow)
    assume((alone["compute_cycles"] > 0).all())
    return scalesim.simulate(network, design)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(layers, min_size=1, max_size=3), designs)
def test_closed_form_equals_scalesim(network, design):
    reports = simulated(network, design)
    confirm(network, design, reports)
    assert (reports["stall_cycles"] == 0).all()
    # SCALE-Sim's shares are those of one group, and divided by one cycle too few.
    ones = evaluate([replace(layer, groups=1) for layer in network], design.rows, design.cols, design.dataflow)
    assert ones["utilization"].tolist() == pytest.approx(reports["utilization"].clip(upper=1).tolist())
    assert ones["mapping_efficiency"].tolist() == pytest.approx(reports["mapping_efficiency"].tolist())


@settings(max_examples=20, deadline=None, derandomize=True)
@given(layers, designs, st.integers(2, 4))
def test_batch_equals_scalesim_on_as_many_times_the_pixels(layer, design, batch):
    gathered = Layer("gathered", batch * layer.pixels, 1, 1, 1, layer.window, layer.filters, 1, layer.groups)
    reports = simulated([gathered], design)
    confirm([gathered], design, reports)
    table = evaluate([layer], design.rows, design.cols, design.dataflow, batch)
    assert table[COUNTS].equals(evaluate([gathered], design.rows, design.cols, design.dataflow)[COUNTS])
    assert table["compute_cycles"].tolist() == reports["scalesim_cycles"].tolist()


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(layers, min_size=1, max_size=5), st.lists(designs, min_size=1, max_size=5), st.integers(1, 3))
def test_many_arrays_at_once_equal_each_alone(network, arrays, batch):
    rows, cols = (np.array([[getattr(design, name)] for design in arrays]) for name in ("rows", "cols"))
    for dataflow in ("os", "ws", "is"):
        together = count(work(network, batch), rows, cols, dataflow)
        for index, design in enumerate(arrays):
            alone = evaluate(network, design.rows, design.cols, dataflow, batch)
            for name, values in together._asdict().items():
                shape = len(arrays), len(network)
                assert np.broadcast_to(values, shape)[index].tolist() == alone[name].tolist()


@pytest.mark.parametrize("dataflow", ["os", "ws", "is"])
def test_groups_multiply_folds(dataflow):
    one = evaluate([Layer("conv", 9, 9, 3, 3, 1, 1, 1, 1)], 8, 8, dataflow).iloc[0]
    many = evaluate([Layer("conv", 9, 9, 3, 3, 1, 1, 1, 32)], 8, 8, dataflow).iloc[0]
    assert many.compute_cycles + 1 == 32 * (one.compute_cycles + 1)
    assert many.filter_sram_reads == 32 * one.filter_sram_reads
    assert many.mapping_efficiency == one.mapping_efficiency


@pytest.mark.parametrize("dataflow", ["os", "ws", "is"])
def test_batch_shares_the_weights(dataflow):
    layer = Layer("conv", 9, 9, 3, 3, 4, 8, 1, 1)
    one, four = (evaluate([layer], 8, 8, dataflow, batch).iloc[0] for batch in (1, 4))
    assert four.ifmap_sram_reads == 4 * one.ifmap_sram_reads
    assert four.compute_cycles < 4 * (one.compute_cycles + 1)
    if dataflow == "ws":
        assert four.filter_sram_reads == one.filter_sram_reads


@settings(deadline=None, derandomize=True)
@given(st.lists(layers, min_size=1, max_size=8), st.integers(1, 300), st.integers(1, 300), st.integers(1, 16))
def test_shares_are_shares(network, rows, cols, batch):
    for dataflow in ("os", "ws", "is"):
        table = evaluate(network, rows, cols, dataflow, batch)
        for column in ("utilization", "mapping_efficiency"):
            assert table[column].between(0, 1).all() and (table[column] > 0).all()


@pytest.mark.parametrize(("rows", "cols", "dataflow"), [(0, 8, "ws"), (8, 0, "ws"), (8, 8, "rs")])
def test_impossible_array_is_refused(rows, cols, dataflow):
    with pytest.raises(InputError):
        evaluate([Layer("fc", 1, 1, 1, 1, 8, 8, 1, 1)], rows, cols, dataflow)


@pytest.mark.parametrize("name", ["16x16_ws", "0x16_ws_16kb", "16x16_rs_16kb", "16x16_ws_0kb", "16x16_ws_8-8kb"])
def test_malformed_design_name_is_refused(name):
    with pytest.raises(InputError, match=name):
        Design.parse(name)
