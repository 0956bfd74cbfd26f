"""PyTorch to ONNX: batch normalization folded, dynamic batch, pools that stay integer, names that people can read."""

import copy
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import torch
from onnx import ModelProto, NodeProto, helper
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from lib.files import whole
from lib.graph import Graph, attributes, load

OPSET = 20
IR_VERSION = 10


def fold_batch_norm(network: nn.Module) -> nn.Module:
    """A copy in evaluation mode in which each BatchNorm `bn*` has become part of its convolution `conv*`.

    w' = w * gamma / sqrt(var + eps);  b' = (b - mean) * gamma / sqrt(var + eps) + beta
    Source: Jacob et al., CVPR 2018, section 3.2.

    >>> from collections import OrderedDict
    >>> network = nn.Sequential(OrderedDict(conv1=nn.Conv1d(1, 1, 1, bias=False), bn1=nn.BatchNorm1d(1)))
    >>> _ = network.conv1.weight.data.fill_(6), network.bn1.running_mean.fill_(3), network.bn1.running_var.fill_(4)
    >>> conv = fold_batch_norm(network).conv1  # (6 x - 3) / 2
    >>> round(conv.weight.item(), 3), round(conv.bias.item(), 3)
    (3.0, -1.5)
    """
    network = copy.deepcopy(network).eval()
    for module in network.modules():
        for name, child in list(module.named_children()):
            if name.startswith("bn"):
                conv = "conv" + name.removeprefix("bn")
                setattr(module, conv, fuse_conv_bn_eval(getattr(module, conv), child))
                setattr(module, name, nn.Identity())
    return network


def global_average_pools(model: ModelProto) -> None:
    """Write each mean over all spatial axes as GlobalAveragePool, and Flatten where it drops them.

    The exporter writes ReduceMean, which ONNX Runtime's quantizer leaves in float32.

    >>> model = onnx.parser.parse_model('''<ir_version: 10, opset_import: ["": 20]>
    ...     example (float[N, 2, 4, 4] x) => (float[N, 2] y) <int64[2] axes = {2, 3}>
    ...     {y = ReduceMean <keepdims = 0> (x, axes)}''')
    >>> global_average_pools(model)
    >>> [node.op_type for node in model.graph.node]
    ['GlobalAveragePool', 'Flatten']
    """
    graph = Graph(model)
    nodes = []
    for node in graph.nodes:
        if node.op_type != "ReduceMean" or not _over_space(graph, node):
            nodes.append(node)
        elif attributes(node).get("keepdims", 1):
            nodes.append(helper.make_node("GlobalAveragePool", node.input[:1], node.output))
        else:
            pooled = node.output[0] + "_pooled"
            nodes.append(helper.make_node("GlobalAveragePool", node.input[:1], [pooled]))
            nodes.append(helper.make_node("Flatten", [pooled], node.output, axis=1))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    remove_unread(model)


def _over_space(graph: Graph, node: NodeProto) -> bool:
    """Whether a ReduceMean of opset 18 or later is over all axes but those of samples and channels."""
    if len(node.input) < 2 or node.input[0] not in graph.shapes:
        return False
    rank = len(graph.shapes[node.input[0]])
    return sorted(graph.initializers[node.input[1]] % rank) == list(range(2, rank))


def remove_unread(model: ModelProto) -> None:
    """Remove the constants that no node reads.

    >>> model = onnx.parser.parse_model('''<ir_version: 10, opset_import: ["": 20]>
    ...     example (float[1] x) => (float[1] y) <float[1] a = {1}, float[1] b = {2}> {y = Add (x, a)}''')
    >>> remove_unread(model)
    >>> [constant.name for constant in model.graph.initializer]
    ['a']
    """
    read = {name for node in model.graph.node for name in node.input}
    for constant in list(model.graph.initializer):
        if constant.name not in read:
            model.graph.initializer.remove(constant)


