"""The ONNX backend node tests, as the onnx package ships them, through our kernels."""

import warnings

import numpy as np
import pytest

from lib.fixedpoint import IntegerModel, UnsupportedModelError
from lib.fixedpoint.requantize import Quantization, dequantize, quantize

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from onnx.backend.test.case.node import collect_testcases

    CASES = {case.name: case for case in collect_testcases(None)}


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("test_qlinear")])
def test_integer_products(name, one_node):
    case = CASES[name]
    inputs, (expected,) = case.data_sets[0]
    feeds = {"x": inputs[0]}
    if name.startswith("test_qlinearmatmul"):
        inputs[7] = inputs[7].reshape(())
    _, path = one_node(case.model.graph.node[0].op_type, feeds, [None, *inputs[1:]], expected.dtype, domain="")
    if "3D" in name or "float16" in name:
        with pytest.raises(UnsupportedModelError, match="QLinearMatMul"):
            IntegerModel.from_onnx(path)
    else:
        np.testing.assert_array_equal(IntegerModel.from_onnx(path).run(feeds)["y"], expected)


@pytest.mark.parametrize("name", ["test_quantizelinear", "test_quantizelinear_axis"])
def test_quantize_linear(name):
    x, quantization, expected = unpack(CASES[name])
    np.testing.assert_array_equal(quantize(x, quantization), expected)


@pytest.mark.parametrize("name", ["test_dequantizelinear", "test_dequantizelinear_axis"])
def test_dequantize_linear(name):
    x, quantization, expected = unpack(CASES[name])
    np.testing.assert_array_equal(dequantize(x, quantization), expected)


def unpack(case):
    (x, scale, zero_point), (expected,) = case.data_sets[0]
    shape = (1, -1, *(1,) * (x.ndim - 2)) if scale.ndim else ()
    return x, Quantization(scale.reshape(shape), zero_point.reshape(shape)), expected
