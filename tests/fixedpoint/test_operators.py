"""Every integer operator equals onnxruntime's, bit for bit, on random shapes, scales and zero points."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib.fixedpoint import IntegerModel
from lib.fixedpoint.golden import reference
from lib.fixedpoint.operators.tables import every

quick = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
eight_bits = st.sampled_from([np.int8, np.uint8])
scales = st.floats(-6, 4).map(lambda exponent: np.float32(10**exponent))
seeds = st.integers(0, 2**32 - 1)


@st.composite
def zero_points(draw, dtype):
    limits = np.iinfo(dtype)
    return dtype(draw(st.one_of(st.sampled_from([limits.min, 0, limits.max]), st.integers(limits.min, limits.max))))


def integers(rng, shape, dtype):
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max + 1, shape, dtype=dtype)


@st.composite
def convolutions(draw):
    """Feeds, inputs and attributes of a QLinearConv whose outputs spread over the 8-bit range."""
    rng = np.random.default_rng(draw(seeds))
    axes, groups = draw(st.sampled_from([1, 2])), draw(st.sampled_from([1, 1, 2, 3]))
    dtype = draw(eight_bits)
    weight_dtype = np.int8 if dtype == np.int8 else draw(eight_bits)
    depthwise = draw(st.booleans()) and groups > 1
    channels, filters = (1, 1) if depthwise else (draw(st.integers(1, 5)), draw(st.integers(1, 9)))
    kernel = [draw(st.integers(1, 3)) for _ in range(axes)]
    dilations = [draw(st.integers(1, 2)) for _ in range(axes)]
    size = [(k - 1) * d + 1 + draw(st.integers(0, 4)) for k, d in zip(kernel, dilations, strict=True)]
    pads = [draw(st.integers(0, 2)) for _ in range(2 * axes)]
    x = integers(rng, (draw(st.integers(1, 3)), channels * groups, *size), dtype)
    weight = integers(rng, (filters * groups, channels, *kernel), weight_dtype)
    per_channel = draw(st.booleans())
    weight_zero = np.int8(0) if weight_dtype == np.int8 else draw(zero_points(np.uint8))
    weight_scale = np.float32(10) ** rng.uniform(-4, 0, filters * groups if per_channel else ()).astype(np.float32)
    x_scale, spread = draw(scales), np.float32(120 * np.sqrt(weight[0].size) * draw(st.floats(0.2, 4)))
    y_scale = np.float32(x_scale * np.max(weight_scale) * spread)
    bias = rng.integers(-9000, 9000, filters * groups, dtype=np.int32)
    inputs = [None, x_scale, draw(zero_points(dtype)), weight, weight_scale]
    inputs += [np.full_like(weight_scale, weight_zero, weight_dtype), y_scale, draw(zero_points(dtype))]
    inputs += [bias] if draw(st.booleans()) else []
    strides = [draw(st.integers(1, 3)) for _ in range(axes)]
    return {"x": x}, inputs, dtype, {"strides": strides, "pads": pads, "dilations": dilations, "group": groups}


@quick
@given(convolutions())
def test_convolution_equals_onnxruntime(differing, case):
    feeds, inputs, dtype, attributes = case
    assert differing("QLinearConv", feeds, inputs, dtype, domain="", **attributes) == 0


@quick
@given(convolutions())
def test_the_reference_kernel_equals_the_engine(one_node, case):
    feeds, inputs, dtype, attributes = case
    _, path = one_node("QLinearConv", feeds, inputs, dtype, domain="", **attributes)
    model = IntegerModel.from_onnx(path)
    np.testing.assert_array_equal(reference(model.layers[0], feeds["x"]), model.run(feeds)["y"])


@quick
@given(convolutions(), st.integers(8, 24))
def test_narrow_accumulators_add_in_the_documented_order(one_node, case, bits):
    feeds, inputs, dtype, attributes = case
    _, path = one_node("QLinearConv", feeds, inputs, dtype, domain="", **attributes)
    for policy in ("wrap", "saturate"):
        layer = IntegerModel.from_onnx(path, accumulator_bits=bits, overflow=policy).layers[0].run
        np.testing.assert_array_equal(layer.accumulate(feeds["x"]), one_by_one(layer, feeds["x"], bits, policy))


def one_by_one(layer, x, bits, policy):
    """Accumulators [outputs, filters] by Python's integers, one product after the other in ONNX weight order."""
    centred = layer.window.padded(x, int(layer.x_zero_point)).astype(int) - int(layer.x_zero_point)
    size, low = layer.window.output_size(x.shape[2:]), -(1 << (bits - 1))
    fit = {
        "wrap": lambda s: (s - low) % (1 << bits) + low,
        "saturate": lambda s: min(max(s, low), -low - 1),
    }[policy]
    filters, channels = layer.weight.shape[:2]
    sums = np.empty((len(x), *size, filters), int)
    for sample, *position, n in np.ndindex(sums.shape):
        total = fit(int(layer.bias[n]))
        for channel, *tap in np.ndindex(layer.weight.shape[1:]):
            at = [
                p * s + t * d
                for p, s, t, d in zip(position, layer.window.strides, tap, layer.window.dilations, strict=True)
            ]
            first = n // (filters // layer.groups) * channels
            total = fit(total + int(centred[(sample, first + channel, *at)]) * int(layer.weight[(n, channel, *tap)]))
        sums[(sample, *position, n)] = total
    return sums.reshape(-1, filters)


