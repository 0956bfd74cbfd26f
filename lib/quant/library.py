"""The same networks quantized by a public library, Brevitas, with the same samples: a yardstick for our own techniques.

Chosen because it brings the strongest weight rounding of the field for convolutions (GPTQ, Qronos), equalization
and bias correction at any width, in plain PyTorch on a CPU. Weights are symmetric with a scale per channel, and layer
inputs unsigned with a zero point, the network's own of 8 bits, all as in lib.quant.low_bit. What differs: biases and
tensors that no layer multiplies stay in float32, which makes it a little easier, and accuracy is measured in the
library's own fake quantization.
"""

from collections.abc import Iterable, Iterator
from copy import deepcopy
from functools import partial
from importlib.metadata import version
from itertools import product

import numpy as np
import torch
from brevitas.fx import value_trace
from brevitas.graph.calibrate import bias_correction_mode, calibration_mode
from brevitas.graph.gpfq import gpfq_mode
from brevitas.graph.gptq import gptq_mode
from brevitas.graph.qronos import Qronos
from brevitas.graph.quantize import layerwise_quantize, preprocess_for_quantize
from brevitas.inject import value
from brevitas.nn import QuantConv1d, QuantConv2d, QuantLinear
from brevitas.quant import Int8WeightPerChannelFloatMSE, ShiftedUint8ActPerTensorFloatMSE
from torch import Tensor, nn

from lib.model.export import fold_batch_norm
from lib.progress import Progress
from lib.quant.accuracy import measured, points_lost

BATCH = 256
ROUNDINGS = {  # Frantar et al., "GPTQ", ICLR 2023; Zhang et al., "Qronos", 2025
    "GPTQ": partial(gptq_mode, act_order=True),
    "Qronos": partial(gpfq_mode, act_order=True, algorithm_impl=Qronos),
}


def quantized(network: nn.Module, inputs: Tensor, weight_bits: int, activation_bits: int, rounding: str) -> nn.Module:
    """The network after equalization, calibration, `rounding` of the weights and bias correction, as the library does.

    network : with batch normalization folded; inputs : calibration samples [N, C, …]; rounding : of ROUNDINGS

    >>> from lib.model.networks import SeparableBlock
    >>> x = torch.linspace(-1, 1, 64).reshape(1, 4, 4, 4)
    >>> block = fold_batch_norm(SeparableBlock(4))
    >>> weight = quantized(block, x, weight_bits=4, activation_bits=8, rounding="GPTQ").conv_pointwise.quant_weight()
    >>> int(weight.bit_width), weight.scale.shape, int(weight.int().abs().max())
    (4, torch.Size([4, 1, 1, 1]), 7)
    """
    batches = inputs.split(BATCH)
    model = value_trace(network, value_args={"x": batches[0]})
    model = preprocess_for_quantize(model, trace_model=False, equalize_iters=20, merge_bn=False)

    @value
    def input_bits(module: nn.Module) -> int:
        first = getattr(module, "in_channels", None) == inputs.shape[1]
        return 8 if first else activation_bits

    operands = {
        "weight_quant": Int8WeightPerChannelFloatMSE.let(bit_width=weight_bits),
        "input_quant": ShiftedUint8ActPerTensorFloatMSE.let(bit_width=input_bits),
        "bias_quant": None,
        "return_quant_tensor": False,
    }
    layers = {nn.Conv1d: QuantConv1d, nn.Conv2d: QuantConv2d, nn.Linear: QuantLinear}
    model = layerwise_quantize(model, {plain: (layer, operands) for plain, layer in layers.items()}).eval()
    with torch.no_grad():
        with calibration_mode(model):
            for batch in batches:
                model(batch)
        model(batches[0])  # makes the scales of the weights
        with ROUNDINGS[rounding](model) as optimizer:
            for _ in range(optimizer.num_layers):
                for batch in batches:
                    optimizer.model(batch)
                optimizer.update()
        with bias_correction_mode(model):
            for batch in batches:
                model(batch)
    return model


def library_study(
    network: nn.Module,
    inputs: np.ndarray,
    x: np.ndarray,
    labels: np.ndarray,
    widths: Iterable[tuple[int, int]],
    roundings: Iterable[str],
) -> Iterator[dict]:
    """One row for each of `widths` and `roundings`: accuracy on x [N, C, …] and its labels [N].

    network : trained; inputs : calibration samples, normalized as x is; widths : bits of weights and of activations;
    roundings : of ROUNDINGS

    >>> from lib.model.networks import build
    >>> x, network = np.linspace(-1, 1, 32, dtype=np.float32).reshape(4, 1, 8), build("signal_cnn_1d", 5).eval()
    >>> labels = predicted(network, torch.from_numpy(x))
    >>> (row,) = library_study(network, x, x, labels, [(8, 8)], ["GPTQ"])
    >>> row["technique"], row["accuracy"]
    ('equalization, GPTQ, bias correction', 1.0)
    """
    network, inputs, x = fold_batch_norm(network), torch.from_numpy(inputs), torch.from_numpy(x)
    float32_right = predicted(network, x) == labels
    cases = list(product(widths, roundings))
    progress = Progress(len(cases), "models")
    for (weight_bits, activation_bits), rounding in cases:
        model = quantized(deepcopy(network), inputs, weight_bits, activation_bits, rounding)
        right = predicted(model, x) == labels
        progress(f"w{weight_bits}a{activation_bits}, {rounding}: accuracy {right.mean():.4f}")
        yield {
            "library": "Brevitas",
            "version": version("brevitas"),
            "weight_bits": weight_bits,
            "activation_bits": activation_bits,
            "technique": f"equalization, {rounding}, bias correction",
            **measured(right),
            "loss_points": points_lost(float32_right, right),
        }


def predicted(network: nn.Module, x: Tensor) -> np.ndarray:
    """The class [N] that the network names for each input.

    >>> predicted(nn.Identity(), torch.tensor([[0.1, 0.9], [0.8, 0.2]]))
    array([1, 0])
    """
    with torch.inference_mode():
        return torch.cat([network(part).argmax(1) for part in x.split(BATCH)]).numpy()
