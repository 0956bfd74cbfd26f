"""The ONNX backend node tests, as the onnx package ships them, through our kernels."""

import importlib
import pkgutil
import re
import warnings

import numpy as np
import pytest

from lib.fixedpoint import IntegerModel, UnsupportedModelError
from lib.fixedpoint.integer_operators import conv_integer, dynamic_quantize, matmul_integer
from lib.fixedpoint.requantize import Quantization, dequantize, quantize
from lib.graph import attributes

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from onnx.backend.test.case import node

    # The modules of some operators: `collect_testcases` computes the cases of all, for seconds.
    OPERATORS = r"(qlinear|convinteger|matmulinteger|quantizelinear|dequantizelinear|dynamicquantizelinear)"
    for module in pkgutil.iter_modules(node.__path__):
        if re.match(OPERATORS, module.name):
            importlib.import_module(f"{node.__name__}.{module.name}")
    CASES = {case.name: case for case in node._NodeTestCases if re.match(f"test_{OPERATORS}", case.name)}

PRODUCTS = ["test_qlinearconv", "test_qlinearmatmul_2D_uint8_float32", "test_qlinearmatmul_2D_int8_float32"]
STACKS = ["test_qlinearmatmul_3D_uint8_float32", "test_qlinearmatmul_3D_int8_float32"]
CONVOLUTIONS = ["test_convinteger_without_padding", "test_convinteger_with_padding"]
QUANTIZE = ["test_quantizelinear", "test_quantizelinear_axis"]
DEQUANTIZE = ["test_dequantizelinear", "test_dequantizelinear_axis"]
DYNAMIC = [
    f"test_dynamicquantizelinear{range_}{form}"
    for range_ in ("", "_max_adjusted", "_min_adjusted")
    for form in ("", "_expanded")
]
OTHERS = {  # not 8-bit integers with float32 scales per tensor or channel
    "float16": "scales are float16",
    "u?int(2|4|16)|float4e2m1|e4m3fn|e5m2": "values are not 8-bit integers",
    "blocked": "one scale for each block of a channel",
}


def test_no_case_is_left_out_but_for_a_stated_reason():
    covered = {*PRODUCTS, *STACKS, *CONVOLUTIONS, *QUANTIZE, *DEQUANTIZE, *DYNAMIC, "test_matmulinteger"}
    stated = {name for name in CASES if any(re.search(f"_({reason})(_|$)", name) for reason in OTHERS)}
    assert covered | stated == CASES.keys()
    assert not covered & stated


def unpacked(name: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
    return CASES[name].data_sets[0]


def run(one_node, operator: str, inputs: list, dtype) -> np.ndarray:
    """A quantized operator with all inputs but the first as constants, by the engine."""
    _, path = one_node(operator, {"x": inputs[0]}, [None, *inputs[1:]], dtype, domain="")
    return IntegerModel.from_onnx(path).run({"x": inputs[0]})["y"]


@pytest.mark.parametrize("name", PRODUCTS)
def test_integer_products(name, one_node):
    inputs, (expected,) = unpacked(name)
    operator = CASES[name].model.graph.node[0].op_type
    np.testing.assert_array_equal(run(one_node, operator, inputs, expected.dtype), expected)


@pytest.mark.parametrize("name", STACKS)
def test_stacks_of_matrices_are_refused_as_one_layer_and_equal_one_by_one(name, one_node):
    inputs, (expected,) = unpacked(name)
    with pytest.raises(UnsupportedModelError, match=r"'node' \(QLinearMatMul\)"):
        run(one_node, "QLinearMatMul", inputs, expected.dtype)
    for index, result in enumerate(expected):
        matrices = [array[index] if array.ndim == 3 else array for array in inputs]
        np.testing.assert_array_equal(run(one_node, "QLinearMatMul", matrices, expected.dtype), result)


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolution_to_int32(name):
    (x, weight, *zero_points), (expected,) = unpacked(name)
    zero_points += [np.uint8(0)] * (2 - len(zero_points))
    sums = conv_integer(x, weight, *zero_points, attributes(CASES[name].model.graph.node[0]))
    assert sums.dtype == expected.dtype
    np.testing.assert_array_equal(sums, expected)


def test_matrix_product_to_int32():
    inputs, (expected,) = unpacked("test_matmulinteger")
    sums = matmul_integer(*inputs)
    assert sums.dtype == expected.dtype
    np.testing.assert_array_equal(sums, expected)


@pytest.mark.parametrize(
    ("name", "kernel"), [*((n, quantize) for n in QUANTIZE), *((n, dequantize) for n in DEQUANTIZE)]
)
def test_quantization_per_tensor_and_along_axis_1(name, kernel):
    (x, scale, zero_point), (expected,) = unpacked(name)
    if not scale.ndim:
        return np.testing.assert_array_equal(kernel(x, Quantization(scale, zero_point)), expected)
    for channel, meaning in enumerate(zip(scale, zero_point, strict=True)):
        np.testing.assert_array_equal(kernel(x[:, channel], Quantization(*meaning)), expected[:, channel])


@pytest.mark.parametrize("name", DYNAMIC)
def test_dynamic_quantization(name):
    (x,), expected = unpacked(name)
    q, (scale, zero_point) = dynamic_quantize(x)
    for ours, theirs in zip((q, scale, zero_point), expected, strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