@quick
@given(seeds, eight_bits, st.booleans(), st.booleans(), st.data())
def test_gemm_equals_onnxruntime(differing, seed, dtype, per_channel, transposed, data):
    rng = np.random.default_rng(seed)
    rows, depth, columns = rng.integers(1, 60, 3)
    x, weight = integers(rng, (rows, depth), dtype), integers(rng, (depth, columns), np.int8)
    scale = rng.uniform(1e-3, 1, columns if per_channel else ()).astype(np.float32)
    y_scale = np.float32(np.max(scale) * 100 * np.sqrt(depth))
    zero = np.zeros_like(scale, np.int8)
    bias = rng.integers(-5000, 5000, columns, dtype=np.int32)
    ends = [y_scale, data.draw(zero_points(dtype))]
    start = [None, np.float32(1), data.draw(zero_points(dtype))]
    stored = weight.T if transposed else weight
    assert differing("QGemm", {"x": x}, [*start, stored, scale, zero, bias, *ends], dtype, transB=int(transposed)) == 0
    assert differing("QLinearMatMul", {"x": x}, [*start, weight, scale, zero, *ends], dtype, domain="") == 0


@quick
@given(eight_bits, scales, st.floats(0.01, 30), st.floats(0.01, 30), st.data())
def test_add_and_multiply_equal_onnxruntime_for_every_pair(differing, dtype, scale, ratio_a, ratio_b, data):
    a, b = (grid.ravel()[None] for grid in np.meshgrid(every(np.dtype(dtype)), every(np.dtype(dtype))))
    zero_a, zero_b, zero_y = (data.draw(zero_points(dtype)) for _ in range(3))
    for op, y_scale in (("QLinearAdd", scale), ("QLinearMul", np.float32(scale * scale * 40))):
        inputs = [None, np.float32(scale * ratio_a), zero_a, None, np.float32(scale * ratio_b), zero_b, y_scale, zero_y]
        assert differing(op, {"a": a, "b": b}, inputs, dtype) == 0


@quick
@given(seeds, eight_bits, st.sampled_from([(7,), (16,), (5, 3), (8, 8)]), st.floats(0.05, 3), st.data())
def test_global_average_pool_equals_onnxruntime(differing, seed, dtype, size, ratio, data):
    x = integers(np.random.default_rng(seed), (3, 20, *size), dtype)
    zeros = [data.draw(zero_points(dtype)) for _ in range(2)]
    inputs = [None, np.float32(0.1), zeros[0], np.float32(0.1 * ratio), zeros[1]]
    assert differing("QLinearGlobalAveragePool", {"x": x}, inputs, dtype, channels_last=0) == 0


@quick
@given(seeds, eight_bits, st.data())
def test_concat_equals_onnxruntime(differing, seed, dtype, data):
    rng = np.random.default_rng(seed)
    a, b = integers(rng, (2, 3, 5), dtype), integers(rng, (2, 4, 5), dtype)
    zeros = [data.draw(zero_points(dtype)) for _ in range(3)]
    inputs = [np.float32(0.3), zeros[0], None, np.float32(0.2), zeros[1], None, np.float32(0.3), zeros[2]]
    assert differing("QLinearConcat", {"a": a, "b": b}, inputs, dtype, axis=1) == 0


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
@pytest.mark.parametrize("pads", [[0, 0, 0, 0], [1, 0, 1, 1]])
def test_max_pool_equals_onnxruntime(differing, dtype, pads):
    x = integers(np.random.default_rng(0), (2, 5, 9, 8), dtype)
    attributes = {"kernel_shape": [3, 2], "strides": [2, 1], "pads": pads}
    assert differing("MaxPool", {"x": x}, [None], dtype, domain="", **attributes) == 0


