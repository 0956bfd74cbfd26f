"""An ONNX file of one's own in the form that all stages rely on, computing what it computed.

One opset, constants folded, batch normalization and added constants made part of their layers, any number of samples
at once, a name for every node, logits as the output. Folding is that of ONNX Runtime's basic graph optimizations.
"""

import logging
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import AttributeProto, ModelProto, TensorProto, helper, inliner, numpy_helper, version_converter
from torch import Tensor

from lib.errors import InputError
from lib.files import reading
from lib.graph import Graph, Shape
from lib.model.export import IR_VERSION, OPSET, compare, global_average_pools, remove_unread

log = logging.getLogger(__name__)

# Behind the logits: they choose no other class, and integer hardware leaves them out.
DECISIONS = {"Softmax", "LogSoftmax", "ArgMax", "Identity"}
QUANTIZED = re.compile("QuantizeLinear|^QLinear|Integer$")
SAME_CLASS = 0.99  # share of samples; another form of the same model leaves rare ties to rounding, no more


def read(path: str | Path) -> ModelProto:
    """The float model in a file up to its logits, its weights included; external data from its own folder alone.

    Raises InputError where the file is damaged, quantized or not of the ONNX standard, has NaN among its weights, or
    more than one input or output.

    >>> from lib.examples import float_model, folder
    >>> model = onnx.load(float_model())
    >>> model.graph.node.extend([helper.make_node("Softmax", ["logits"], ["shares"])])
    >>> model.graph.output[0].name = "shares"
    >>> onnx.save(model, folder() / "shares.onnx")
    >>> read(folder() / "shares.onnx").graph.output[0].name
    'logits'
    """
    with reading(path, "a valid ONNX model", "export it again"):
        model = onnx.load(path)
        onnx.checker.check_model(model)
        if model.functions:
            model = inliner.inline_local_functions(model)
        constants = Graph(model).initializers
    for node in model.graph.node:
        about = f"{path}: node {node.name or node.output[0]!r} ({node.op_type})"
        if node.domain not in ("", "ai.onnx"):
            raise InputError(f"{about} is of {node.domain}, not of the ONNX standard; export the model without it")
        if QUANTIZED.search(node.op_type):
            raise InputError(f"{about}: the model is quantized; give the float model")
        if any(attribute.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS) for attribute in node.attribute):
            raise InputError(f"{about}: control flow is not supported; export the model without it")
    for name, values in constants.items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise InputError(f"{path}: weight {name!r} holds NaN or infinity; train or export the model again")
    # Before IR version 4 constants had to be listed as inputs, too.
    inputs = [value for value in model.graph.input if value.name not in constants]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    model.ir_version = max(model.ir_version, 4)
    if len(inputs) != 1 or len(model.graph.output) != 1:
        found = (", ".join(value.name for value in values) for values in (inputs, model.graph.output))
        raise InputError(f"{path}: input {next(found)} and output {next(found)}; a workload has one of each")
    if inputs[0].type.tensor_type.elem_type != TensorProto.FLOAT:
        raise InputError(f"{path}: the input {inputs[0].name!r} is not float32; export the model with one that is")
    _end_at_logits(model)
    return model


def _end_at_logits(model: ModelProto) -> None:
    """Cut off what turns logits into probabilities or a class."""
    graph = Graph(model)
    while (node := graph.producer.get(model.graph.output[0].name)) is not None and node.op_type in DECISIONS:
        log.info("%s (%s) is left out; the model ends before it", node.name, node.op_type)
        model.graph.node.remove(node)
        del model.graph.output[:]
        model.graph.output.append(helper.make_tensor_value_info(node.input[0], TensorProto.FLOAT, None))


