"""Golden vectors: one layer's integers on a few samples, as files that a hardware or firmware team replays.

Every tensor is written twice: as .hex for Verilog's $readmemh and the C checker, as .npy for Python. layer.vh holds the
geometry as Verilog parameters, manifest.json says all the rest, check.c recomputes the layer from .hex and layer.vh.
"""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lib.errors import InputError
from lib.files import whole_folder, write_json
from lib.fixedpoint.lowering import Step
from lib.fixedpoint.model import IntegerModel
from lib.fixedpoint.operators.linear import Linear
from lib.fixedpoint.rescale import multiplier_and_shift
from lib.fixedpoint.window import Window

CHECKER = Path(__file__).with_name("check_vectors.c")
MULTIPLIER_BITS = 31
LAYOUT = "row-major, the last index runs fastest"
ARITHMETIC = {
    "accumulator": "bias + sum of (input - input_zero_point) * (weight - weight_zero_point), int32",
    "padding": "padded positions hold input_zero_point and so add nothing",
    "output_float32": "clip(rint(float32(accumulator) * multiplier_float32) + output_zero_point), in float32, "
    "rint rounds half to even; this is ONNX Runtime's requantization",
    "output_fixed_point": "clip(((accumulator * multiplier + 2^(shift-1)) >> shift) + output_zero_point), in 64 bits, "
    "arithmetic shift: rounds half up",
    "clip": "to the range of the output's type",
}


class Tensor(NamedTuple):
    """Values, and what each of their axes counts.

    >>> Tensor(np.int8([1, -2]), ("filter",)).axes
    ('filter',)
    """

    values: np.ndarray
    axes: tuple[str, ...] = ()


def layer_named(model: IntegerModel, name: str) -> Step:
    """The step of the layer called `name`; raises InputError with the names that exist.

    >>> from lib.examples import quantized_model
    >>> model = IntegerModel.from_onnx(quantized_model())
    >>> layer_named(model, "features").output
    'features_quantized'
    """
    layers = {step.node: step for step in model.layers}
    if name not in layers:
        raise InputError(f"{model.graph.path}: no layer is called {name!r}; there are {', '.join(layers)}")
    return layers[name]


def tensors(layer: Linear, x: np.ndarray) -> dict[str, Tensor]:
    """The layer's integers by name, for its quantized input x [B, C, *size].

    Weights are int8, or int16 where they no longer fit with their zero point subtracted. The factor M of the
    accumulators is there as float32 and as the integers of m · 2^-shift, m of 31 bits.
    Raises InputError where M is too large for that.

    >>> from lib.examples import inputs, quantized_model
    >>> model = IntegerModel.from_onnx(quantized_model())
    >>> found = tensors(layer_named(model, "logits").run, model.trace({"input": inputs(1)})["flat_quantized"])
    >>> found["accumulator"].values.tolist(), found["output_float32"].values.tolist()
    ([[50970, 35305, 7836]], [[231, 211, 73]])
    >>> (found["multiplier"].values / 2.0 ** found["shift"].values).round(6).tolist()
    [0.003816, 0.004941, 0.004541]
    """
    spatial = {2: (), 3: ("position",), 4: ("row", "column")}[x.ndim]
    weight = layer.weight.astype(np.int16)
    if np.array_equal(weight, weight.astype(np.int8)):
        weight = weight.astype(np.int8)
    multiplier = np.broadcast_to(layer.multiplier, len(weight))
    m, shift = multiplier_and_shift(multiplier, MULTIPLIER_BITS)
    output = ("sample", "filter", *spatial)
    y = layer(x)
    sums = layer.accumulate(x).reshape(len(x), *y.shape[2:], len(weight))
    in_fixed_point = replace(layer, requantization=f"fixed{MULTIPLIER_BITS}")
    return {
        "input": Tensor(x, ("sample", "channel", *spatial)),
        "weight": Tensor(weight, ("filter", "channel of the group", *(f"kernel {axis}" for axis in spatial))),
        "bias": Tensor(layer.bias, ("filter",)),
        "input_zero_point": Tensor(layer.x_zero_point),
        "weight_zero_point": Tensor(np.zeros((), weight.dtype)),
        "output_zero_point": Tensor(layer.y.zero_point),
        "multiplier_float32": Tensor(multiplier, ("filter",)),
        "multiplier": Tensor(m.astype(np.int32), ("filter",)),
        "shift": Tensor(shift.astype(np.int8), ("filter",)),
        "accumulator": Tensor(np.moveaxis(sums, -1, 1), output),
        "output_float32": Tensor(y, output),
        "output_fixed_point": Tensor(in_fixed_point(x), output),
    }