@quick
@given(eight_bits, scales, st.floats(0.001, 30), st.data())
def test_quantization_of_floats_equals_onnxruntime_ties_included(differing, dtype, scale, spread, data):
    steps = np.arange(-600, 601, dtype=np.float32) / 2
    x = np.concatenate([steps * scale, steps * np.float32(spread), np.float32([3e38, -3e38])])[None]
    zero = data.draw(zero_points(dtype))
    assert differing("QuantizeLinear", {"x": x}, [None, scale, zero], dtype, domain="") == 0
    q = every(np.dtype(dtype))[None]
    assert differing("DequantizeLinear", {"x": q}, [None, scale, zero], np.float32, domain="") == 0


@pytest.mark.parametrize("bits", [0.5, 1.5, 2.5, 126.5])
def test_ties_round_half_to_even(differing, bits):
    x = every(np.dtype(np.int8))[None]
    inputs = [None, np.float32(1), np.int8(0), np.eye(256, dtype=np.int8), np.float32(bits), np.int8(0)]
    inputs += [np.float32(1), np.int8(-3)]
    assert differing("QLinearMatMul", {"x": x}, inputs, np.int8, domain="") == 0


FUNCTIONS = [
    ("Relu", {}),
    ("LeakyRelu", {"alpha": 0.1}),
    ("HardSigmoid", {"alpha": 0.3, "beta": 0.4}),
    ("HardSwish", {}),
]


@pytest.mark.parametrize(("function", "attributes"), FUNCTIONS, ids=[name for name, _ in FUNCTIONS])
@quick
@given(dtype=eight_bits, scale=scales, ratio=st.floats(0.2, 3), data=st.data())
def test_elementwise_segments_equal_onnxruntime(elementwise, function, attributes, dtype, scale, ratio, data):
    y_scale = np.float32(1 / 255) if function == "HardSigmoid" else np.float32(scale * ratio)
    assert elementwise(function, attributes, scale, data.draw(zero_points(dtype)), y_scale) == 0


@quick
@given(convolutions(), st.integers(-3, 14), st.floats(-30, 30))
def test_convolution_equals_onnxruntime_at_ties_and_at_extreme_scales(differing, case, exponent, magnitude):
    """With M a power of two, accumulators hit halves of a step; far from 1, M makes every output 0 or the limit."""
    feeds, inputs, dtype, attributes = case
    for factor in (np.float32(2.0**-exponent), np.float32(10.0**magnitude)):
        inputs[1], inputs[4], inputs[6] = np.float32(1), np.ones_like(inputs[4]), 1 / factor
        assert differing("QLinearConv", feeds, inputs, dtype, domain="", **attributes) == 0


@quick
@given(seeds, eight_bits, st.integers(-3, 14), st.data())
def test_matrix_products_equal_onnxruntime_at_ties(differing, seed, dtype, exponent, data):
    rng = np.random.default_rng(seed)
    x, weight = integers(rng, (5, 40), dtype), integers(rng, (40, 9), np.int8)
    start = [None, np.float32(1), data.draw(zero_points(dtype)), weight, np.float32(1), np.int8(0)]
    ends = [np.float32(2.0**exponent), data.draw(zero_points(dtype))]
    bias = rng.integers(-9000, 9000, 9, dtype=np.int32)
    assert differing("QGemm", {"x": x}, [*start, bias, *ends], dtype) == 0
    assert differing("QLinearMatMul", {"x": x}, [*start, *ends], dtype, domain="") == 0


@quick
@given(eight_bits, st.floats(-8, 8), st.floats(-8, 8), st.data())
def test_pairs_equal_onnxruntime_at_extreme_scales(differing, dtype, magnitude_a, magnitude_b, data):
    """Sums beyond int32 become the lowest 8-bit integer, not the highest: x86 converts them to the smallest int32."""
    a, b = (grid.ravel()[None] for grid in np.meshgrid(every(np.dtype(dtype)), every(np.dtype(dtype))))
    zeros = [data.draw(zero_points(dtype)) for _ in range(3)]
    inputs = [None, np.float32(10**magnitude_a), zeros[0], None, np.float32(10**magnitude_b), zeros[1]]
    for op in ("QLinearAdd", "QLinearMul"):
        assert differing(op, {"a": a, "b": b}, [*inputs, np.float32(1), zeros[2]], dtype) == 0
