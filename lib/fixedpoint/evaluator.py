"""ONNX's ReferenceEvaluator, able to run our QOperator graphs: with the operators in them that are ONNX Runtime's own.

Like the evaluator's own operators they follow the definition, not ONNX Runtime's order of float32 operations, so that
results may be a step off at ties. Source: onnxruntime, docs/ContribOperators.md.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun


def reference_evaluator(path: str | Path) -> ReferenceEvaluator:
    """The evaluator of a quantized model, QDQ or QOperator.

    >>> from lib.examples import inputs, quantized_model
    >>> from lib.fixedpoint import IntegerModel
    >>> feeds = {"input": inputs(2)}
    >>> (logits,) = reference_evaluator(quantized_model()).run(None, feeds)
    >>> np.array_equal(logits, IntegerModel.from_onnx(quantized_model()).run(feeds)["logits"])
    True
    """
    return ReferenceEvaluator(onnx.load(path), new_ops=[QLinearAdd, QGemm, QLinearGlobalAveragePool])


def _centred(q: np.ndarray, zero_point: np.ndarray) -> np.ndarray:
    return q.astype(np.int32) - zero_point.astype(np.int32)


def _quantized(steps: np.ndarray, zero_point: np.ndarray) -> tuple[np.ndarray]:
    limits = np.iinfo(zero_point.dtype)
    return (np.clip(np.rint(steps) + zero_point, limits.min, limits.max).astype(zero_point.dtype),)


class QLinearAdd(OpRun):
    """a + b of two 8-bit tensors.

    >>> half, zero, ten = np.float32(0.5), np.uint8(0), np.uint8(10)
    >>> a, b = np.uint8([4, 255]), np.uint8([12, 255])  # 2 + 1, 127.5 + 122.5
    >>> QLinearAdd.eval(a, half, zero, b, half, ten, half, zero, n_outputs=1).tolist()
    [6, 255]
    """

    op_domain = "com.microsoft"

    def _run(self, a, a_scale, a_zero_point, b, b_scale, b_zero_point, y_scale, y_zero_point):
        total = a_scale * _centred(a, a_zero_point) + b_scale * _centred(b, b_zero_point)
        return _quantized(total / y_scale, y_zero_point)


class QGemm(OpRun):
    """alpha · a @ b + c of 8-bit matrices; c is int32, in steps of a_scale · b_scale.

    >>> half, one, zero = np.float32(0.5), np.float32(1), np.uint8(0)
    >>> a, b, c = np.uint8([[4, 2]]), np.int8([[3], [-1]]), np.int32([8])  # (4 · 3 - 2 · 1 + 8) / 4 = 4.5, half to even
    >>> QGemm.eval(a, half, zero, b, half, np.int8(0), c, one, zero, n_outputs=1).tolist()
    [[4]]
    """

    op_domain = "com.microsoft"

    def _run(
        self, a, a_scale, a_zero_point, b, b_scale, b_zero_point, c, y_scale, y_zero_point, alpha=1, transA=0, transB=0
    ):
        # Transposed first: scales and zero points per channel lie along the last axis of the product.
        total = _centred(a.T if transA else a, a_zero_point) @ _centred(b.T if transB else b, b_zero_point) + c
        return _quantized(total * (alpha * a_scale * b_scale / y_scale), y_zero_point)


class QLinearGlobalAveragePool(OpRun):
    """The mean over all pixels of 8-bit images [B, C, *size].

    >>> x, half, quarter = np.uint8([[[[1, 2], [3, 5]]]]), np.float32(0.5), np.float32(0.25)
    >>> QLinearGlobalAveragePool.eval(x, half, np.uint8(0), quarter, np.uint8(10), n_outputs=1).tolist()
    [[[[16]]]]
    """

    op_domain = "com.microsoft"

    def _run(self, x, x_scale, x_zero_point, y_scale, y_zero_point, channels_last=0):
        axes = tuple(range(1, x.ndim - 1)) if channels_last else tuple(range(2, x.ndim))
        mean = _centred(x, x_zero_point).mean(axes, dtype=np.float32, keepdims=True)
        return _quantized(mean * (x_scale / y_scale), y_zero_point)