def _readable_names(model: ModelProto) -> None:
    """Name each multiplying node after its PyTorch module and the others after their operator.

    A node's output tensor gets the node's name, but for the graph's own outputs. The exporter's traces, which hold
    paths of source files, go.
    """
    seen, renamed = Counter(), {}
    outputs = {value.name for value in model.graph.output}
    for node in model.graph.node:
        weight = node.input[1] if len(node.input) > 1 else ""
        if weight.endswith(".weight"):
            node.name = weight.removesuffix(".weight")
        else:
            count = seen[node.op_type]
            seen[node.op_type] += 1
            node.name = node.op_type.lower() + (f"_{count}" if count else "")
        for index, name in enumerate(node.input):
            node.input[index] = renamed.get(name, name)
        if node.output[0] not in outputs:
            renamed[node.output[0]] = node.name
            node.output[0] = node.name
        del node.metadata_props[:]
        node.doc_string = ""
    del model.graph.value_info[:]
    del model.graph.metadata_props[:]
    for value in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        del value.metadata_props[:]


def to_onnx(network: nn.Module, path: str | Path, input_shape: tuple[int, ...] | None = None) -> ModelProto:
    """Export `network` to `path` with input "input" [batch, …] and output "logits" [batch, classes].

    input_shape : of one sample, channels first; by default the network's own
    Raises onnx.checker.ValidationError where the result is not a valid model.

    >>> from collections import OrderedDict
    >>> from lib.examples import folder
    >>> network = nn.Sequential(OrderedDict(flatten=nn.Flatten(), fc=nn.Linear(4, 2)))
    >>> model = to_onnx(network, folder() / "linear.onnx", input_shape=(1, 2, 2))
    >>> [(node.name, node.input[0], node.output[0]) for node in model.graph.node]
    [('reshape', 'input', 'reshape'), ('fc', 'reshape', 'logits')]
    """
    folded = fold_batch_norm(network)
    with warnings.catch_warnings():
        # torch warns about its own use of deprecated copyreg and about the absent torchvision.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            folded,
            (torch.zeros(2, *(input_shape or network.input_shape)),),
            dynamo=True,
            opset_version=OPSET,
            input_names=["input"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            verbose=False,
        )
    model = program.model_proto
    global_average_pools(model)
    _readable_names(model)
    model.ir_version = IR_VERSION
    model.producer_name, model.producer_version = "EdgeINT8-ArchKit", ""
    model = onnx.shape_inference.infer_shapes(model)
    onnx.checker.check_model(model, full_check=True)
    with whole(path) as temporary:
        onnx.save(model, temporary)
    return model


def compare(
    network: Callable[[Tensor], Tensor], path: str | Path, inputs: np.ndarray, batch: int = 1000
) -> dict[str, float]:
    """How far the ONNX model under ONNX Runtime is from the PyTorch network over `inputs` [N, …].

    Both compute in float32 but add in different orders, so that logits differ in their last digits.

    >>> from lib.examples import float_model, inputs
    >>> from lib.model.importing import read, runner
    >>> run = runner(read(float_model()))
    >>> found = compare(lambda x: run(x) + 0.5, float_model(), inputs())
    >>> round(found["max_abs_difference"], 3), found["same_class_share"]
    (0.5, 1.0)
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    difference, same = 0.0, 0
    for start in range(0, len(inputs), batch):
        x = inputs[start : start + batch]
        with torch.inference_mode():
            expected = network(torch.from_numpy(x)).numpy()
        (logits,) = session.run(["logits"], {"input": x})
        difference = max(difference, float(np.abs(logits - expected).max()))
        same += int((logits.argmax(1) == expected.argmax(1)).sum())
    return {"samples": len(inputs), "max_abs_difference": difference, "same_class_share": same / len(inputs)}


def layer_table(path: str | Path) -> pd.DataFrame:
    """The layers of the ONNX model that multiply, with shapes, multiply-accumulates of one sample, and parameters.

    >>> from lib.examples import float_model
    >>> layer_table(float_model())[["layer", "op", "output_shape", "macs", "parameters"]]
          layer    op output_shape  macs  parameters
    0  features  Conv      1x4x8x8  2304          40
    1    logits  Gemm          1x3    12          15
    """
    return pd.DataFrame(
        {
            "layer": layer.name,
            "op": layer.op,
            "input_shape": "x".join(map(str, layer.input_shape)),
            "weight_shape": "x".join(map(str, layer.weight_shape)),
            "output_shape": "x".join(map(str, layer.output_shape)),
            "macs": layer.macs,
            "parameters": layer.parameters,
        }
        for layer in load(path).layers
    )
