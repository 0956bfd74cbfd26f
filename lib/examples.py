"""A small data set and small models for the examples in docstrings and for a first try in a notebook.

Everything is made on the spot and the same every time; nothing is trained, so accuracies mean nothing.
"""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import onnx
from PIL import Image

from lib.data.dataset import Dataset
from lib.graph import Graph, load
from lib.quant import low_bit, ptq
from lib.quant.activations import logits
from lib.quant.low_bit import LowBitModel
from lib.quant.ranges import Observed, observed
from lib.quant.scheme import Scheme

NETWORK = """
<ir_version: 10, opset_import: ["" : 20]>
example (float[N, 1, 8, 8] input) => (float[N, 3] logits) {
    features = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (input, conv_weight, conv_bias)
    rectified = Relu (features)
    pooled = GlobalAveragePool (rectified)
    flat = Flatten (pooled)
    logits = Gemm <transB = 1> (flat, fc_weight, fc_bias)
}
"""
SHAPES = {"conv_weight": (4, 1, 3, 3), "conv_bias": (4,), "fc_weight": (3, 4), "fc_bias": (3,)}


def dataset(samples: int = 32) -> Dataset:
    """Grey pictures [samples, 1, 8, 8] of three classes, stripes of three widths in noise, for training and for test.

    >>> dataset().train_x.shape, dataset().classes
    ((32, 1, 8, 8), ('narrow', 'middle', 'wide'))
    """
    rng = np.random.default_rng(0)
    labels = np.arange(2 * samples) % 3
    stripes = np.sin(2 * np.pi * np.arange(8) / (2.0 * 2 ** labels[:, None]) + 0.5)[:, None, None, :]
    pictures = np.clip(128 + 60 * stripes + rng.normal(0, 30, (2 * samples, 1, 8, 8)), 0, 255).astype(np.uint8)
    train, test = np.split(pictures, 2)
    mean, std = (np.array([value], np.float32) for value in (train.mean(), train.std()))
    return Dataset(train, labels[:samples], test, labels[samples:], mean, std, ("narrow", "middle", "wide"), "stripes")


def inputs(samples: int = 16) -> np.ndarray:
    """Normalized test samples [samples, 1, 8, 8], float32, as the models take them.

    >>> inputs(4).shape
    (4, 1, 8, 8)
    """
    return dataset().test(samples)[0]


@cache
def folder() -> Path:
    """A temporary folder for what the examples write, removed at the end of the process.

    >>> (folder() / "notes.txt").write_text("here until the process ends")
    27
    """
    path = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


@cache
def float_model() -> Path:
    """A convolution, Relu, global average pool and fully connected layer as an ONNX file, from `input` to `logits`.

    >>> [node.op_type for node in onnx.load(float_model()).graph.node]
    ['Conv', 'Relu', 'GlobalAveragePool', 'Flatten', 'Gemm']
    """
    rng = np.random.default_rng(0)
    model = onnx.parser.parse_model(NETWORK)
    for name, shape in SHAPES.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name))
    for node in model.graph.node:
        node.name = node.output[0]
    path = folder() / "float.onnx"
    onnx.save(model, path)
    return path


@cache
def float_graph() -> Graph:
    """The float model as lib.graph reads it; its layers are called `features` and `logits`.

    >>> [(layer.name, layer.weight_shape) for layer in float_graph().layers]
    [('features', (4, 1, 3, 3)), ('logits', (3, 4))]
    """
    return load(float_model())


@cache
def observations() -> dict[str, Observed]:
    """What calibration with `inputs` knows of every tensor of the float model.

    >>> [round(float(limit), 2) for limit in observations()["input"].limits]
    [-2.67, 2.71]
    """
    graph = float_graph()
    return observed(graph, inputs(), [*graph.inputs, *graph.producer])


@cache
def quantized_model(scheme: str = "qoperator_uint8_channel_minmax") -> Path:
    """The float model in INT8 as an ONNX file, by one of the schemes of lib.quant.scheme.

    >>> [node.op_type for node in onnx.load(quantized_model()).graph.node][:2]
    ['QuantizeLinear', 'QLinearConv']
    """
    chosen = Scheme.parse(scheme)
    how = chosen.calibration.replace("percentile", "percentile 99.9")
    path = folder() / f"{scheme}.onnx"
    ranges = {name: seen.range(how) for name, seen in observations().items()}
    ptq.save(ptq.quantize(float_graph(), ranges, chosen), path)
    return path


def low_bit_model(weight_bits: int = 4, activation_bits: int = 8) -> LowBitModel:
    """The float model with weights and multiplied activations of 2 to 8 bits, rounded to nearest within the extremes.

    >>> low_bit_model().weights["logits"].integers.tolist()
    [[-6, 7, 6, 4], [1, -1, 5, 7], [7, 5, 1, -5]]
    """
    graph = float_graph()
    ranges = {tensor: seen.limits for tensor, seen in observations().items()}
    weights = {layer.name: weight_bits for layer in graph.layers}
    return low_bit.quantize(graph, ranges, low_bit.activation_bits(graph, activation_bits), weights)


def agrees(model: onnx.ModelProto) -> np.ndarray:
    """Whether a model names the class that the float model names, for each of `inputs`, bool [16].

    >>> float(agrees(low_bit_model(weight_bits=2).to_onnx()).mean())
    0.8125
    """
    return logits(model, inputs()).argmax(axis=1) == logits(float_graph().model, inputs()).argmax(axis=1)


@cache
def pictures() -> Path:
    """The pictures of the data set as a folder of train/<class>/*.png and test/<class>/*.png.

    >>> sorted(path.name for path in (pictures() / "test").iterdir())
    ['middle', 'narrow', 'wide']
    """
    data, path = dataset(), folder() / "pictures"
    for split, x, y in (("train", data.train_x, data.train_y), ("test", data.test_x, data.test_y)):
        for index, (picture, label) in enumerate(zip(x, y, strict=True)):
            file = path / split / data.classes[label] / f"{index}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture[0]).save(file)
    return path
