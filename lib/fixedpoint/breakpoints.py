"""Where two ways to requantize differ: decided for every accumulator value that a layer can reach, without sampling.

Requantization is monotone in the accumulator, so that an 8-bit result is told by its breakpoints: the smallest
accumulators at which it reaches each of the type's values but the first. Bisection finds them exactly. Two ways to
requantize differ where an accumulator lies between their breakpoints of one value, and nowhere else.
"""

from collections.abc import Iterator
from math import prod
from typing import NamedTuple

import numpy as np

from lib.fixedpoint.model import IntegerModel
from lib.fixedpoint.operators.linear import Linear
from lib.fixedpoint.operators.pools import GlobalAveragePool
from lib.fixedpoint.rescale import INT32_MAX, INT32_MIN, Requantizer, requantizer, rounding_and_bits


class Sums(NamedTuple):
    """The accumulators of one step, which multiplies them by M.

    multiplier : M, float32 [N]; zero_point : the result's, int8 or uint8
    low, high : the interval that they reach, int64 [N], within int32; both ends are reached, not always all between

    >>> sums = Sums("pool", np.float32([0.25]), np.array([0]), np.array([1020]), np.uint8(0))  # the mean of four pixels
    >>> requantizer("float32", sums.multiplier)(np.int32([[510, 1020]]).T, sums.zero_point).ravel().tolist()
    [128, 255]
    """

    layer: str
    multiplier: np.ndarray
    low: np.ndarray
    high: np.ndarray
    zero_point: np.ndarray


class Difference(NamedTuple):
    """Per channel, int64 [N]: accumulators at which two requantizations differ, the smallest one, and by how much.

    first : meaningless where `values` is 0; steps : the largest difference of two results

    >>> sums = Sums("fc", np.float32([0.25, 0.5]), np.array([-6, 0]), np.array([6, 6]), np.int8(0))
    >>> theirs, ours = (requantizer(mode, sums.multiplier) for mode in ("float32", "gemmlowp31"))
    >>> found = difference(theirs, breakpoints(theirs, sums), ours, sums)
    >>> found.values.tolist(), found.first.tolist(), found.steps.tolist()
    ([4, 2], [-2, 1], [1, 1])
    """

    values: np.ndarray
    first: np.ndarray
    steps: np.ndarray


def proof(model: IntegerModel, modes: list[str], x: np.ndarray) -> Iterator[dict]:
    """One row per layer, mode and channel: how many accumulators of the reachable interval differ from onnxruntime's.

    x : an input [1, C, …], for the sizes of the pooled images; the channels of a global pool are alike and count as one
    first_differing is None where nothing differs.

    >>> from lib.examples import inputs, quantized_model
    >>> rows = list(proof(IntegerModel.from_onnx(quantized_model()), ["fixed31", "fixed8"], inputs(1)))
    >>> [(row["mode"], row["reachable"], row["differing"]) for row in rows if row["layer"] == "pooled"]
    [('fixed31', 16321, 0), ('fixed8', 16321, 1575)]
    """
    for sums in accumulators(model, x):
        theirs = requantizer("float32", sums.multiplier)
        expected = breakpoints(theirs, sums)
        for mode in modes:
            found = difference(theirs, expected, requantizer(mode, sums.multiplier), sums)
            rounding, bits = rounding_and_bits(mode)
            for channel, (values, first, steps) in enumerate(zip(*map(np.ndarray.tolist, found), strict=True)):
                yield {
                    "layer": sums.layer,
                    "mode": mode,
                    "rounding": rounding,
                    "multiplier_bits": bits,
                    "channel": channel,
                    "reachable": int(sums.high[channel] - sums.low[channel]) + 1,
                    "differing": values,
                    "first_differing": first if values else None,
                    "max_steps": steps,
                }


