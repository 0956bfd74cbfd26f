"""What overflow costs: the same network with accumulators of every width, wrapping or saturating."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from lib.fixedpoint.accumulator import POLICIES
from lib.fixedpoint.batches import over_batches
from lib.fixedpoint.model import IntegerModel


def overflow_study(path: str | Path, x: np.ndarray, labels: np.ndarray, widths: Iterable[int]) -> Iterator[dict]:
    """One row per width and policy: accuracy, share of overflowed outputs, and MSE of the logits against exact sums.

    path : quantized ONNX model; x : inputs [N, C, …], float32; labels : [N]; widths : accumulator bits
    Every layer that multiplies has the same narrow accumulator, and the layers behind it see what it makes of its sums.
    An output counts as overflowed where its accumulator differs from the exact sum of the same inputs.
    """
    exact = IntegerModel.from_onnx(path)
    reference, _ = _logits(exact, x)
    for bits in widths:
        for policy in POLICIES:
            if all(step.run.bound_bits <= bits for step in exact.layers):
                logits, share = reference, 0.0
            else:
                logits, share = _logits(IntegerModel.from_onnx(path, accumulator_bits=bits, overflow=policy), x)
            yield {
                "accumulator_bits": bits,
                "policy": policy,
                "samples": len(x),
                "accuracy": float(np.mean(logits.argmax(1) == labels)),
                "overflow_share": share,
                "logits_mse": float(np.mean((logits.astype(np.float64) - reference) ** 2)),
            }


def _logits(model: IntegerModel, x: np.ndarray) -> tuple[np.ndarray, float]:
    """Logits, and the share of the layers' outputs whose accumulator overflowed."""

    def run(batch: np.ndarray) -> tuple[np.ndarray, int, int]:
        overflowed = outputs = 0

        def count(step, inputs, sums):
            nonlocal overflowed, outputs
            outputs += sums.size
            if step.run.bound_bits > step.run.accumulator.bits:
                overflowed += int(np.count_nonzero(sums != step.run.accumulate(inputs, exact=True)))

        logits = model.tensors({model.graph.inputs[0]: batch}, model.graph.outputs, count)[model.graph.outputs[0]]
        return logits, overflowed, outputs

    logits, overflowed, outputs = zip(*over_batches(run, x), strict=True)
    return np.concatenate(logits), sum(overflowed) / sum(outputs)
