"""Cross-layer equalization: the same function, ranges alike, and only where nobody else sees the new scales."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lib.graph import Graph
from lib.quant.activations import logits
from lib.quant.equalize import equalized, pairs
from lib.quant.layer_error import channel_axis


def graph_of(nodes, weights, shape, outputs=("y",), rank=4):
    """A float model of `nodes` with input x [N, *shape] and outputs of `rank` axes."""
    values = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", *shape])]
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * rank) for name in outputs]
    constants = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    model = helper.make_model(
        helper.make_graph(nodes, "graph", values, results, constants),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
    )
    onnx.checker.check_model(model)
    return Graph(model)


def uneven(rng, *shape, axis=0):
    """A weight whose channels along `axis` differ by orders of magnitude."""
    scale = 10 ** rng.uniform(-2, 2, shape[axis])
    return np.float32(rng.normal(size=shape) * scale.reshape([-1 if i == axis else 1 for i in range(len(shape))]))


def names(graph):
    return [(first.name, second.name) for first, second in pairs(graph)]


def separable(rng):
    """Conv, grouped Conv, depthwise Conv, flattened into a Gemm with its weight either way round."""
    nodes = [
        helper.make_node("Conv", ["x", "w0", "b0"], ["c0"], "conv0", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c0"], ["r0"]),
        helper.make_node("Conv", ["r0", "w1"], ["c1"], "conv1", group=2),
        helper.make_node("LeakyRelu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], "depthwise", group=6),
        helper.make_node("MaxPool", ["c2"], ["p2"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p2"], ["f2"]),
        helper.make_node("Gemm", ["f2", "w3", "b3"], ["g3"], "fc3"),
        helper.make_node("Relu", ["g3"], ["r3"]),
        helper.make_node("Gemm", ["r3", "w4"], ["y"], "fc4", transB=1),
    ]
    weights = {
        "w0": uneven(rng, 4, 3, 3, 3),
        "b0": uneven(rng, 4),
        "w1": uneven(rng, 6, 2, 3, 3),
        "w2": uneven(rng, 6, 1, 3, 3),
        "b2": uneven(rng, 6),
        "w3": uneven(rng, 24, 5),
        "b3": uneven(rng, 5),
        "w4": uneven(rng, 3, 5, axis=1),
    }
    return graph_of(nodes, weights, (3, 8, 8), rank=2)


@pytest.mark.parametrize("model", ["signal_model", "tiny_model", "resnet_model", "dscnn_model"])
def test_networks_compute_the_same(request, model):
    model = request.getfixturevalue(model)
    graph = Graph(onnx.load(model.path))
    x, _ = model.dataset.test(64)
    exact, found = logits(graph.model, x), equalized(graph)
    np.testing.assert_allclose(logits(found.model, x), exact, atol=1e-5 * np.abs(exact).max())
    for _, second in pairs(graph):
        assert not np.array_equal(graph.initializers[second.weight], found.initializers[second.weight])


def test_groups_and_flattened_channels_compute_the_same():
    rng = np.random.default_rng(0)
    graph = separable(rng)
    assert names(graph) == [("conv0", "conv1"), ("conv1", "depthwise"), ("depthwise", "fc3"), ("fc3", "fc4")]
    x = rng.normal(size=(16, 3, 8, 8)).astype(np.float32)
    exact = logits(graph.model, x)
    np.testing.assert_allclose(logits(equalized(graph).model, x), exact, atol=1e-5 * np.abs(exact).max())


def test_channels_of_a_pair_have_the_same_range_in_both_weights(tiny_model):
    graph = equalized(Graph(onnx.load(tiny_model.path)))
    assert names(graph) == [("conv1", "conv2"), ("conv2", "conv3"), ("conv3", "fc")]
    for first, second in pairs(graph):
        outputs = np.moveaxis(graph.initializers[first.weight], channel_axis(graph, first), 0)
        inputs = np.moveaxis(graph.initializers[second.weight], 1, 0)
        ranges = [np.abs(weight).reshape(len(weight), -1).max(axis=1) for weight in (outputs, inputs)]
        np.testing.assert_allclose(*ranges, rtol=1e-3)


def test_residual_networks_are_equalized_inside_their_blocks(resnet_model):
    graph = Graph(onnx.load(resnet_model.path))
    assert names(graph) == [(f"block{block}.conv1", f"block{block}.conv2") for block in (1, 2, 3)]


def test_shared_weights_outputs_of_the_model_and_other_operators_are_left_alone():
    rng = np.random.default_rng(0)
    weights = {"w": uneven(rng, 4, 4, 1, 1), "v": uneven(rng, 4, 4, 1, 1)}
    conv = [helper.make_node("Conv", [x, w], [y], y) for x, w, y in [("x", "w", "a"), ("h", "v", "y")]]
    for operator in ("Relu", "Sigmoid"):
        between = helper.make_node(operator, ["a"], ["h"])
        inside, exposed = (
            graph_of([conv[0], between, conv[1]], weights, (4, 2, 2), out) for out in (["y"], ["y", "a"])
        )
        assert names(inside) == ([("a", "y")] if operator == "Relu" else [])
        assert names(exposed) == []
    shared = [conv[0], helper.make_node("Relu", ["a"], ["h"]), helper.make_node("Conv", ["h", "w"], ["y"], "y")]
    assert names(graph_of(shared, {"w": weights["w"]}, (4, 2, 2))) == []


def test_dead_channels_keep_their_scale():
    rng = np.random.default_rng(0)
    weights = {"w": uneven(rng, 4, 3, 1, 1), "v": uneven(rng, 2, 4, 1, 1, axis=1)}
    weights["w"][0], weights["v"][:, 1] = 0, 0
    nodes = [helper.make_node("Conv", ["x", "w"], ["a"], "a"), helper.make_node("Conv", ["a", "v"], ["y"], "y")]
    graph = graph_of(nodes, weights, (3, 2, 2))
    found = equalized(graph).initializers
    np.testing.assert_array_equal(found["w"][:2], weights["w"][:2])
    np.testing.assert_array_equal(found["v"][:, :2], weights["v"][:, :2])
