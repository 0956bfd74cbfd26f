"""The proof by breakpoints says what trying every accumulator would say."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.fixedpoint import IntegerModel
from lib.fixedpoint.breakpoints import Sums, accumulators, breakpoints, difference, proof
from lib.fixedpoint.requantization import accuracies, fixed_point_modes, over_channels
from lib.fixedpoint.rescale import INT32_MAX, INT32_MIN, requantizer

quick = settings(max_examples=60, deadline=None, derandomize=True, database=None)
modes = st.sampled_from(fixed_point_modes([31, 15, 8, 4]))
zero_points = st.sampled_from([np.int8(-128), np.int8(0), np.uint8(0), np.uint8(131), np.uint8(255)])


@st.composite
def sums(draw):
    """Accumulators of two channels, few enough to try all."""
    exponents = st.floats(-14, 2) | st.integers(-14, 2).map(float)
    multiplier = np.float32([2.0 ** draw(exponents) for _ in range(2)])
    low = np.array([draw(st.integers(-3000, 3000) | st.sampled_from([INT32_MIN])) for _ in range(2)])
    return Sums("layer", multiplier, low, low + [draw(st.integers(0, 6000)) for _ in range(2)], draw(zero_points))


def results(mode, case, channel) -> tuple[np.ndarray, np.ndarray]:
    """Every reachable accumulator of a channel, and what the mode makes of it."""
    every = np.arange(case.low[channel], case.high[channel] + 1)
    both = np.repeat(every[:, None], 2, axis=1).astype(np.int32)
    return every, requantizer(mode, case.multiplier)(both, case.zero_point)[:, channel].astype(int)


@quick
@given(sums(), modes | st.just("float32"))
def test_breakpoints_are_the_first_accumulators_that_reach_each_value(case, mode):
    found = breakpoints(requantizer(mode, case.multiplier), case)
    values = np.arange(np.iinfo(case.zero_point.dtype).min + 1, np.iinfo(case.zero_point.dtype).max + 1)
    for channel in range(2):
        every, result = results(mode, case, channel)
        expected = every[0] + np.searchsorted(result, values)
        assert np.array_equal(found[:, channel], expected)


@quick
@given(sums(), modes)
def test_differences_are_those_of_trying_every_accumulator(case, mode):
    theirs, ours = (requantizer(name, case.multiplier) for name in ("float32", mode))
    found = difference(theirs, breakpoints(theirs, case), ours, case)
    for channel in range(2):
        every, expected = results("float32", case, channel)
        steps = np.abs(results(mode, case, channel)[1] - expected)
        assert found.values[channel] == np.count_nonzero(steps)
        assert found.steps[channel] == steps.max()
        if steps.any():
            assert found.first[channel] == every[np.flatnonzero(steps)[0]]


def test_all_of_int32_is_searched():
    case = Sums("layer", np.float32([2.0**-24]), np.array([INT32_MIN]), np.array([INT32_MAX]), np.int8(0))
    found = dict(zip(range(-127, 128), breakpoints(requantizer("float32", case.multiplier), case)[:, 0], strict=True))
    # Half a step stays 0, the even neighbour; beyond 24 bits float32(A) is itself rounded, to the nearest 2 or 128.
    assert (found[1], found[2], found[127]) == (2**23 + 1, 3 * 2**23 - 1, 253 * 2**23 + 65)


@pytest.fixture
def matmul(one_node):
    """A quantized product of three inputs with four filters, one of them without weights, and inputs for it."""
    weight = np.int8([[3, -90, 0, 1], [-4, 127, 0, 2], [5, 11, 0, -3]])
    scale = np.float32([0.04, 0.003, 0.01, 0.25])
    x = np.random.default_rng(0).integers(0, 256, (200, 3), dtype=np.uint8)
    inputs = [None, np.float32(0.5), np.uint8(9), weight, scale, np.zeros(4, np.int8), np.float32(0.25), np.uint8(100)]
    _, path = one_node("QLinearMatMul", {"x": x}, inputs, np.uint8, domain="")
    return IntegerModel.from_onnx(path), x


def test_the_proof_covers_the_reachable_accumulators_of_every_channel(matmul):
    model, x = matmul
    table = pd.DataFrame(proof(model, ["fixed31", "fixed4"], x[:1]))
    rows = table[table["mode"] == "fixed4"]
    # Inputs less their zero point are -9 … 246.
    assert rows.reachable.tolist() == [255 * 12 + 1, 255 * 228 + 1, 1, 255 * 6 + 1]
    assert (table.differing == 0).equals(table.max_steps == 0) and (rows.differing[:2] > 0).all()
    # The third has no weights. The fourth has M = 1/2: of the results 0 … 255 every second one ends in a tie that half
    # up and half to even take apart, the first 1 instead of 0.
    assert rows.differing.tolist()[2:] == [0, 128] and rows.max_steps.tolist()[2:] == [0, 1]
    assert np.isnan(rows.first_differing.iloc[2]) and rows.first_differing.iloc[3] == 2 * (0 - 100) + 1


def test_what_is_proved_equal_is_equal_and_what_differs_differs_as_said(matmul):
    model, x = matmul
    theirs = model.layers[0].run
    sums = theirs.accumulate(x)
    for mode in fixed_point_modes([31, 16, 8, 4]):
        ours = model.requantized(mode).run({"x": x})["y"].astype(int)
        steps = np.abs(ours - model.run({"x": x})["y"])
        for row in proof(model, [mode], x[:1]):
            seen = steps[:, row["channel"]]
            assert seen.max() <= row["max_steps"]
            assert not seen.any() or sums[seen > 0, row["channel"]].min() >= row["first_differing"]


def test_a_global_pool_counts_its_pixels(one_node):
    x = np.zeros((1, 5, 4, 3), np.int8)
    inputs = [None, np.float32(0.6), np.int8(-100), np.float32(0.1), np.int8(0)]
    _, path = one_node("QLinearGlobalAveragePool", {"x": x}, inputs, np.int8, channels_last=0)
    (pool,) = accumulators(IntegerModel.from_onnx(path), x)
    assert (pool.low.tolist(), pool.high.tolist()) == ([-28 * 12], [227 * 12])
    assert pool.multiplier == np.float32(0.6) / (np.float32(0.1) * np.float32(12)) and pool.zero_point == 0


def test_channels_are_summed_up_and_the_first_case_is_kept():
    columns = ["layer", "mode", "multiplier_bits", "channel", "reachable", "differing", "first_differing", "max_steps"]
    rows = [
        ("conv1", "fixed8", 8, 0, 100, 0, None, 0),
        ("conv1", "fixed8", 8, 1, 100, 3, -7, 1),
        ("conv1", "fixed8", 8, 2, 100, 4, -9, 2),
        ("conv1", "fixed9", 9, 0, 100, 0, None, 0),
    ]
    eight, nine = over_channels(pd.DataFrame(rows, columns=columns)).to_dict("records")
    assert (eight["channels"], eight["reachable"], eight["differing"], eight["channels_differing"]) == (3, 300, 7, 2)
    assert (eight["max_steps"], eight["first_channel"], eight["first_differing"]) == (2, 1, -7)
    assert nine["mode"] == "fixed9" and nine["channels_differing"] == 0 and pd.isna(nine["first_differing"])


def test_accuracy_is_measured_per_mode_and_taken_over_where_equality_is_proved(matmul):
    model, x = matmul
    labels = model.run({"x": x})["y"].argmax(1)
    modes = ["fixed31", "fixed4", "power_of_two"]
    rows = {row["mode"]: row for row in accuracies(model, modes, {"fixed31"}, x, labels)}
    assert list(rows) == ["float32", *modes] and rows["float32"]["accuracy"] == rows["fixed31"]["accuracy"] == 1
    assert [row["proved_equal"] for row in rows.values()] == [True, True, False, False]
    different = model.requantized("fixed4").run({"x": x})["y"]
    assert rows["fixed4"]["accuracy"] == np.mean(different.argmax(1) == labels)
    assert rows["fixed4"]["differing_logits_share"] == np.mean(different != model.run({"x": x})["y"]) > 0