def geometry(layer: Linear, parts: dict[str, Tensor]) -> dict[str, int]:
    """The layer as a 2D convolution, in integers named for Verilog; `parts` are its tensors.

    What is 1D has height 1; a matrix product is a 1x1 convolution of an image of one pixel.

    >>> from lib.examples import inputs, quantized_model
    >>> model = IntegerModel.from_onnx(quantized_model())
    >>> layer, x = layer_named(model, "features").run, model.trace({"input": inputs(2)})["input_quantized"]
    >>> found = geometry(layer, tensors(layer, x))
    >>> [found[name] for name in ("INPUT_HEIGHT", "KERNEL_HEIGHT", "PAD_TOP", "OUTPUT_CHANNELS", "WEIGHT_BITS")]
    [8, 3, 1, 4, 8]
    """
    x, weight, y = (parts[name].values for name in ("input", "weight", "output_float32"))
    window = layer.window or Window((), {})
    axes = x.ndim - 2
    pads = window.pads(x.shape[2:])
    pairs = {
        "INPUT": x.shape[2:],
        "OUTPUT": y.shape[2:],
        "KERNEL": weight.shape[2:],
        "STRIDE": window.strides,
        "DILATION": window.dilations,
    }
    sizes = {name: (1,) * (2 - axes) + tuple(pair) for name, pair in pairs.items()}
    top, left = (0,) * (2 - axes) + pads[:axes]
    bottom, right = (0,) * (2 - axes) + pads[axes:]
    return {
        "SAMPLES": len(x),
        "GROUPS": layer.groups,
        "INPUT_CHANNELS": x.shape[1],
        "OUTPUT_CHANNELS": len(weight),
        **{f"{name}_{side}": pair[i] for name, pair in sizes.items() for i, side in enumerate(("HEIGHT", "WIDTH"))},
        **{"PAD_TOP": top, "PAD_LEFT": left, "PAD_BOTTOM": bottom, "PAD_RIGHT": right},
        "INPUT_SIGNED": int(x.dtype == np.int8),
        "OUTPUT_SIGNED": int(y.dtype == np.int8),
        "WEIGHT_BITS": 8 * weight.itemsize,
    }


def hexadecimal(values: np.ndarray) -> str:
    """Values in row-major order, one a line: two's complement, or a float's bit pattern, in digits of the full width.

    >>> hexadecimal(np.int16([10, -1])).split()
    ['000a', 'ffff']
    """
    words = np.ascontiguousarray(values).reshape(-1).view(f"u{values.itemsize}")
    return "".join(f"{word:0{2 * values.itemsize}x}\n" for word in words.tolist())


def write_vectors(folder: str | Path, model: IntegerModel, name: str, samples: np.ndarray, about: dict) -> None:
    """Write the vectors of the model's layer `name` into `folder`, whole or not at all.

    samples : the model's input, float32 [B, C, …]; about : where model and samples come from, opens the manifest
    Raises InputError where there is no such layer.

    >>> from lib.examples import folder, inputs, quantized_model
    >>> model = IntegerModel.from_onnx(quantized_model())
    >>> write_vectors(folder() / "features", model, "features", inputs(1), {"workload": "example"})
    >>> sorted(path.name for path in (folder() / "features").glob("*.hex"))[:4]
    ['accumulator.hex', 'bias.hex', 'input.hex', 'input_zero_point.hex']
    >>> print((folder() / "features" / "input_zero_point.hex").read_text(), end="")
    // input_zero_point of features: uint8, one value
    7f
    """
    step = layer_named(model, name)
    (source,) = step.inputs
    x = model.tensors({model.graph.inputs[0]: samples}, [source])[source]
    if not step.run.window:
        x = x.reshape(-1, x.shape[-1])  # every row of a matrix product counts as a sample
    parts = tensors(step.run, x)
    numbers = geometry(step.run, parts)
    y = parts["output_float32"].values
    manifest = about | {
        "layer": name,
        "operator": f"{x.ndim - 2}D convolution" if step.run.window else "matrix product",
        "samples": len(samples),
        "outputs": y.size,
        "fixed_point_differing": int(np.count_nonzero(parts["output_fixed_point"].values != y)),
        "arithmetic": ARITHMETIC,
        "padding_value": int(step.run.x_zero_point),
        "geometry": numbers,
        "layout": LAYOUT,
        "tensors": {
            part: {
                "shape": values.shape,
                "axes": axes,
                "type": str(values.dtype),
                "bits": 8 * values.itemsize,
                "signed": values.dtype.kind != "u",
            }
            for part, (values, axes) in parts.items()
        },
    }
    with whole_folder(folder) as temporary:
        for part, (values, axes) in parts.items():
            np.save(temporary / f"{part}.npy", np.array(values, order="C"))
            shape = f"[{', '.join(axes)}] = {list(values.shape)}, {LAYOUT}" if axes else "one value"
            title = f"// {part} of {name}: {values.dtype}, {shape}\n"
            (temporary / f"{part}.hex").write_text(title + hexadecimal(values))
        lines = (f"localparam {key} = {value};\n" for key, value in numbers.items())
        (temporary / "layer.vh").write_text(f"// {name} as a 2D convolution\n" + "".join(lines))
        shutil.copyfile(CHECKER, temporary / "check.c")
        files = sorted(temporary.iterdir())
        manifest["sha256"] = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
        write_json(manifest, temporary / "manifest.json")
