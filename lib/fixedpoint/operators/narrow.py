"""Sums in accumulators too narrow for them, in the order of a sequential unit."""

from dataclasses import replace

import numpy as np

from lib.fixedpoint.accumulator import Accumulator
from lib.fixedpoint.arithmetic import limits, wrap_int32
from lib.fixedpoint.errors import UnsupportedModelError
from lib.fixedpoint.sequential import partial_sum_range, saturating_product


def with_accumulator(name: str, layer, accumulator: Accumulator):
    """The Linear layer called `name` with this accumulator.

    Raises UnsupportedModelError where the layer's sums may leave int32, in which they are computed, and saturating them
    would therefore be wrong. Wrapping is right even then: modulo 2^32 first changes nothing.

    >>> from lib.examples import quantized_model
    >>> from lib.fixedpoint import IntegerModel
    >>> (_, step) = IntegerModel.from_onnx(quantized_model()).layers
    >>> narrow = with_accumulator(step.node, step.run, Accumulator(16, "saturate"))
    >>> step.run.fits, narrow.fits
    (True, False)
    """
    too_wide = accumulator.overflow == "saturate_end" or (accumulator.overflow == "saturate" and accumulator.bits == 32)
    if too_wide and layer.bound_bits > 32:
        raise UnsupportedModelError(
            f"layer {name!r}: its sums may need {layer.bound_bits} bits; let them wrap, or saturate at 31 bits or fewer"
        )
    return replace(layer, accumulator=accumulator)


def narrow_sums(layer, x: np.ndarray) -> np.ndarray:
    """Accumulators [B · outputs, N] of a Linear layer for x [B, …], overflowing as its accumulator's policy says.

    >>> from lib.examples import quantized_model
    >>> from lib.fixedpoint import IntegerModel
    >>> (_, step) = IntegerModel.from_onnx(quantized_model()).layers
    >>> x = np.full((1, 4), 255, np.uint8)
    >>> step.run.accumulate(x).tolist()
    [[50963, 59842, 31720]]
    >>> for policy in ("wrap", "saturate_end", "saturate"):
    ...     print(narrow_sums(with_accumulator(step.node, step.run, Accumulator(16, policy)), x).tolist())
    [[-14573, -5694, 31720]]
    [[32767, 32767, 31720]]
    [[32767, 32767, 11092]]
    """
    unit = layer.accumulator
    if unit.tile is None and unit.overflow != "saturate":
        return _stored(layer.accumulate(x, exact=True), unit)
    (rows, zero), (weights, source) = layer.rows(x), _in_order(layer)
    # Under the other policies the sums of a tile are exact modulo 2^32 until they are stored.
    low, high = limits(unit.bits) if unit.overflow == "saturate" else (-np.inf, np.inf)
    if unit.tile is None:
        return saturating_product(rows, zero, weights, source, layer.bias, low, high)
    sums, start = np.tile(layer.bias, (len(rows), 1)), np.zeros_like(layer.bias)
    for first in range(0, layer.macs_per_output, unit.tile):
        tile = slice(first, first + unit.tile)
        sums += _stored(saturating_product(rows, zero, weights[:, tile], source[:, tile], start, low, high), unit)
    return sums


def partial_sums(layer, x: np.ndarray) -> tuple[int, int]:
    """Lowest and highest value that a Linear layer's accumulators hold at any time while it works on x [B, …].

    The additions come in the order of the accumulator, bias first; nothing overflows.

    >>> from lib.examples import quantized_model
    >>> from lib.fixedpoint import IntegerModel
    >>> (_, step) = IntegerModel.from_onnx(quantized_model()).layers
    >>> step.run.bias.tolist(), step.run.weight.tolist()
    ([-37, 4252, -9080], [[-106, 127, 113, 66], [17, -20, 94, 127], [127, 93, 25, -85]])
    >>> partial_sums(step.run, np.full((1, 4), 255, np.uint8))  # -37 - 106 · 255, 4252 + (17 - 20 + 94 + 127) · 255
    (-27067, 59842)
    """
    lows, highs = partial_sum_range(*layer.rows(x), *_in_order(layer), layer.bias)
    return int(lows.min()), int(highs.max())


def _in_order(layer) -> tuple[np.ndarray, np.ndarray]:
    """Weights of each filter in the order of the additions, and the column of the patches that each meets: [N, K]."""
    filters, channels = layer.weight.shape[:2]
    weights = layer.weight.reshape(filters, -1)
    # The layout has channels outermost; patches have taps outermost, and in each the channels of all groups.
    channel, tap = np.divmod(np.arange(layer.macs_per_output), layer.taps)
    group = np.arange(filters)[:, None] // (filters // layer.groups)
    source = (tap * layer.groups + group) * channels + channel
    if layer.accumulator.order is None:
        return weights, source
    return tuple(np.take_along_axis(of, layer.accumulator.order, axis=1) for of in (weights, source))


def _stored(sums: np.ndarray, unit: Accumulator) -> np.ndarray:
    """int32 sums as the accumulator's bits keep them, in place."""
    if unit.overflow == "wrap":
        return wrap_int32(sums, unit.bits)
    return np.clip(sums, *limits(unit.bits), out=sums)
