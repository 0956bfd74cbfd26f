"""Narrow accumulators do what a sequential unit does, and what helps them keeps its promises."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.fixedpoint import IntegerModel, UnsupportedModelError
from lib.fixedpoint.accumulator import POLICIES, Accumulator
from lib.fixedpoint.arithmetic import limits, saturate, wrap
from lib.fixedpoint.operators.linear import Linear
from lib.fixedpoint.operators.narrow import partial_sums, with_accumulator
from lib.fixedpoint.overflow import overflow_study
from lib.fixedpoint.relief import alternating, clipped, relief_study, rescaled
from lib.fixedpoint.requantize import Quantization
from lib.fixedpoint.sequential import BLOCK_BYTES, partial_sum_range, saturating_product
from lib.fixedpoint.window import Window

quick = settings(max_examples=25, deadline=None, derandomize=True, database=None)
widths = st.integers(8, 24)


@st.composite
def layers(draw):
    """A random layer, Conv or Gemm, and an input whose sums spread over some 12 … 22 bits."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    axes, groups = draw(st.sampled_from([0, 1, 2])), draw(st.sampled_from([1, 1, 2, 5]))
    groups = groups if axes else 1
    channels, filters = draw(st.integers(1, 4 if axes else 40)), draw(st.integers(1, 6))
    kernel = tuple(draw(st.integers(1, 3)) for _ in range(axes))
    weight = rng.integers(-255, 256, (filters * groups, channels, *kernel), dtype=np.int32)
    given = {
        "strides": [draw(st.integers(1, 2)) for _ in range(axes)],
        "pads": [draw(st.integers(0, 2)) for _ in range(2 * axes)],
        "dilations": [draw(st.integers(1, 2)) for _ in range(axes)],
    }
    dtype = draw(st.sampled_from([np.int8, np.uint8]))
    info = np.iinfo(dtype)
    size = [(k - 1) * d + 1 + draw(st.integers(0, 4)) for k, d in zip(kernel, given["dilations"], strict=True)]
    x = rng.integers(info.min, info.max + 1, (draw(st.integers(1, 3)), channels * groups, *size), dtype=dtype)
    layer = Linear(
        weight=weight,
        bias=rng.integers(-30000, 30000, filters * groups, dtype=np.int32),
        x_zero_point=dtype(draw(st.integers(info.min, info.max))),
        multiplier=np.float32([1e-3]),
        y=Quantization(np.float32(1), np.uint8(0)),
        window=Window(kernel, given) if axes else None,
        groups=groups,
    )
    return layer, x


def products(layer, x):
    """Products [outputs, N, K] in the order of the ONNX weight layout, without their sum."""
    taps = list(layer.window.taps(x, int(layer.x_zero_point))) if layer.window else [x]
    seen = np.stack([np.moveaxis(tap, 1, -1) for tap in taps], -1).astype(np.int64) - int(layer.x_zero_point)
    seen = seen.reshape(-1, layer.groups, 1, *layer.weight[0].reshape(-1, len(taps)).shape)
    weight = layer.weight.reshape(layer.groups, -1, *seen.shape[3:])
    return (seen * weight).reshape(len(seen), len(layer.weight), -1)


def one_by_one(start, terms, bits):
    """Sums over the last axis of terms, saturating after every addition."""
    total = saturate(start, bits)
    for k in range(terms.shape[-1]):
        total = saturate(total + terms[..., k], bits)
    return total


@quick
@given(layers(), widths)
def test_every_policy_equals_plain_additions_one_by_one(case, bits):
    layer, x = case
    terms = products(layer, x)
    exact = layer.bias + terms.sum(-1)
    expected = {
        "saturate": one_by_one(np.broadcast_to(layer.bias, exact.shape), terms, bits),
        "saturate_end": saturate(exact, bits),
        "wrap": wrap(exact, bits),
    }
    for policy in POLICIES:
        narrow = replace(layer, accumulator=Accumulator(bits, policy))
        np.testing.assert_array_equal(narrow.accumulate(x), expected[policy])
        np.testing.assert_array_equal(narrow.accumulate(x, exact=True), exact)


