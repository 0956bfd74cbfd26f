"""The closed form equals SCALE-Sim, which runs here in process."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.arch import scalesim
from lib.arch.design import Design
from lib.arch.designspace import confirm
from lib.arch.systolic import evaluate
from lib.arch.topology import Layer
from lib.errors import InputError


@st.composite
def layers(draw):
    """Layers that SCALE-Sim simulates in milliseconds, with remainders of the stride, 1D, 1x1 and groups among them."""
    filter_h, filter_w = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    ifmap_h, ifmap_w = filter_h + draw(st.integers(0, 6)), filter_w + draw(st.integers(0, 6))
    channels, filters, stride, groups = (draw(st.integers(1, high)) for high in (8, 20, 3, 3))
    return Layer("layer", ifmap_h, ifmap_w, filter_h, filter_w, channels, filters, stride, groups)


designs = st.builds(
    Design, st.integers(1, 12), st.integers(1, 12), st.sampled_from(["os", "ws", "is"]), st.sampled_from([1, 2, 16])
).filter(lambda design: (design.rows, design.cols) != (1, 1))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(layers(), min_size=1, max_size=3), designs)
def test_closed_form_equals_scalesim(tmp_path_factory, network, design):
    folder = tmp_path_factory.mktemp("reports")
    scalesim.run(network, design, folder)
    simulated = scalesim.read_reports(folder, network)
    predicted = evaluate(network, design.rows, design.cols, design.dataflow)

    confirm(network, design, simulated, predicted)
    assert (simulated["stall_cycles"] == 0).all()
    assert predicted["mapping_efficiency"].tolist() == pytest.approx(simulated["mapping_efficiency"].tolist())
    ungrouped = [layer.groups == 1 for layer in network]
    assert predicted["utilization"][ungrouped].tolist() == pytest.approx(simulated["utilization"][ungrouped].tolist())


@pytest.mark.parametrize("dataflow", ["os", "ws", "is"])
def test_groups_multiply_folds(dataflow):
    one = evaluate([Layer("conv", 9, 9, 3, 3, 1, 1, 1, 1)], 8, 8, dataflow).iloc[0]
    many = evaluate([Layer("conv", 9, 9, 3, 3, 1, 1, 1, 32)], 8, 8, dataflow).iloc[0]
    assert many.compute_cycles + 1 == 32 * (one.compute_cycles + 1)
    assert many.filter_sram_reads == 32 * one.filter_sram_reads
    assert many.mapping_efficiency == one.mapping_efficiency


@settings(deadline=None, derandomize=True)
@given(st.lists(layers(), min_size=1, max_size=8), st.integers(1, 300), st.integers(1, 300))
def test_shares_are_shares(network, rows, cols):
    for dataflow in ("os", "ws", "is"):
        table = evaluate(network, rows, cols, dataflow)
        for column in ("utilization", "mapping_efficiency"):
            assert table[column].between(0, 1).all() and (table[column] > 0).all()


@pytest.mark.parametrize(("rows", "cols", "dataflow"), [(0, 8, "ws"), (8, 0, "ws"), (8, 8, "rs")])
def test_impossible_array_is_refused(rows, cols, dataflow):
    with pytest.raises(InputError):
        evaluate([Layer("fc", 1, 1, 1, 1, 8, 8, 1, 1)], rows, cols, dataflow)


@pytest.mark.parametrize("name", ["16x16_ws", "0x16_ws_16kb", "16x16_rs_16kb", "16x16_ws_0kb"])
def test_malformed_design_name_is_refused(name):
    with pytest.raises(InputError, match=name):
        Design.parse(name)
