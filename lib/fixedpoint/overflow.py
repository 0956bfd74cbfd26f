"""What overflow costs: the same network with narrower accumulators, in one layer or in all, under every policy."""

from collections.abc import Iterable
from itertools import product

import numpy as np

from lib.fixedpoint.accumulator import POLICIES, Accumulator
from lib.fixedpoint.batches import over_batches
from lib.fixedpoint.model import BATCH, IntegerModel
from lib.fixedpoint.operators.linear import Linear
from lib.fixedpoint.operators.narrow import with_accumulator
from lib.progress import Progress

ALL = "all"  # in place of a layer's name: every layer is narrow


def overflow_study(model: IntegerModel, x: np.ndarray, labels: np.ndarray, widths: Iterable[int]) -> list[dict]:
    """One row per layer, width and policy: accuracy, share of overflowed outputs, and MSE of the logits.

    x : inputs [N, C, …], float32; labels : [N]; widths : accumulator bits
    Only the layer named has the narrow accumulator; in the rows of the layer "all" every layer has, and those behind
    it see what it makes of its sums. The share counts the outputs of the layer, or of all. An output counts as
    overflowed where its accumulator differs from the exact sum of the same inputs. MSE is taken against exact sums.

    >>> from lib.examples import dataset, quantized_model
    >>> rows = overflow_study(IntegerModel.from_onnx(quantized_model()), *dataset().test(), [14])
    >>> {row["policy"]: round(row["overflow_share"], 3) for row in rows if row["layer"] == ALL}
    {'saturate': 0.666, 'saturate_end': 0.451, 'wrap': 0.451}
    """
    outputs = outputs_per_sample(model, x)
    cases = list(product(outputs, widths, POLICIES))
    variants = [narrowed(model, Accumulator(bits, policy), layer) for layer, bits, policy in cases]
    return [
        {"layer": layer, "accumulator_bits": bits, "policy": policy, "samples": len(x)}
        | {"accuracy": row["accuracy"], "overflow_share": row["overflows"] / outputs[layer]}
        | {"logits_mse": row["logits_mse"]}
        for (layer, bits, policy), row in zip(cases, outcomes(model, variants, x, labels), strict=True)
    ]


def narrowed(model: IntegerModel, accumulator: Accumulator, layer: str = ALL) -> IntegerModel:
    """The model with this accumulator in one layer or in all, except where it cannot overflow.

    >>> from lib.examples import quantized_model
    >>> model = IntegerModel.from_onnx(quantized_model())
    >>> [step.run.accumulator for step in narrowed(model, Accumulator(12, "saturate"), "logits").layers]
    [Accumulator(bits=32, overflow='wrap', tile=None), Accumulator(bits=12, overflow='saturate', tile=None)]
    >>> [step.run.accumulator.bits for step in narrowed(model, Accumulator(18, "saturate")).layers]  # 18 always suffice
    [32, 32]
    """

    def change(name: str, linear: Linear) -> Linear:
        narrow = with_accumulator(name, linear, accumulator)
        return linear if narrow.fits or layer not in (ALL, name) else narrow

    return model.with_layers(change)


def outputs_per_sample(model: IntegerModel, x: np.ndarray) -> dict[str, int]:
    """How many sums each layer computes for one sample of x; under "all", which comes first, those of all layers.

    >>> from lib.examples import inputs, quantized_model
    >>> outputs_per_sample(IntegerModel.from_onnx(quantized_model()), inputs(1))
    {'all': 259, 'features': 256, 'logits': 3}
    """
    outputs = {ALL: 0}

    def count(step, _, sums):
        outputs[step.node] = sums.size
        outputs[ALL] += sums.size

    model.tensors({model.graph.inputs[0]: x[:1]}, [], count)
    return outputs


def outcomes(model: IntegerModel, variants: list[IntegerModel], x: np.ndarray, labels: np.ndarray) -> list[dict]:
    """Accuracy, overflowed accumulators per sample, and MSE of the logits against the model's, for each variant.

    >>> from lib.examples import dataset, quantized_model
    >>> model = IntegerModel.from_onnx(quantized_model())
    >>> for row in outcomes(model, [model, narrowed(model, Accumulator(14, "saturate"))], *dataset().test()):
    ...     print(row["accuracy"], row["overflows"], round(row["logits_mse"], 3))
    0.3125 0.0 0.0
    0.3125 172.59375 12.233
    """

    def run(batch: np.ndarray) -> list[tuple[np.ndarray, int, float]]:
        exact = {model.graph.inputs[0]: batch}
        for step in model.steps:
            exact[step.output] = step.run(*(exact[name] for name in step.inputs))
        sums: dict[str, np.ndarray] = {}
        return [_differences(model, exact, sums, variant) for variant in variants]

    batches, progress = [], Progress(len(x), f"samples through {len(variants)} variants")
    for batch in over_batches(run, x, BATCH):
        batches.append(batch)
        progress(parts=min(BATCH, len(x) - progress.done))
    rows = []
    for parts in zip(*batches, strict=True):
        classes, overflowed, error = zip(*parts, strict=True)
        accuracy = float(np.mean(np.concatenate(classes) == labels))
        rows.append({"accuracy": accuracy, "overflows": sum(overflowed) / len(x), "logits_mse": sum(error) / len(x)})
    return rows


def _differences(model: IntegerModel, exact: dict, sums: dict, variant: IntegerModel) -> tuple[np.ndarray, int, float]:
    """Predicted classes [B], overflowed accumulators, and the samples' mean squared errors of the logits, summed.

    exact : all tensors of the model for a batch; sums : accumulators of its layers, kept from variant to variant
    Only what differs from the model is computed.
    """
    values, overflowed = {name: exact[name] for name in model.graph.inputs}, 0
    for step, changed in zip(model.steps, variant.steps, strict=True):
        inputs = [values[name] for name in step.inputs]
        same_inputs = all(values[name] is exact[name] for name in step.inputs)
        if same_inputs and changed.run is step.run:
            values[step.output] = exact[step.output]
            continue
        parts: list[np.ndarray] = []
        narrow = isinstance(changed.run, Linear) and not changed.run.fits
        observe = {"observe": lambda _, part, parts=parts: parts.append(part)} if narrow else {}
        y = changed.run(*inputs, **observe)
        if narrow:
            if same_inputs and step.output not in sums:
                sums[step.output] = step.run.accumulate(*inputs)
            unlimited = sums[step.output] if same_inputs else step.run.accumulate(*inputs)
            overflowed += int(np.count_nonzero(np.concatenate(parts) != unlimited))
        values[step.output] = exact[step.output] if np.array_equal(y, exact[step.output]) else y
    logits, reference = values[model.graph.outputs[0]], exact[model.graph.outputs[0]]
    return logits.argmax(1), overflowed, float(np.sum(np.mean((logits.astype(np.float64) - reference) ** 2, axis=1)))