def standardized(given: ModelProto, path: str | Path, sample: Shape, classes: int) -> ModelProto:
    """A model from `read` with input "input" [batch, *sample], output "logits" [batch, classes], and opset 20.

    path : of its file, for messages; sample, classes : what the data set has
    Raises InputError where the model takes samples of another size, has another number of outputs, or is beyond the
    tools that rewrite it.

    >>> from lib.examples import float_model
    >>> model = standardized(read(float_model()), float_model(), sample=(1, 8, 8), classes=3)
    >>> [size.dim_param or size.dim_value for size in model.graph.input[0].type.tensor_type.shape.dim]
    ['batch', 1, 8, 8]
    """
    model = ModelProto()
    model.CopyFrom(given)
    batch = _fix_sizes(model, path, sample)
    try:
        if next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")) != OPSET:
            model = version_converter.convert_version(model, OPSET)
        model = folded(model)
        _free_batch(model, batch)
        global_average_pools(model)
        _flat_biases(model)
        _flat_output(model)
        rename(model)
        model = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # as above
        reason = f"cannot be brought to opset {OPSET} and any number of samples ({_reason(error)})"
        raise InputError(f"{path}: {reason}; export it so, for example with torch.onnx.export") from error
    logits = Graph(model).shapes.get("logits", ())
    if logits != (1, classes):
        raise InputError(f"{path}: outputs of shape {list(logits)} do not fit a data set of {classes} classes")
    return model


def _fix_sizes(model: ModelProto, path: str | Path, sample: Shape) -> int:
    """Give the input the data set's size; returns the number of samples that the model takes, 1 if that is free."""
    sizes = model.graph.input[0].type.tensor_type.shape.dim
    taken = [size.dim_value or None for size in sizes]
    if len(taken) != 1 + len(sample) or any(n not in (None, m) for n, m in zip(taken[1:], sample, strict=True)):
        shapes = ["x".join(str(n or "any") for n in shape) for shape in (taken[1:], sample)]
        raise InputError(
            f"{path}: the model takes samples of {shapes[0]}, the data set has {shapes[1]} (channels first); "
            "set size and channels of the data set, or export the model for that size"
        )
    for size, value in zip(sizes, (taken[0] or 1, *sample), strict=True):
        size.dim_value = value
    return taken[0] or 1


def folded(model: ModelProto) -> ModelProto:
    """The model after ONNX Runtime's basic optimizations, which keep to the standard's operators.

    Constants are folded; BatchNormalization, Mul and Add of constants become part of the layer in front of them.

    >>> model = onnx.parser.parse_model('''<ir_version: 10, opset_import: ["": 20]>
    ...     example (float[1] x) => (float[1] y) <float[1] a = {1}, float[1] b = {2}>
    ...     {c = Add (a, b) y = Mul (x, c)}''')
    >>> [node.op_type for node in folded(model).graph.node]
    ['Mul']
    """
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(Path(folder, "model.onnx"))
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return onnx.load(options.optimized_model_filepath)


def _free_batch(model: ModelProto, batch: int) -> None:
    """Let a model made for `batch` samples take any number: a Reshape copies the first axis instead of naming it."""
    constants = Graph(model).initializers
    for index, node in enumerate(model.graph.node):
        if node.op_type == "Reshape" and constants.get(node.input[1], np.zeros(0))[:1] == [batch]:
            shape = np.concatenate([[0], constants[node.input[1]][1:]])
            node.input[1] = f"{node.input[1]} of any batch {index}"
            del node.attribute[:]  # allowzero, by which 0 would mean no samples at all
            model.graph.initializer.append(numpy_helper.from_array(shape, node.input[1]))
    del model.graph.value_info[:]
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    model.graph.output[0].type.tensor_type.ClearField("shape")


def _flat_biases(model: ModelProto) -> None:
    """Store the bias of each Gemm as one number an output, [outputs], the one shape that quantizers know."""
    graph = Graph(model)
    for node in graph.nodes:
        bias = graph.initializers.get(node.input[2]) if node.op_type == "Gemm" and len(node.input) > 2 else None
        if bias is not None and bias.ndim != 1:
            outputs = graph.shapes[node.output[0]][1]
            node.input[2] += " flat"
            flat = np.ascontiguousarray(np.broadcast_to(bias, (1, outputs))[0])
            model.graph.initializer.append(numpy_helper.from_array(flat, node.input[2]))


