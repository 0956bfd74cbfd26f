"""The affine mathematics against its definition and, bit for bit, against onnxruntime.quantization."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from onnx import TensorProto
from onnxruntime.quantization.quant_utils import compute_scale_zp, get_qmin_qmax_for_qType, quantize_data

from lib.errors import InputError
from lib.quant.affine import (
    asymmetric,
    asymmetric_range,
    dequantize,
    integer_range,
    quantize,
    symmetric,
    symmetric_range,
)

finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
moderate = st.floats(-1e6, 1e6, width=32).filter(lambda value: value == 0 or abs(value) > 1e-6)
tensors = arrays(np.float32, array_shapes(max_dims=3, max_side=6), elements=moderate)
bits = st.integers(2, 16)


@given(finite, finite, st.sampled_from([8, 16]), st.booleans(), st.booleans())
def test_scale_and_zero_point_equal_onnxruntime(low, high, bits, signed, symmetrical):
    low, high = np.float32(min(low, high)), np.float32(max(low, high))
    kind = {(8, True): "INT8", (8, False): "UINT8", (16, True): "INT16", (16, False): "UINT16"}[bits, signed]
    limits = get_qmin_qmax_for_qType(getattr(TensorProto, kind), symmetric=symmetrical)
    zero_point, scale = compute_scale_zp(low, high, *limits, symmetrical)
    ours = (symmetric_range if symmetrical else asymmetric_range)(low, high, bits, signed)
    assert ours[0].dtype == scale.dtype == np.float32
    assert (ours[0], ours[1]) == (scale, zero_point)


@given(tensors, st.booleans(), st.booleans())
def test_quantized_tensors_equal_onnxruntime(x, signed, symmetrical):
    kind = TensorProto.INT8 if signed else TensorProto.UINT8
    zero_point, scale, quantized = quantize_data(x.ravel(), kind, symmetrical)
    ours = (symmetric if symmetrical else asymmetric)(x, 8, signed=signed)
    assert (ours[0], ours[1]) == (scale, zero_point)
    np.testing.assert_array_equal(quantize(x, *ours, 8, signed).ravel(), quantized)


@given(tensors, bits, st.booleans(), st.booleans())
def test_round_trip_error_is_at_most_half_a_step(x, bits, signed, symmetrical):
    if symmetrical and not signed:
        return  # its highest value is half a step outside the range by construction
    scale, zero_point = (symmetric if symmetrical else asymmetric)(x, bits, signed=signed)
    restored = dequantize(quantize(x, scale, zero_point, bits, signed), scale, zero_point)
    # float32 rounds the quotient and the product to 24 bits.
    slack = 4 * np.finfo(np.float32).eps * np.abs(x).max()
    assert np.abs(restored.astype(np.float64) - x).max() <= scale / 2 + slack


@given(tensors, bits, st.booleans(), st.booleans())
def test_zero_is_exact(x, bits, signed, symmetrical):
    scale, zero_point = (symmetric if symmetrical else asymmetric)(x, bits, signed=signed)
    smallest, largest = integer_range(bits, signed)
    assert smallest <= zero_point <= largest
    zero = quantize(np.zeros(1), scale, zero_point, bits, signed)
    assert zero == zero_point
    assert dequantize(zero, scale, zero_point) == 0


@given(tensors, bits)
def test_signed_symmetric_has_zero_point_0_and_keeps_off_the_most_negative_integer(x, bits):
    scale, zero_point = symmetric(x, bits)
    assert zero_point == 0
    assert quantize(x, scale, zero_point, bits, signed=True).min() > integer_range(bits, signed=True)[0]


@given(moderate, moderate, bits, st.booleans())
def test_values_outside_the_range_saturate(low, high, bits, signed):
    scale, zero_point = asymmetric_range(min(low, high), max(low, high), bits, signed)
    ends = np.float32([-1, 1]) * 2**20 * scale
    assert quantize(ends, scale, zero_point, bits, signed).tolist() == list(integer_range(bits, signed))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_per_channel_is_per_tensor_of_every_channel(axis):
    x = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
    scale, zero_point = asymmetric(x, 8, axis)
    quantized = quantize(x, scale, zero_point, 8, False, axis)
    restored = dequantize(quantized, scale, zero_point, axis)
    for channel in range(x.shape[axis]):
        part = np.take(x, channel, axis)
        alone = asymmetric(part, 8)
        assert (scale[channel], zero_point[channel]) == alone
        np.testing.assert_array_equal(np.take(quantized, channel, axis), quantize(part, *alone, 8, False))
        np.testing.assert_array_equal(
            np.take(restored, channel, axis), dequantize(quantize(part, *alone, 8, False), *alone)
        )


@pytest.mark.parametrize("scheme", [symmetric, asymmetric])
def test_zero_range_has_scale_1(scheme):
    assert scheme(np.zeros(4), 8) == (1, 0)
    weight = np.array([[0.0, 0.0], [1.0, -1.0]])
    scale, zero_point = scheme(weight, 8, axis=0)
    assert (scale[0], zero_point[0]) == (1, 0)
    assert scale[1] == scheme(weight[1], 8)[0]


@pytest.mark.parametrize("value", [3.0, -3.0])
def test_a_constant_is_quantized_within_half_a_step(value):
    x = np.full(4, value)
    scale, zero_point = asymmetric(x, 8)
    assert np.abs(dequantize(quantize(x, scale, zero_point, 8, False), scale, zero_point) - x).max() <= scale / 2


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("scheme", [symmetric, asymmetric])
def test_values_that_are_not_finite_are_refused(scheme, bad):
    for axis in (None, 0):
        with pytest.raises(InputError, match="NaN or infinity"):
            scheme(np.array([[1.0, bad], [0.0, 1.0]]), 8, axis)
    with pytest.raises(InputError, match="not finite"):
        asymmetric_range(0.0, abs(bad), 8)


def test_empty_arrays_and_impossible_widths_are_refused():
    with pytest.raises(InputError, match="without elements"):
        symmetric(np.empty(0), 8)
    for width in (1, 17):
        with pytest.raises(InputError, match="choose 2 to 16"):
            symmetric(np.ones(1), width)