@quick
@given(layers(), widths, st.integers(1, 9))
def test_a_tile_overflows_alone_and_the_second_level_adds_exactly(case, bits, tile):
    layer, x = case
    terms = products(layer, x)
    parts = [terms[..., first : first + tile] for first in range(0, terms.shape[-1], tile)]
    none = np.zeros(terms.shape[:2], np.int64)
    expected = {
        "saturate": layer.bias + sum(one_by_one(none, part, bits) for part in parts),
        "saturate_end": layer.bias + sum(saturate(part.sum(-1), bits) for part in parts),
        "wrap": layer.bias + sum(wrap(part.sum(-1), bits) for part in parts),
    }
    for policy in POLICIES:
        sums = replace(layer, accumulator=Accumulator(bits, policy, tile)).accumulate(x)
        np.testing.assert_array_equal(sums, expected[policy])


@quick
@given(layers(), widths, st.randoms(use_true_random=False))
def test_an_order_of_additions_changes_saturation_alone(case, bits, random):
    layer, x = case
    order = np.array([random.sample(range(layer.macs_per_output), layer.macs_per_output) for _ in layer.weight])
    terms = np.take_along_axis(products(layer, x), order[None], axis=2)
    sums = {
        policy: replace(layer, accumulator=Accumulator(bits, policy, order=order)).accumulate(x) for policy in POLICIES
    }
    start = np.broadcast_to(layer.bias, terms.shape[:2])
    np.testing.assert_array_equal(sums["saturate"], one_by_one(start, terms, bits))
    for policy in ("wrap", "saturate_end"):
        plain = replace(layer, accumulator=Accumulator(bits, policy)).accumulate(x)
        np.testing.assert_array_equal(sums[policy], plain)


@quick
@given(layers())
def test_partial_sums_reach_as_far_as_the_additions_do(case):
    layer, x = case
    reached = layer.bias[:, None] + np.concatenate([np.zeros_like(t := products(layer, x))[..., :1], t.cumsum(-1)], -1)
    assert partial_sums(layer, x) == (reached.min(), reached.max())
    low, high = layer.interval
    assert np.all(reached >= low[:, None]) and np.all(reached <= high[:, None])


@quick
@given(layers())
def test_a_width_that_holds_the_bound_changes_nothing_in_any_order(case):
    layer, x = case
    order = alternating(layer.weight)
    for policy in POLICIES:
        wide = replace(layer, accumulator=Accumulator(layer.bound_bits, policy, order=order))
        np.testing.assert_array_equal(wide.accumulate(x), layer.accumulate(x))
    assert np.array_equal(np.sort(order, axis=1), np.tile(np.arange(layer.macs_per_output), (len(order), 1)))


def test_more_outputs_than_a_block_are_all_computed():
    rng = np.random.default_rng(0)
    rows_of_a_block = BLOCK_BYTES // 64  # of 16 float32 numbers
    x = rng.integers(0, 256, (2 * rows_of_a_block + 3, 7), dtype=np.uint8)
    weight = rng.integers(-128, 128, (3, 7), dtype=np.int32)
    layer = Linear(weight, np.int32([0, 500, -500]), np.uint8(9), np.float32([1]), None, None, 1)
    narrow = replace(layer, accumulator=Accumulator(14, "saturate"))
    expected = one_by_one(np.broadcast_to(layer.bias, (len(x), 3)), products(layer, x), 14)
    np.testing.assert_array_equal(narrow.accumulate(x), expected)