def _flat_output(model: ModelProto) -> None:
    """Add a Flatten where the logits have axes of length 1 behind the classes, as after a global average pool."""
    output = model.graph.output[0]
    shape = Graph(model).shapes.get(output.name, ())
    if len(shape) > 2 and set(shape[2:]) == {1}:
        model.graph.node.append(helper.make_node("Flatten", [output.name], [output.name + " flat"], axis=1))
        output.name += " flat"


def rename(model: ModelProto) -> None:
    """Call nodes and tensors by names of their own that fit file names, a node's output like the node.

    Nodes keep their names as far as possible; one without is called after its operator. What the exporter wrote about
    itself goes.

    >>> model = onnx.parser.parse_model('''<ir_version: 10, opset_import: ["": 20]>
    ...     example (float[1] "x:0") => (float[1] "y:0") {"a/b" = Relu ("x:0") "y:0" = Neg ("a/b")}''')
    >>> rename(model)
    >>> [(node.name, *node.input, *node.output) for node in model.graph.node]
    [('relu', 'input', 'relu'), ('neg', 'relu', 'logits')]
    """
    graph = model.graph
    graph.doc_string = ""
    names = {graph.input[0].name: "input", graph.output[0].name: "logits", "": ""}
    taken = set(names.values())

    def unique(wanted: str, kind: str) -> str:
        stem = re.sub(r"[^\w.-]+", "_", wanted, flags=re.ASCII).strip("_.-") or kind.lower()
        name = next(name for name in (stem, *(f"{stem}_{n}" for n in range(1, len(taken) + 2))) if name not in taken)
        taken.add(name)
        return name

    remove_unread(model)
    for constant in graph.initializer:
        names[constant.name] = constant.name = unique(constant.name, "constant")
    for node in graph.node:
        node.name = unique(re.sub(r"/\w*Fusion\w*$", "", node.name), node.op_type)
        for index, output in enumerate(node.output):
            names.setdefault(output, unique(f"{node.name}_{index}", node.op_type) if index else node.name)
        for tensors in (node.input, node.output):
            tensors[:] = [names[name] for name in tensors]
        node.doc_string = ""
        del node.metadata_props[:]
    for value in (graph.input[0], graph.output[0]):
        value.name = names[value.name]
    model.ir_version, model.producer_name, model.producer_version = IR_VERSION, "EdgeINT8-ArchKit", ""
    del model.metadata_props[:], model.opset_import[:]
    model.opset_import.append(helper.make_opsetid("", OPSET))


def runner(model: ModelProto) -> Callable[[Tensor], Tensor]:
    """What a model from `read` computes, as a function of inputs [N, …]: logits [N, classes].

    Where the model takes a fixed number of samples it gets so many at a time, the last ones filled up.

    >>> from lib.examples import float_model, inputs
    >>> runner(read(float_model()))(torch.from_numpy(inputs(2))).round(decimals=1)
    tensor([[ 6.1000,  5.5000,  1.1000],
            [ 4.4000,  5.0000, -0.8000]])
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    (taken,) = session.get_inputs()
    size = taken.shape[0] if isinstance(taken.shape[0], int) else None

    def run(x: Tensor) -> Tensor:
        found = []
        for part in x.split(size or len(x)):
            filled = np.resize(part.numpy(), (size or len(part), *part.shape[1:]))
            found.append(session.run(None, {taken.name: filled})[0])
        return torch.from_numpy(np.concatenate(found)[: len(x)].reshape(len(x), -1))

    return run


def agreement(given: ModelProto, path: str | Path, inputs: np.ndarray) -> dict[str, float]:
    """How far the model at `path` is from the one from `read` that it was made of, as lib.model.export.compare.

    Raises InputError where the two disagree about more than one class in a hundred.

    >>> from lib.examples import float_model, inputs
    >>> agreement(read(float_model()), float_model(), inputs())
    {'samples': 16, 'max_abs_difference': 0.0, 'same_class_share': 1.0}
    """
    found = compare(runner(given), path, inputs)
    if found["same_class_share"] < SAME_CLASS:
        share = f"the same class for {found['same_class_share']:.1%} of the test samples only"
        raise InputError(f"{path}: {share} as the file it was made of; export that with opset {OPSET} and a free batch")
    return found


def _reason(error: Exception) -> str:
    """The first line of an error's message."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
