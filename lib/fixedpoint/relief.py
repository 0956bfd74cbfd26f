"""What helps accumulators that are too narrow for a network: another order, tiles, or weights made to fit.

All of it can be fixed when the weights are known, before any input is seen.
"""

from collections.abc import Iterable
from dataclasses import replace
from itertools import product

import numpy as np

from lib.fixedpoint.accumulator import POLICIES, Accumulator
from lib.fixedpoint.arithmetic import limits
from lib.fixedpoint.model import IntegerModel
from lib.fixedpoint.operators.linear import Linear
from lib.fixedpoint.operators.narrow import with_accumulator
from lib.fixedpoint.overflow import ALL, narrowed, outcomes, outputs_per_sample

INTERESTING = 5  # widths, the widest in which sums overflow: far below them nothing helps
TILES = (8, 16, 32)  # products summed in the narrow accumulator before they move to the wide one


def alternating(weight: np.ndarray) -> np.ndarray:
    """An order of additions [N, K] in which the partial sums of each filter's weights stay near 0 while they can.

    A positive weight comes while the partial sum is at most 0, a negative one while it is above, the largest first;
    when one sign is used up the rest follows. weight : [N, …]

    >>> alternating(np.array([[1, 5, 2, -3, -4]])).tolist()
    [[1, 4, 3, 2, 0]]
    """
    weight = weight.reshape(len(weight), -1)
    by_size = np.argsort(-np.abs(weight), axis=1, kind="stable")
    weight = np.take_along_axis(weight, by_size, axis=1)
    # What the weights of the same sign in front of it add up to: merging by this is what the rule above does.
    before = np.where(weight > 0, np.maximum(weight, 0).cumsum(1), np.maximum(-weight, 0).cumsum(1)) - np.abs(weight)
    merged = np.lexsort((weight <= 0, before), axis=1)
    return np.take_along_axis(by_size, merged, axis=1)


def rescaled(layer: Linear, bits: int) -> Linear:
    """The layer on a coarser grid: each filter's weights and bias shrunk until its sums fit `bits` bits.

    They are multiplied by c <= 1 and rounded towards 0, so that no sum grows, and the requantization divides by c.

    >>> from lib.examples import quantized_model
    >>> layer = IntegerModel.from_onnx(quantized_model()).layers[1].run
    >>> narrow = rescaled(layer, 14)
    >>> layer.weight[0].tolist(), narrow.weight[0].tolist(), float((narrow.multiplier / layer.multiplier)[0].round(1))
    ([-106, 127, 113, 66], [-11, 13, 11, 6], 9.5)
    >>> layer.bound_bits, narrow.bound_bits
    (18, 14)
    """
    low, high = limits(bits)
    lowest, highest = layer.interval
    # A bias rounded towards 0 may move a sum outwards by less than 1.
    c = np.minimum((low + 1) / np.minimum(lowest, -1), (high - 1) / np.maximum(highest, 1))
    c = np.where((lowest >= low) & (highest <= high), 1.0, c)
    weight = np.trunc(layer.weight * c.reshape(-1, *(1,) * (layer.weight.ndim - 1)))
    return replace(
        layer,
        weight=weight.astype(np.int32),
        bias=np.trunc(layer.bias * c).astype(np.int32),
        multiplier=(layer.multiplier / c).astype(np.float32),
    )


def clipped(layer: Linear, bits: int) -> Linear:
    """The layer with each filter's weights moved to the nearest ones of an L1 norm with which its sums fit `bits` bits.

    All weights move towards 0 by one threshold, the least that suffices; this is the Euclidean projection onto an L1
    ball (Duchi et al., ICML 2008), by which A2Q+ (Colbert et al., ICML 2024) begins. The bias stays if it fits.

    >>> from lib.examples import quantized_model
    >>> layer = IntegerModel.from_onnx(quantized_model()).layers[1].run
    >>> narrow = clipped(layer, 16)
    >>> layer.weight[0].tolist(), narrow.weight[0].tolist()
    ([-106, 127, 113, 66], [-46, 67, 53, 6])
    >>> layer.bound_bits, narrow.bound_bits
    (18, 16)
    """
    low, high = limits(bits)
    threshold = np.zeros((len(layer.weight), *(1,) * (layer.weight.ndim - 1)), np.int32)
    bias = np.clip(layer.bias, low, high).astype(np.int32)
    while True:
        weight = np.sign(layer.weight) * np.maximum(np.abs(layer.weight) - threshold, 0)
        shrunk = replace(layer, weight=weight, bias=bias)
        lowest, highest = shrunk.interval
        over = (lowest < low) | (highest > high)
        if not over.any():
            return shrunk
        threshold += over.reshape(threshold.shape)


def relief_study(model: IntegerModel, x: np.ndarray, labels: np.ndarray, widths: Iterable[int]) -> list[dict]:
    """One row per technique, width and policy: accuracy and share of overflowed outputs with all layers narrow.

    x : inputs [N, C, …], float32; labels : [N]; widths : accumulator bits
    "plain" is no technique. "reordered" and "tile 8", … are measured at the widest of the widths at which plain
    saturation overflows, the weights made to fit ("rescaled", "clipped") at all below the bound, where they never
    overflow: policy "none".

    >>> from lib.examples import dataset, quantized_model
    >>> for row in relief_study(IntegerModel.from_onnx(quantized_model()), *dataset().test(), [15]):
    ...     if row["policy"] in ("saturate", "none"):
    ...         print(row["technique"], round(row["overflow_share"], 3))
    plain 0.17
    reordered 0.159
    tile 8 0.116
    tile 16 0.13
    tile 32 0.13
    rescaled 0.0
    clipped 0.0
    """
    outputs = outputs_per_sample(model, x)[ALL]
    widths = list(widths)

    def measured(cases: list[tuple[str, int, str, IntegerModel]]) -> list[dict]:
        rows = outcomes(model, [variant for *_, variant in cases], x, labels)
        return [
            {"technique": technique, "accumulator_bits": bits, "policy": policy, "samples": len(x)}
            | {"accuracy": row["accuracy"], "overflow_share": row["overflows"] / outputs}
            for (technique, bits, policy, _), row in zip(cases, rows, strict=True)
        ]

    plain = measured(
        [("plain", bits, how, narrowed(model, Accumulator(bits, how))) for bits, how in product(widths, POLICIES)]
    )
    too_narrow = {row["accumulator_bits"] for row in plain if row["policy"] == "saturate" and row["overflow_share"] > 0}
    too_narrow = sorted(too_narrow)[-INTERESTING:]
    bound = model.bound_bits

    reordered = [("reordered", bits, "saturate", _reordered(model, bits)) for bits in too_narrow]
    tiled = [
        (f"tile {tile}", bits, policy, narrowed(model, Accumulator(bits, policy, tile)))
        for tile, bits, policy in product(TILES, too_narrow, ("saturate", "wrap"))
    ]
    fitted = [
        (fit.__name__, bits, "none", model.with_layers(lambda _, layer, fit=fit, bits=bits: fit(layer, bits)))
        for fit, bits in product((rescaled, clipped), widths)
        if bits < bound
    ]
    return plain + measured([*reordered, *tiled, *fitted])


def _reordered(model: IntegerModel, bits: int) -> IntegerModel:
    def change(name: str, layer: Linear) -> Linear:
        narrow = with_accumulator(name, layer, Accumulator(bits, "saturate", order=alternating(layer.weight)))
        return layer if narrow.fits else narrow

    return model.with_layers(change)
