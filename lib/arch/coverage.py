"""Which operators of a graph run on the array, and which share of the MACs the others leave out."""

from math import prod
from pathlib import Path

import pandas as pd
from onnx import NodeProto
from pandas import DataFrame

from lib.arch.topology import maps
from lib.graph import Graph, attributes, load

# Standard operators that may multiply matrices inside.
OPAQUE = ("Attention", "If", "Loop", "Scan")


def macs(graph: Graph, node: NodeProto) -> int | None:
    """Multiply-accumulates of a node for one sample; 0 where it multiplies no matrices, None where that is unknown.

    Of ConvTranspose, those that padding crops away count too. Of an operator outside the ONNX standard, of one with
    a graph inside and where a shape is missing, nothing is known.

    >>> from lib.examples import float_model
    >>> graph = load(float_model())
    >>> {node.op_type: macs(graph, node) for node in graph.nodes}  # Conv: 8·8 pixels, 4 filters of 3·3 weights
    {'Conv': 2304, 'Relu': 0, 'GlobalAveragePool': 0, 'Flatten': 0, 'Gemm': 12}
    """

    def shape(index: int) -> tuple[int, ...]:
        return graph.shapes[node.input[index]]

    def outputs() -> int:
        return prod(graph.shapes[node.output[0]])

    if node.domain not in ("", "ai.onnx") or node.op_type in OPAQUE:
        return None
    try:
        match node.op_type:
            case "Conv" | "ConvInteger" | "DeformConv":
                return outputs() * prod(shape(1)[1:])
            case "QLinearConv":
                return outputs() * prod(shape(3)[1:])
            case "ConvTranspose":
                return prod(shape(0)) * prod(shape(1)[1:])
            case "MatMul" | "MatMulInteger" | "QLinearMatMul":
                return outputs() * shape(0)[-1]
            case "Gemm":
                return prod(shape(0)) * graph.shapes[node.output[0]][1]
            case "RNN" | "GRU" | "LSTM":
                steps, batch, _ = shape(0)
                return steps * batch * (prod(shape(1)) + prod(shape(2)))
            case "Einsum":
                return _einsum_macs(attributes(node)["equation"], [shape(i) for i in range(len(node.input))])
            case _:
                return 0
    except KeyError:
        return None


def _einsum_macs(equation: str, shapes: list[tuple[int, ...]]) -> int | None:
    """One product for each combination of indices; of three operands and more, it depends on their order."""
    terms = equation.replace(" ", "").split("->")[0].split(",")
    if "." in equation or len(terms) > 2:
        return None
    sizes = dict(zip("".join(terms), sum(shapes, ()), strict=True))
    return prod(sizes.values()) * (len(terms) - 1)


def coverage(path: str | Path) -> DataFrame:
    """One row per operator and place, those on the array first, then by MACs; nodes that make constants are left out.

    operator : ONNX name, with its domain where that is not the standard one
    nodes : how many there are
    macs : multiply-accumulates of one sample; empty where unknown
    mac_share : of all known MACs, 0…1; empty where unknown
    runs : "array" or "not on the array"
    Raises InputError as lib.graph.load.

    >>> from lib.examples import float_model
    >>> coverage(float_model())[["operator", "macs", "runs"]].head(3).values.tolist()
    [['Conv', 2304, 'array'], ['Gemm', 12, 'array'], ['Flatten', 0, 'not on the array']]
    """
    graph = load(path, weights=False)
    working = [node for node in graph.nodes if not graph.constants.issuperset(node.output)]
    nodes = DataFrame(
        {
            "operator": [":".join(filter(None, (node.domain, node.op_type))) for node in working],
            "nodes": 1,
            "macs": pd.array([macs(graph, node) for node in working], dtype="Int64"),
            "runs": ["array" if maps(graph, node) else "not on the array" for node in working],
        }
    )
    found = nodes.groupby(["runs", "operator"], as_index=False)
    # One unknown makes the sum unknown.
    table = found.agg(nodes=("nodes", "sum"), macs=("macs", lambda counts: counts.sum(skipna=False)))
    table["mac_share"] = table["macs"] / max(table["macs"].sum(), 1)
    table = table.sort_values(["runs", "macs", "operator"], ascending=[True, False, True], na_position="first")
    return table[["operator", "nodes", "macs", "mac_share", "runs"]].reset_index(drop=True)
