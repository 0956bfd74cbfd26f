"""What x86 CPUs without VNNI make of uint8 activations: products added in pairs, in 16 bits that saturate.

onnxruntime's kernels for AVX2 and AVX-512 multiply uint8 by int8 with vpmaddubsw, which adds two neighbouring products
and saturates their sum to int16; vpmaddwd then adds such sums in 32 bits, without loss. Neighbours are the products 2i
and 2i + 1 in the order kernel position, then channel; a last single one stands alone. The activation is taken as it is
stored, its zero point comes off afterwards. Depthwise convolutions and int8 activations have kernels that are exact;
but QDQ graphs of int8 activations run as uint8 unless the session option session.qdqisint8allowed is 1.
Source: onnxruntime, core/mlas/lib/x86_64/QgemmU8X8KernelAvx2.S and ConvSymKernelAvx2.S,
core/providers/cpu/quantization/qlinearconv.cc.
"""

from collections.abc import Collection
from dataclasses import dataclass, fields

import numpy as np
from numba import njit

from lib.fixedpoint.arithmetic import limits
from lib.fixedpoint.batches import over_batches
from lib.fixedpoint.model import IntegerModel
from lib.fixedpoint.operators.linear import Linear


@dataclass(frozen=True)
class PairwiseLinear(Linear):
    """A Linear layer of uint8 activations and int8 weights, its products added in saturating pairs.

    >>> from lib.fixedpoint.requantize import Quantization
    >>> unit, zero = Quantization(np.float32(1), np.uint8(0)), np.zeros(1, np.int32)
    >>> given = (np.full((1, 3), 127), zero, unit.zero_point, np.float32([1]), unit, None, 1)
    >>> x = np.full((1, 3), 255, np.uint8)
    >>> Linear(*given).accumulate(x).item(), PairwiseLinear(*given).accumulate(x).item()  # 2 · 32385 becomes 32767
    (97155, 65152)
    """

    _convolution = None  # its sums are exact

    def sums(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows, zero = self.rows(x)  # int8, lower by 128 than what is multiplied
        unsigned = rows.view(np.uint8) ^ np.uint8(128)
        parts = zip(self.by_group(unsigned), self.matrices, strict=True)
        sums = np.concatenate([pairwise_product(part, weight) for part, weight in parts], axis=1)
        return sums, self.offset(zero + 128)


@njit(nogil=True, cache=True)
def pairwise_product(a, b):
    """a @ b for uint8 a [M, K] and int8 b [K, N] in int32 [M, N], neighbours along K added in saturating int16.

    >>> x = np.full((1, 3), 255, np.uint8)
    >>> pairwise_product(x, np.full((3, 1), 127, np.int8)).tolist()  # 2 · 32385 becomes 32767
    [[65152]]
    """
    depth, columns = b.shape
    sums = np.zeros((a.shape[0], columns), np.int32)
    for row in range(a.shape[0]):
        for k in range(0, depth - 1, 2):
            a0, a1 = np.int32(a[row, k]), np.int32(a[row, k + 1])
            for column in range(columns):
                pair = np.int32(np.int32(a0 * np.int32(b[k, column])) + np.int32(a1 * np.int32(b[k + 1, column])))
                pair = min(max(pair, np.int32(-32768)), np.int32(32767))
                sums[row, column] = np.int32(sums[row, column] + pair)
        if depth % 2:
            last = np.int32(a[row, depth - 1])
            for column in range(columns):
                product = np.int32(last * np.int32(b[depth - 1, column]))
                sums[row, column] = np.int32(sums[row, column] + product)
    return sums


def is_pairwise(layer: Linear) -> bool:
    """Whether onnxruntime gives the layer a kernel that adds in pairs; its weights are int8 with zero point 0.

    >>> from lib.examples import quantized_model
    >>> [is_pairwise(step.run) for step in IntegerModel.from_onnx(quantized_model()).layers]
    [True, True]
    >>> [is_pairwise(step.run) for step in IntegerModel.from_onnx(quantized_model("qdq_int8_channel_minmax")).layers]
    [False, False]
    """
    one_channel_per_filter = layer.weight.shape[1] == 1 and len(layer.weight) == layer.groups
    return layer.x_zero_point.dtype == np.uint8 and not one_channel_per_filter


def with_pairwise_adds(model: IntegerModel, layers: Collection[str] | None = None) -> IntegerModel:
    """The model as onnxruntime runs it on a CPU without VNNI; with `layers`, only those layers add in pairs.

    >>> from lib.examples import quantized_model
    >>> model = with_pairwise_adds(IntegerModel.from_onnx(quantized_model()), ["features"])
    >>> {step.node: type(step.run).__name__ for step in model.layers}
    {'features': 'PairwiseLinear', 'logits': 'Linear'}
    """

    def change(name: str, layer: Linear) -> Linear:
        if not is_pairwise(layer) or (layers is not None and name not in layers):
            return layer
        return PairwiseLinear(**{field.name: getattr(layer, field.name) for field in fields(layer)})

    return model.with_layers(change)


def saturable_pairs(layer: Linear) -> tuple[int, int]:
    """How many of a layer's pairs of weights saturate for some uint8 inputs, and how many pairs it has.

    A sum of two products is largest where positive weights meet 255 and negative ones 0. Weights of 7 bits,
    -64 … 64, stay within 2 · 64 · 255 = 32640 and cannot saturate.

    >>> from lib.examples import quantized_model
    >>> layer = IntegerModel.from_onnx(quantized_model()).layers[1].run
    >>> layer.weight.tolist()
    [[-106, 127, 113, 66], [17, -20, 94, 127], [127, 93, 25, -85]]
    >>> saturable_pairs(layer)  # 113 + 66, 94 + 127 and 127 + 93 exceed 32767 / 255 = 128.5
    (3, 6)
    """
    low, high = limits(16)
    saturable = pairs = 0
    for matrix in layer.matrices:
        weight = matrix[: len(matrix) // 2 * 2].reshape(-1, 2, matrix.shape[1]).astype(np.int32)
        largest, smallest = 255 * np.maximum(weight, 0).sum(1), 255 * np.minimum(weight, 0).sum(1)
        saturable += int(np.count_nonzero((largest > high) | (smallest < low)))
        pairs += largest.size
    return saturable, pairs


def pairwise_study(model: IntegerModel, x: np.ndarray, labels: np.ndarray) -> list[dict]:
    """What pairwise adds change: one row for the whole model ("all"), one per layer with weights that can saturate.

    x : inputs [N, C, …], float32; labels : [N]
    In a layer's row it alone adds in pairs. An accumulator differs where it is not the exact sum of the same inputs.

    >>> from lib.examples import dataset, quantized_model
    >>> for row in pairwise_study(IntegerModel.from_onnx(quantized_model()), *dataset().test()):
    ...     print(row["layer"], row["saturable_pairs"], row["differing_accumulators"], row["differing_classes"])
    all 6 628 5
    features 3 606 2
    logits 3 22 2
    """
    exact = {step.node: step.run for step in model.layers}
    found = {name: saturable_pairs(layer) for name, layer in exact.items() if is_pairwise(layer)}

    def execute(variant: IntegerModel, pairwise: Collection[str]) -> tuple[np.ndarray, int, int]:
        def run(batch: np.ndarray) -> tuple[np.ndarray, int, int]:
            accumulators = differing = 0

            def count(step, inputs, sums):
                nonlocal accumulators, differing
                if step.node in pairwise:
                    accumulators += sums.size
                    differing += int(np.count_nonzero(sums != exact[step.node].accumulate(inputs)))

            (logits,) = variant.tensors({model.graph.inputs[0]: batch}, model.graph.outputs, count).values()
            return logits.argmax(1), accumulators, differing

        classes, accumulators, differing = zip(*over_batches(run, x), strict=True)
        return np.concatenate(classes), sum(accumulators), sum(differing)

    classes, *_ = execute(model, ())
    rows = []
    for name in ("all", *(name for name, (saturable, _) in found.items() if saturable)):
        chosen = list(found) if name == "all" else [name]
        changed, accumulators, differing = execute(with_pairwise_adds(model, chosen), chosen)
        rows.append(
            {
                "layer": name,
                "samples": len(x),
                "pairs": sum(found[layer][1] for layer in chosen),
                "saturable_pairs": sum(found[layer][0] for layer in chosen),
                "accumulators": accumulators,
                "differing_accumulators": differing,
                "differing_classes": int(np.count_nonzero(changed != classes)),
                "exact_accuracy": float(np.mean(classes == labels)),
                "accuracy": float(np.mean(changed == labels)),
            }
        )
    return rows