@quick
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 150)),
    bits=st.one_of(widths, st.integers(25, 31), st.none()),
    own_order=st.booleans(),
    far=st.booleans(),
)
def test_kernels_take_any_number_of_rows_products_and_filters(seed, shape, bits, own_order, far):
    rng, (count, depth, filters) = np.random.default_rng(seed), shape
    rows, zero = rng.integers(-128, 128, (count, depth), dtype=np.int8), int(rng.integers(-128, 128))
    weights = rng.integers(-255, 256, (filters, depth), dtype=np.int32)
    start = rng.integers(-30000, 30000, filters, dtype=np.int32)
    start += far * rng.choice(np.int32([-(2**30), 2**30]), filters)  # float32 does not hold such sums
    source = np.tile(rng.permutation(depth), (filters, 1))
    source = rng.permuted(source, axis=1) if own_order else source
    low, high = (-np.inf, np.inf) if bits is None else limits(bits)
    terms = (rows.astype(np.int64) - zero)[:, source] * weights  # [M, N, K]
    expected = one_by_one(np.broadcast_to(start, terms.shape[:2]), terms, bits or 32)
    np.testing.assert_array_equal(saturating_product(rows, zero, weights, source, start, low, high), expected)
    sums = np.concatenate([np.broadcast_to(start, terms.shape[:2])[..., None], terms], -1).cumsum(-1)
    lows, highs = partial_sum_range(rows, zero, weights, source, start)
    np.testing.assert_array_equal(lows, sums.min((0, 2)))
    np.testing.assert_array_equal(highs, sums.max((0, 2)))


def test_sums_without_limits_are_exact_modulo_2_32():
    rows, weights, source = np.int8([[100, -100]]), np.int32([[100, 90], [100, 90]]), np.array([[0, 1], [1, 0]])
    start = np.int32([2**31 - 1, -(2**31)])
    exact = start.astype(np.int64) + np.int64([100 * 100 - 100 * 90, -100 * 100 + 100 * 90])
    sums = saturating_product(rows, 0, weights, source, start, -np.inf, np.inf)
    np.testing.assert_array_equal(sums[0], wrap(exact, 32))
    assert exact[0] > 2**31 - 1 and exact[1] < -(2**31)


def test_saturation_depends_on_the_order_and_wrapping_does_not():
    x = np.int8([[100, 100, -100]])
    layer = Linear(np.int32([[1, 1, 1]]), np.int32([0]), np.int8(0), np.float32([1]), None, None, 1)

    def total(policy, order):
        return replace(layer, accumulator=Accumulator(8, policy, order=np.array([order]))).accumulate(x).item()

    assert (total("saturate", [0, 1, 2]), total("saturate", [0, 2, 1])) == (27, 100)
    assert (total("wrap", [0, 1, 2]), total("wrap", [0, 2, 1])) == (100, 100)


@quick
@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_the_alternating_order_keeps_the_weights_partial_sums_small(seed, depth):
    weight = np.random.default_rng(seed).integers(-127, 128, (4, depth))
    sums = np.take_along_axis(weight, alternating(weight), axis=1).cumsum(1)
    # Towards the end one sign is left over: the sum then runs straight to its final value.
    reach = np.maximum(np.abs(weight).max(1), np.abs(weight.sum(1)))
    assert np.all(np.abs(sums) <= reach[:, None])


@quick
@given(layers(), widths)
def test_fitted_weights_cannot_overflow(case, bits):
    layer, x = case
    for fit in (rescaled, clipped):
        fitted = fit(layer, bits)
        assert fitted.bound_bits <= bits
        assert np.all(np.abs(fitted.weight) <= np.abs(layer.weight))
        saturating = replace(fitted, accumulator=Accumulator(bits, "saturate"))
        np.testing.assert_array_equal(saturating.accumulate(x), fitted.accumulate(x))


@quick
@given(layers())
def test_weights_that_fit_are_left_alone(case):
    layer, _ = case
    for fit in (rescaled, clipped):
        fitted = fit(layer, layer.bound_bits)
        np.testing.assert_array_equal(fitted.weight, layer.weight)
        np.testing.assert_array_equal(fitted.bias, layer.bias)
        assert np.all(fitted.multiplier == layer.multiplier)