def accumulators(model: IntegerModel, x: np.ndarray) -> Iterator[Sums]:
    """The accumulators of each step that requantizes them; x as in `proof`.

    >>> from lib.examples import inputs, quantized_model
    >>> for sums in accumulators(IntegerModel.from_onnx(quantized_model()), inputs(1)):
    ...     print(sums.layer, sums.low.tolist(), sums.high.tolist())
    features [-63095, -51405, -64128, -56851] [57265, 50340, 71277, 74474]
    pooled [0] [16320]
    logits [-27067, -848, -30755] [77993, 64942, 53395]
    """
    pooled = [step.inputs[0] for step in model.steps if isinstance(step.run, GlobalAveragePool)]
    images = model.tensors({model.graph.inputs[0]: x}, pooled)
    for step in model.steps:
        if isinstance(step.run, Linear):
            low, high = step.run.interval
            multiplier = np.broadcast_to(step.run.multiplier, low.shape)
        elif isinstance(step.run, GlobalAveragePool):
            pixels = prod(images[step.inputs[0]].shape[2:])
            low, high = step.run.interval(pixels)
            multiplier = step.run.multiplier(pixels)
        else:
            continue
        # A sum beyond int32 wraps, and then every int32 may be reached.
        wraps = (low < INT32_MIN) | (high > INT32_MAX)
        low, high = np.where(wraps, INT32_MIN, low), np.where(wraps, INT32_MAX, high)
        yield Sums(step.node, multiplier, low, high, step.run.y.zero_point)


def breakpoints(requantize: Requantizer, sums: Sums) -> np.ndarray:
    """The smallest accumulator of low … high with requantize(accumulator) >= v, for all v but the type's smallest.

    int64 [255, N]; high + 1 where no accumulator has such a result. requantize must be monotone.

    >>> sums = Sums("fc", np.float32([0.5]), np.array([-4]), np.array([4]), np.uint8(0))
    >>> breakpoints(requantizer("float32", sums.multiplier), sums)[:4, 0].tolist()  # rint(-2) … rint(2), clipped
    [2, 3, 5, 5]
    """
    limits = np.iinfo(sums.zero_point.dtype)
    values = np.arange(limits.min + 1, limits.max + 1)[:, None]
    # Every breakpoint is one of first … last.
    first = np.repeat(sums.low[None], len(values), axis=0)
    last = np.repeat(sums.high[None] + 1, len(values), axis=0)
    while np.any(first < last):
        middle = (first + last) >> 1
        reached = (requantize(middle.astype(np.int32), sums.zero_point) >= values) | (middle == last)
        first, last = np.where(reached, first, middle + 1), np.where(reached, middle, last)
    return first


def difference(theirs: Requantizer, expected: np.ndarray, ours: Requantizer, sums: Sums) -> Difference:
    """How `ours` differs from `theirs`, whose breakpoints are `expected`, over the reachable accumulators.

    >>> sums = Sums("fc", np.float32([0.5]), np.array([-4]), np.array([4]), np.int8(0))
    >>> theirs, ours = (requantizer(mode, sums.multiplier) for mode in ("float32", "fixed31"))
    >>> difference(theirs, breakpoints(theirs, sums), ours, sums)  # -3 / 2 becomes -2 or -1, 1 / 2 becomes 0 or 1
    Difference(values=array([2]), first=array([-3]), steps=array([1]))
    """
    found = breakpoints(ours, sums)
    start, end = np.minimum(expected, found), np.maximum(expected, found)
    # Starts and ends ascend with the value, so what an interval adds to the union lies above the end before it.
    before = np.vstack([sums.low, end[:-1]])
    values = np.maximum(end - np.maximum(start, before), 0).sum(axis=0)
    first = np.where(start < end, start, INT32_MAX).min(axis=0)
    # Every difference of two results is there from a breakpoint on.
    at = np.minimum(np.vstack([expected, found]), sums.high).astype(np.int32)
    steps = theirs(at, sums.zero_point).astype(np.int64) - ours(at, sums.zero_point)
    return Difference(values, first, np.abs(steps).max(axis=0))
