"""Sums in accumulators too narrow for them, in the order of a sequential unit."""

import numpy as np

from lib.fixedpoint.arithmetic import limits, wrap_int32
from lib.fixedpoint.products import saturating_product


def narrow_sums(layer, rows: np.ndarray, zero: int) -> np.ndarray:
    """Accumulators [B · outputs, N] of a Linear layer whose accumulator overflows as its policy says.

    rows : int8 patches [B · outputs, taps · C]; zero : their zero point
    Products come in the order of the ONNX weight layout: channel, then kernel row, then kernel column.
    """
    if layer.accumulator.overflow == "wrap":
        return wrap_int32(layer.exact_sums(rows, zero), layer.accumulator.bits)
    low, high = map(np.int32, limits(layer.accumulator.bits))
    # Where the columns of one group's patches stand in the ONNX weight layout: channels outermost.
    order = np.arange(layer.macs_per_output).reshape(layer.taps, -1).T.ravel()
    groups = zip(layer.by_group(rows), layer.matrices, np.split(layer.bias, layer.groups), strict=True)
    sums = [
        saturating_product(x, w[order].astype(np.int32), order, np.int32(zero), bias, low, high)
        for x, w, bias in groups
    ]
    return np.concatenate(sums, axis=1)