def test_saturating_sums_beyond_int32_are_refused():
    weight = np.int32([[127, 127]])
    layer = Linear(weight, np.int32([2**31 - 1]), np.int8(0), np.float32([1]), None, None, 1)
    for bits, policy in ((32, "saturate"), (32, "saturate_end"), (16, "saturate_end")):
        with pytest.raises(UnsupportedModelError, match=r"'fc'.* 33 bits"):
            with_accumulator("fc", layer, Accumulator(bits, policy))
    x = np.int8([[127, 127]])
    narrow = with_accumulator("fc", layer, Accumulator(31, "saturate"))
    assert narrow.accumulate(x).item() == limits(31)[1]
    wrapped = with_accumulator("fc", layer, Accumulator(20, "wrap"))
    assert wrapped.accumulate(x).item() == wrap(2**31 - 1 + 2 * 127 * 127, 20)


def test_one_narrow_layer_hurts_less_than_all_and_late_saturation_no_more_than_early(quantized, tiny_model):
    model = IntegerModel.from_onnx(quantized("tiny_model"))
    x, labels = tiny_model.dataset.test(70)
    rows = {
        (row["layer"], row["accumulator_bits"], row["policy"]): row
        for row in overflow_study(model, x, labels, [14, 18, 32])
    }
    for layer in ("all", "conv1", "conv2", "conv3", "fc"):
        exact = rows[layer, 32, "wrap"]
        assert exact["overflow_share"] == exact["logits_mse"] == 0
        for policy in POLICIES:
            shares = [rows[layer, bits, policy]["overflow_share"] for bits in (14, 18, 32)]
            assert shares == sorted(shares, reverse=True)
        assert rows[layer, 14, "wrap"]["overflow_share"] > 0
    # What wraps is what saturates at the end: the same final sums do not fit.
    for layer in ("conv1", "conv2", "conv3", "fc"):
        assert rows[layer, 14, "wrap"]["overflow_share"] == rows[layer, 14, "saturate_end"]["overflow_share"]


def test_the_study_of_one_layer_equals_running_the_model_with_it(quantized, tiny_model):
    model = IntegerModel.from_onnx(quantized("tiny_model"))
    x, labels = tiny_model.dataset.test(70)
    rows = {(row["layer"], row["policy"]): row for row in overflow_study(model, x, labels, [15])}
    reference = model.run({"input": x})["logits"].astype(np.float64)
    for layer in ("all", "conv2"):
        for policy in POLICIES:
            accumulator = Accumulator(15, policy)
            narrow = model.with_layers(
                lambda name, linear, layer=layer, accumulator=accumulator: (
                    replace(linear, accumulator=accumulator) if layer in ("all", name) else linear
                )
            )
            logits = narrow.run({"input": x})["logits"]
            assert rows[layer, policy]["accuracy"] == np.mean(logits.argmax(1) == labels)
            assert rows[layer, policy]["logits_mse"] == pytest.approx(np.mean((logits - reference) ** 2))


def test_relief_is_measured_where_plain_saturation_overflows(quantized, tiny_model):
    model = IntegerModel.from_onnx(quantized("tiny_model"))
    x, labels = tiny_model.dataset.test(40)
    rows = relief_study(model, x, labels, [14, 32])
    cases = {(row["technique"], row["accumulator_bits"], row["policy"]) for row in rows}
    assert {("plain", bits, policy) for bits in (14, 32) for policy in POLICIES} <= cases
    assert {("reordered", 14, "saturate"), ("tile 8", 14, "wrap"), ("rescaled", 14, "none")} <= cases
    assert all(bits == 14 for technique, bits, _ in cases if technique != "plain")
    assert all(row["overflow_share"] == 0 for row in rows if row["policy"] == "none")
