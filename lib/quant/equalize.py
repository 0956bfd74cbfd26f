"""Cross-layer equalization: channels of consecutive layers rescaled until both layers have weights of the same range.

Through Relu, pools and the like f(x / s) = f(x) / s for s > 0: what divides output channel i of one layer may multiply
input channel i of the next, and the network computes what it did before. With r1 and r2, the largest magnitudes of
channel i in the two weights, s_i = sqrt(r1_i · r2_i) / r2_i leaves sqrt(r1_i · r2_i) in both.

Source: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019, section 4.1.
"""

import numpy as np
from onnx import ModelProto, numpy_helper

from lib.graph import ComputeLayer, Graph
from lib.quant.layer_error import channel_axis

# Positively homogeneous, each channel by itself.
HOMOGENEOUS = ("Relu", "LeakyRelu", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool")
FLATTENS = ("Flatten", "Reshape", "Squeeze")
SWEEPS = 100
TOLERANCE = 1e-4


def equalized(graph: Graph) -> Graph:
    """The float model with all `pairs` balanced; its outputs change by float rounding alone.

    Balancing a pair disturbs its neighbours; sweeps go on until no channel changes by more than `TOLERANCE`.

    >>> from lib.examples import float_graph
    >>> values = equalized(float_graph()).initializers
    >>> np.abs(values["conv_weight"]).max(axis=(1, 2, 3)).round(2), np.abs(values["fc_weight"]).max(axis=0).round(2)
    (array([1.53, 1.88, 1.41, 1.41], dtype=float32), array([1.53, 1.88, 1.41, 1.41], dtype=float32))
    """
    values = {name: array.astype(np.float64) for name, array in _stored(graph).items() if array.dtype == np.float32}
    joined = pairs(graph)
    for _ in range(SWEEPS):
        if max((_balance(graph, *pair, values) for pair in joined), default=0) < TOLERANCE:
            break
    return _with_constants(graph, {name: array.astype(np.float32) for name, array in values.items()})


def _balance(graph: Graph, first: ComputeLayer, second: ComputeLayer, values: dict[str, np.ndarray]) -> float:
    """Divide output channels of `first` by s and multiply input channels of `second` by it, in `values`.

    Returns the largest |log s|. Channels without weights in one of the layers keep their scale.
    """
    weight = np.moveaxis(values[first.weight], channel_axis(graph, first), 0)  # a view, like those below
    following = np.moveaxis(values[second.weight], channel_axis(graph, second), 0)
    channels, groups = len(weight), second.groups
    outputs = weight.reshape(channels, -1, copy=False)
    # What a flattened channel became, a block of features, counts as a kernel.
    inputs = following.reshape(groups, len(following) // groups, channels // groups, -1, copy=False)
    ranges = np.abs(outputs).max(axis=1), np.abs(inputs).max(axis=(1, 3)).reshape(channels)
    used = (ranges[0] > 0) & (ranges[1] > 0)
    scale = np.sqrt(np.divide(*ranges, where=used, out=np.ones(channels)))
    outputs /= scale[:, None]
    if first.bias:
        values[first.bias] /= scale
    inputs *= scale.reshape(groups, 1, -1, 1)
    return float(np.abs(np.log(scale)).max())


def pairs(graph: Graph) -> list[tuple[ComputeLayer, ComputeLayer]]:
    """Consecutive layers whose channels can be rescaled against each other, in graph order.

    Every tensor between them has one reader and is no output of the model, and nobody else reads their weights: in a
    residual network these are the pairs inside a block.

    >>> from lib.examples import float_graph
    >>> [(first.name, second.name) for first, second in pairs(float_graph())]
    [('features', 'logits')]
    """
    layers = [layer for layer in graph.layers if _rescalable(graph, layer)]
    readers = {layer.input: layer for layer in layers}
    found = []
    for layer in layers:
        tensor = layer.output
        while _read_once(graph, tensor) and _keeps_channels(graph, graph.consumers[tensor][0]):
            tensor = graph.consumers[tensor][0].output[0]
        if _read_once(graph, tensor) and tensor in readers:
            found.append((layer, readers[tensor]))
    return found


def _rescalable(graph: Graph, layer: ComputeLayer) -> bool:
    """Whether the channels are axis 1 of the layer's activations, and its weights are stored for it alone."""
    names = [name for name in (layer.weight, layer.bias) if name]
    own = all(name in _stored(graph) and len(graph.consumers[name]) == 1 for name in names)
    return own and (layer.op == "Conv" or len(layer.input_shape) == len(layer.weight_shape) == 2)


def _read_once(graph: Graph, tensor: str) -> bool:
    """Whether one node reads the tensor, and nobody outside the model."""
    return len(graph.consumers.get(tensor, [])) == 1 and tensor not in graph.outputs


def _keeps_channels(graph: Graph, node) -> bool:
    """Whether a factor per channel before the node is the same factor per channel, or block of features, behind it."""
    if node.op_type in FLATTENS:
        shape = graph.shapes.get(node.output[0], ())
        return len(shape) == 2 and shape[0] == 1
    return node.op_type in HOMOGENEOUS


def _stored(graph: Graph) -> dict[str, np.ndarray]:
    """The initializers of the model's file, without constants that nodes hold."""
    return {tensor.name: graph.initializers[tensor.name] for tensor in graph.model.graph.initializer}


def _with_constants(graph: Graph, values: dict[str, np.ndarray]) -> Graph:
    """The same graph with other values of the initializers that `values` names."""
    model = ModelProto()
    model.CopyFrom(graph.model)
    for tensor in model.graph.initializer:
        if tensor.name in values:
            tensor.CopyFrom(numpy_helper.from_array(values[tensor.name], tensor.name))
    return Graph(model, graph.path)
