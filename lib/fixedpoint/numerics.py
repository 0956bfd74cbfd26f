"""What an array of narrow integers keeps of a network's accuracy: accumulator width times way to requantize."""

from collections.abc import Iterable, Iterator
from itertools import product

import numpy as np

from lib.fixedpoint.accumulator import Accumulator
from lib.fixedpoint.batches import cores
from lib.fixedpoint.model import IntegerModel
from lib.fixedpoint.overflow import narrowed
from lib.progress import Progress


def classes(model: IntegerModel, x: np.ndarray, threads: int | None = None) -> np.ndarray:
    """The class [N] that the model names for each input of x [N, C, …]; on all cores if `threads` is None.

    >>> from lib.examples import inputs, quantized_model
    >>> classes(IntegerModel.from_onnx(quantized_model()), inputs(4)).tolist()
    [0, 1, 1, 1]
    """
    logits = model.run({model.graph.inputs[0]: x}, threads=threads or cores())[model.graph.outputs[0]]
    return logits.argmax(axis=1)


def numerics_study(
    model: IntegerModel,
    x: np.ndarray,
    labels: np.ndarray,
    accumulator_bits: Iterable[int],
    overflow: str,
    requantization: Iterable[str],
) -> Iterator[dict]:
    """One row per combination: accuracy with all layers so.

    x : inputs [N, C, …], float32; labels : [N]
    accumulator_bits : widths; overflow : a policy of lib.fixedpoint.accumulator; requantization : modes of
        lib.fixedpoint.rescale

    Widths from the one on that no input can overflow compute the same and are run once.

    >>> from lib.examples import dataset, quantized_model
    >>> model = IntegerModel.from_onnx(quantized_model())
    >>> for row in numerics_study(model, *dataset().test(), [32, 12], "wrap", ["float32", "fixed8"]):
    ...     print(row["accumulator_bits"], row["requantization"], row["accuracy"])
    32 float32 0.3125
    32 fixed8 0.3125
    12 float32 0.21875
    12 fixed8 0.25
    """
    bound = model.bound_bits
    accuracies: dict[tuple, float] = {}
    cases = list(product(accumulator_bits, requantization))
    progress = Progress(len(cases), "combinations")
    for bits, mode in cases:
        key = min(bits, bound), mode
        if key not in accuracies:
            variant = narrowed(model.requantized(mode), Accumulator(key[0], overflow))
            accuracies[key] = float(np.mean(classes(variant, x) == labels))
        progress(f"{bits} bits, {mode}: accuracy {accuracies[key]:.4f}")
        yield {
            "accumulator_bits": bits,
            "overflow": overflow,
            "requantization": mode,
            "samples": len(x),
            "accuracy": accuracies[key],
        }
