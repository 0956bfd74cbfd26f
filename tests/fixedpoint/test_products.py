"""Every way to sum products gives the same integers, and large executions stay in bounded memory."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lib.fixedpoint import IntegerModel, model, vnni
from lib.fixedpoint.operators import tables
from lib.fixedpoint.operators.linear import Linear
from lib.fixedpoint.products import depthwise_product, exact_product
from lib.fixedpoint.requantize import Quantization, requantize
from lib.fixedpoint.scratch import file_array, release
from lib.fixedpoint.throughput import step_times
from lib.fixedpoint.window import Window

often = settings(max_examples=60, deadline=None, derandomize=True, database=None)
seeds = st.integers(0, 2**32 - 1)


def integers(rng, shape, dtype):
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max + 1, shape, dtype)


@st.composite
def windows(draw):
    """A window, and the size of an image that it fits on."""
    axes = draw(st.sampled_from([1, 2]))
    kernel, strides, dilations = (tuple(draw(st.integers(1, 3)) for _ in range(axes)) for _ in range(3))
    pads = [draw(st.integers(0, 2)) for _ in range(2 * axes)]
    size = tuple((k - 1) * d + 1 + draw(st.integers(0, 5)) for k, d in zip(kernel, dilations, strict=True))
    return Window(kernel, {"strides": strides, "dilations": dilations, "pads": pads}), size


@often
@given(windows(), st.integers(1, 12), seeds)
def test_patches_are_what_the_window_sees(case, channels, seed):
    window, size = case
    x = integers(np.random.default_rng(seed), (2, channels, *size), np.int8)
    taps = np.stack([np.moveaxis(tap, 1, -1) for tap in window.taps(x, fill=-7)], axis=-2)
    np.testing.assert_array_equal(window.patches(x, fill=-7), taps.reshape(-1, taps.shape[-2] * channels))


@often
@example(case=(Window((1, 2), {"strides": (1, 2)}), (2, 2)), groups=3, channels=1, filters=5, zero_point=0, seed=0)
@given(windows(), st.sampled_from([1, 2, 3]), st.integers(1, 4), st.integers(1, 5), st.integers(0, 255), seeds)
def test_convolution_with_and_without_patches_gives_the_same_sums(case, groups, channels, filters, zero_point, seed):
    (window, size), rng = case, np.random.default_rng(seed)
    x = integers(rng, (3, channels * groups, *size), np.uint8)
    layer = Linear(
        weight=integers(rng, (filters * groups, channels, *window.kernel), np.int8).astype(np.int32),
        bias=rng.integers(-9000, 9000, filters * groups, np.int32),
        x_zero_point=np.uint8(zero_point),
        multiplier=np.float32([0.01]),
        y=Quantization(np.float32(1), np.uint8(3)),
        window=window,
        groups=groups,
    )
    np.testing.assert_array_equal(layer.accumulate(x), layer.exact_sums(*layer.rows(x)))


@pytest.mark.skipif(not vnni.available(), reason="this CPU has no AVX-512 VNNI")
@pytest.mark.parametrize("kind", [np.uint8, np.int8])
@often
@given(
    case=windows(),
    channels=st.integers(0, 9),  # 0: depthwise
    filters=st.sampled_from([1, 5, 16, 17, 64, 70]),
    extreme=st.booleans(),
    zeros=st.tuples(*[st.sampled_from([0, 1, 100, 255])] * 2),
    seed=seeds,
)
def test_outputs_of_one_pass_are_requantized_exact_sums(kind, case, channels, filters, extreme, zeros, seed):
    (window, size), rng = case, np.random.default_rng(seed)
    x_zero, y_zero = (np.uint8(zero).view(kind) for zero in zeros)
    groups = 1 if channels else filters
    x = integers(rng, (3, channels or filters, *size), kind)
    weight = integers(rng, (filters, channels or 1, *window.kernel), np.int8)
    if extreme:
        x, weight = (
            np.where(a > np.median(a), *np.array([np.iinfo(a.dtype).max, np.iinfo(a.dtype).min], a.dtype))
            for a in (x, weight)
        )
    layer = Linear(
        weight=weight.astype(np.int32),
        bias=integers(rng, filters, np.int32) // 2,
        x_zero_point=x_zero,
        multiplier=np.float32(2.0) ** rng.uniform(-30, 3, filters).astype(np.float32),
        y=Quantization(np.float32(1), y_zero),
        window=window,
        groups=groups,
    )
    sums = layer.exact_sums(*layer.rows(x))
    expected = requantize(sums, layer.multiplier, y_zero).reshape(3, *window.output_size(size), filters)
    np.testing.assert_array_equal(layer(x), np.moveaxis(expected, -1, 1))
    np.testing.assert_array_equal(layer.accumulate(x), sums)


@pytest.mark.skipif(not vnni.available(), reason="this CPU has no AVX-512 VNNI")
def test_convolution_of_one_pass_adds_modulo_32_bits_and_takes_empty_batches():
    convolve = vnni.convolution(np.full((1, 70000, 1), 127), 0, Window((1,), {}), 1)
    assert convolve(np.full((1, 70000, 1), 255, np.uint8)).tolist() == [[(70000 * 127 * 255 + 2**31) % 2**32 - 2**31]]
    assert convolve(np.zeros((0, 70000, 3), np.uint8)).shape == (0, 1)


@pytest.mark.skipif(not vnni.available(), reason="this CPU has no AVX-512 VNNI")
@pytest.mark.parametrize("filters", [2, 15, 16, 17, 31, 33, 81])
@pytest.mark.parametrize("channels", [1, 4])
def test_convolution_of_one_pass_stores_nothing_beyond_its_outputs(filters, channels, monkeypatch):
    groups = filters if channels == 1 else 1
    convolve = vnni.convolution(np.full((filters, channels, 1), 4 // channels), 0, Window((1,), {}), groups)
    x, constants, memory = np.ones((2, channels * groups, 7), np.uint8), np.ones((2, filters), np.int32), []

    def guarded(shape, dtype):
        memory.append(np.full(np.prod(shape) * np.dtype(dtype).itemsize + 128, 170, np.uint8))
        return memory[-1][64:-64].view(dtype).reshape(shape)

    with monkeypatch.context() as patch:
        patch.setattr(np, "empty", guarded)
        sums, outputs = convolve(x), convolve.outputs(x, constants[0].astype(np.float32), np.uint8(3), constants[1])
    assert (sums == 4).all() and (outputs == 8).all() and len(memory) == 2
    assert all((guard == 170).all() for made in memory for guard in (made[:64], made[-64:]))


@often
@given(
    rows=st.integers(1, 40),
    depth=st.integers(1, 70),
    filters=st.sampled_from([1, 5, 16, 70]),
    kind=st.sampled_from([np.uint8, np.int8]),
    seed=seeds,
)
def test_products_of_a_matrix_are_those_of_its_rows(rows, depth, filters, kind, seed):
    rng = np.random.default_rng(seed)
    x, weight = integers(rng, (rows, depth), kind), integers(rng, (filters, depth), np.int8).astype(np.int32)
    multiplier, y = np.float32(2.0) ** rng.uniform(-20, 0, filters).astype(np.float32), np.uint8(7)
    bias = rng.integers(-9000, 9000, filters, np.int32)
    layer = Linear(weight, bias, integers(rng, (), kind), multiplier, Quantization(np.float32(1), y), None, 1)
    sums = (x.astype(np.int64) - int(layer.x_zero_point)) @ weight.T + bias
    np.testing.assert_array_equal(layer.accumulate(x), sums)
    np.testing.assert_array_equal(layer(x), requantize(sums.astype(np.int32), multiplier, y))


def test_convolution_of_one_pass_takes_only_weights_of_8_bits():
    for weight in (np.full((1, 4, 3, 3), 128), np.full((1, 4, 3, 3), -129)):
        assert vnni.convolution(weight, 0, Window((3, 3), {}), 1) is None


@often
@given(st.sampled_from([np.uint8, np.int8]), seeds)
def test_adding_images_and_looking_up_give_the_same(kind, seed):
    rng = np.random.default_rng(seed)
    a, b, y = (Quantization(np.float32(2.0 ** rng.uniform(-9, 3)), kind(integers(rng, (), kind))) for _ in range(3))
    p, q = (integers(rng, (2, 5, 7, 11), kind) for _ in range(2))
    table = tables.add_table(a, b, y)
    np.testing.assert_array_equal(tables.add(a, b, y)(p, q), tables.apply_pair(table, p, q))


@pytest.mark.parametrize("kind", [np.int8, np.int16])
@often
@given(st.integers(1, 20), st.integers(1, 600), st.integers(1, 20), seeds)
def test_products_are_exact(kind, rows, depth, columns, seed):
    rng = np.random.default_rng(seed)
    a, b = integers(rng, (rows, depth), np.int8), rng.integers(-128, 128, (depth, columns)).astype(kind)
    np.testing.assert_array_equal(exact_product(a, b), a.astype(np.int64) @ b.astype(np.int64))


def test_products_beyond_float32_are_exact():
    a, b = np.full((1, 5001), -128, np.int8), np.full((5001, 1), -255, np.int16)
    assert exact_product(a, b).tolist() == [[5001 * 128 * 255]]


def test_depthwise_products_are_sums_over_taps():
    rng = np.random.default_rng(0)
    rows, weight = integers(rng, (7, 9 * 5), np.int8), rng.integers(-255, 256, (9, 5), np.int32)
    np.testing.assert_array_equal(depthwise_product(rows, weight), (rows.reshape(7, 9, 5) * weight).sum(1))


def test_a_batch_cut_into_parts_and_kept_in_files_gives_the_same_tensors(quantized, tiny_model, monkeypatch):
    program = IntegerModel.from_onnx(quantized("tiny_model"))
    feeds = {"input": tiny_model.dataset.test(150)[0]}
    monkeypatch.setattr(model, "BATCH", 1000)
    whole = program.trace(feeds)
    monkeypatch.setattr(model, "BATCH", 64)
    monkeypatch.setattr(model, "MEMORY_BYTES", 1000)
    parts = program.trace(feeds, threads=2)
    assert list(parts) == list(whole) == program.quantized_tensors
    for name, x in whole.items():
        np.testing.assert_array_equal(parts[name], x)


def test_arrays_in_files_keep_their_values_when_their_memory_is_released():
    x = file_array((1000, 30), np.uint8)
    x[...] = np.arange(30)
    release(x)
    assert (x == np.arange(30)).all()


def test_every_step_is_timed_and_layers_state_their_rate(quantized, tiny_model):
    program = IntegerModel.from_onnx(quantized("tiny_model"))
    rows = step_times(program, {"input": tiny_model.dataset.test(4)[0]}, rounds=2)
    assert [row["step"] for row in rows] == [step.node for step in program.steps]
    layers = [row for row in rows if "macs" in row]
    assert [row["step"] for row in layers] == ["conv1", "conv2", "conv3", "fc"]
    assert layers[1]["macs"] == 4 * 16 * 16 * 64 * 32 * 9
    assert all(row["saturating_gmac_per_s"] > 0 for row in layers)
    assert all(row["gmac_per_s"] == row["macs"] / row["ms"] / 1e6 for row in layers)
