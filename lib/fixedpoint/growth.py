"""How wide accumulators must be: by the textbook, by the weights, and by what the data do."""

import numpy as np

from lib.fixedpoint.arithmetic import accumulator_bits, signed_bits
from lib.fixedpoint.batches import over_batches
from lib.fixedpoint.model import IntegerModel


def bit_growth(model: IntegerModel, x: np.ndarray) -> list[dict]:
    """One row per layer that multiplies: K, the bits of both bounds, and the bits of the widest accumulator over x.

    x : inputs [N, C, …], float32
    """

    def extremes(batch: np.ndarray) -> list[tuple[int, int]]:
        seen = {step.output: (0, 0) for step in model.layers}

        def note(step, _, sums):
            low, high = seen[step.output]
            seen[step.output] = min(low, int(sums.min())), max(high, int(sums.max()))

        model.tensors({model.graph.inputs[0]: batch}, [], note)
        return list(seen.values())

    lows, highs = np.moveaxis(np.array(list(over_batches(extremes, x))), -1, 0)
    return [
        {
            "layer": step.node,
            "macs_per_output": step.run.macs_per_output,
            "textbook_bits": accumulator_bits(8, 8, step.run.macs_per_output),
            "weight_bound_bits": step.run.bound_bits,
            "observed_bits": signed_bits(int(low), int(high)),
            "samples": len(x),
        }
        for step, low, high in zip(model.layers, lows.min(0), highs.max(0), strict=True)
    ]
