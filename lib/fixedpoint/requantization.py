"""What each way to requantize costs: where it rounds unlike onnxruntime, and what that does to the answers."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from lib.fixedpoint.batches import cores
from lib.fixedpoint.model import IntegerModel
from lib.fixedpoint.rescale import rounding_and_bits
from lib.progress import Progress


def fixed_point_modes(widths: list[int]) -> list[str]:
    """All modes but onnxruntime's: both roundings with multipliers of these widths, and the power of two.

    >>> fixed_point_modes([31, 8])
    ['fixed31', 'fixed8', 'gemmlowp31', 'gemmlowp8', 'power_of_two']
    """
    return [f"{rounding}{bits}" for rounding in ("fixed", "gemmlowp") for bits in widths] + ["power_of_two"]


def over_channels(proof: pd.DataFrame) -> pd.DataFrame:
    """The rows of breakpoints.proof summed up; `reachable` and `differing` count pairs of channel and value.

    The columns before `channel` say what a row of the result is about: leave out `layer` to sum over layers too.
    first_channel, first_differing : the smallest case to reproduce; empty where no channel differs

    >>> from lib.examples import inputs, quantized_model
    >>> from lib.fixedpoint.breakpoints import proof
    >>> rows = proof(IntegerModel.from_onnx(quantized_model()), ["fixed15"], inputs(1))
    >>> table = over_channels(pd.DataFrame(rows))
    >>> table[["layer", "channels", "reachable", "differing", "channels_differing"]].values.tolist()
    [['features', 4, 488839, 222, 4], ['pooled', 1, 16321, 3, 1], ['logits', 3, 255003, 283, 3]]
    """
    subject = proof.columns[: proof.columns.get_loc("channel")].tolist()
    parts = proof.groupby(subject, sort=False)
    table = parts.agg(channels=("channel", "size"), reachable=("reachable", "sum"), differing=("differing", "sum"))
    table["channels_differing"] = parts.differing.agg(np.count_nonzero)
    table["max_steps"] = parts.max_steps.max()
    first = proof[proof.differing > 0].rename(columns={"channel": "first_channel"})
    first = first.groupby(subject, sort=False)[["first_channel", "first_differing"]].first()
    return table.join(first.astype("Int64")).reset_index()


def accuracies(
    model: IntegerModel, modes: list[str], equal: set[str], x: np.ndarray, labels: np.ndarray
) -> Iterator[dict]:
    """One row per mode, onnxruntime's first: accuracy, and the shares of logits and classes that differ from its own.

    equal : modes proved equal to onnxruntime's for every input, which need not be run
    x : inputs [N, C, …], float32; labels : [N]

    >>> from lib.examples import dataset, quantized_model
    >>> rows = accuracies(IntegerModel.from_onnx(quantized_model()), ["fixed31", "fixed6"], set(), *dataset().test())
    >>> for row in rows:
    ...     print(row["mode"], row["accuracy"], round(row["differing_logits_share"], 3))
    float32 0.3125 0.0
    fixed31 0.3125 0.0
    fixed6 0.3125 0.812
    """

    def logits(variant: IntegerModel) -> np.ndarray:
        return variant.run({model.graph.inputs[0]: x}, threads=cores())[model.graph.outputs[0]]

    reference = logits(model)
    known = {"float32": reference}
    progress = Progress(1 + len(modes), "ways to requantize")
    for mode in ["float32", *modes]:
        rounding, bits = rounding_and_bits(mode)
        # M is a float32: one rounding with more than its 24 bits is the same function.
        same = f"fixed{min(bits, 24)}" if rounding == "fixed" else mode
        if same not in known:
            known[same] = reference if mode in equal else logits(model.requantized(same))
        found = known[same]
        accuracy = float(np.mean(found.argmax(1) == labels))
        progress(f"{mode}: accuracy {accuracy:.4f}")
        yield {
            "mode": mode,
            "rounding": rounding,
            "multiplier_bits": bits,
            "proved_equal": mode in equal | {"float32"},
            "samples": len(x),
            "accuracy": accuracy,
            "differing_logits_share": float(np.mean(found != reference)),
            "differing_classes_share": float(np.mean(found.argmax(1) != reference.argmax(1))),
        }
