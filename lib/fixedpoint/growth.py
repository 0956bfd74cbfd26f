"""How wide accumulators must be: by the textbook, by the weights, and by what the data do."""

import numpy as np

from lib.fixedpoint.arithmetic import accumulator_bits, signed_bits
from lib.fixedpoint.batches import over_batches
from lib.fixedpoint.model import IntegerModel
from lib.fixedpoint.operators.narrow import partial_sums


def bit_growth(model: IntegerModel, x: np.ndarray) -> list[dict]:
    """One row per layer that multiplies: K, the bits of both bounds, and the bits of the widest accumulator over x.

    x : inputs [N, C, …], float32
    observed_bits counts the final sums, observed_partial_bits also the partial ones: bias first, then product by
    product in the order of the ONNX weight layout.

    >>> from lib.examples import inputs, quantized_model
    >>> for row in bit_growth(IntegerModel.from_onnx(quantized_model()), inputs()):
    ...     print(row["layer"], row["textbook_bits"], row["weight_bound_bits"], row["observed_partial_bits"])
    features 20 18 17
    logits 18 18 17
    """

    def extremes(batch: np.ndarray) -> list[tuple[int, int, int, int]]:
        seen = {step.output: (0, 0, 0, 0) for step in model.layers}

        def note(step, inputs, sums):
            low, high, partial_low, partial_high = seen[step.output]
            lowest, highest = partial_sums(step.run, inputs)
            finals = min(low, int(sums.min())), max(high, int(sums.max()))
            seen[step.output] = *finals, min(partial_low, lowest), max(partial_high, highest)

        model.tensors({model.graph.inputs[0]: batch}, [], note)
        return list(seen.values())

    low, high, partial_low, partial_high = np.moveaxis(np.array(list(over_batches(extremes, x))), -1, 0)
    observed = zip(low.min(0), high.max(0), strict=True)
    partial = zip(partial_low.min(0), partial_high.max(0), strict=True)
    return [
        {
            "layer": step.node,
            "macs_per_output": step.run.macs_per_output,
            "textbook_bits": accumulator_bits(8, 8, step.run.macs_per_output),
            "weight_bound_bits": step.run.bound_bits,
            "observed_bits": signed_bits(*map(int, final)),
            "observed_partial_bits": signed_bits(*map(int, on_the_way)),
            "samples": len(x),
        }
        for step, final, on_the_way in zip(model.layers, observed, partial, strict=True)
    ]
