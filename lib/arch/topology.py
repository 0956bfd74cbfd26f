"""Layers as a systolic array sees them: from an ONNX graph, and to and from SCALE-Sim's topology CSV."""

import re
from dataclasses import astuple, dataclass
from math import prod
from pathlib import Path

from onnx import NodeProto

from lib.errors import InputError
from lib.files import reading, write_text
from lib.graph import ComputeLayer, Graph, load

HEADER = "Layer name,IFMAP Height,IFMAP Width,Filter Height,Filter Width,Channels,Num Filter,Strides,Groups"


@dataclass(frozen=True)
class Layer:
    """A convolution without padding and dilation, with one stride for both axes.

    ifmap_h, ifmap_w : input size [pixels], padding included, trimmed to what is read
    filter_h, filter_w : filter size [pixels]
    channels, filters : input channels and filters of one group
    groups : independent convolutions of this size; 1 unless grouped or depthwise

    Raises InputError where a size is below 1 or the filter is larger than the input.

    >>> Layer("conv2", 18, 18, 3, 3, 32, 64, 1, 1).macs
    4718592
    """

    name: str
    ifmap_h: int
    ifmap_w: int
    filter_h: int
    filter_w: int
    channels: int
    filters: int
    stride: int
    groups: int

    def __post_init__(self):
        if min(astuple(self)[1:]) < 1:
            raise InputError(f"layer {self.name}: a size below 1 in {astuple(self)[1:]}; sizes are positive integers")
        if self.filter_h > self.ifmap_h or self.filter_w > self.ifmap_w:
            raise InputError(
                f"layer {self.name}: the {self.filter_h}x{self.filter_w} filter is larger than its padded "
                f"{self.ifmap_h}x{self.ifmap_w} input; enlarge the model's input"
            )

    @property
    def ofmap_h(self) -> int:
        """Output height [pixels]."""
        return (self.ifmap_h - self.filter_h) // self.stride + 1

    @property
    def ofmap_w(self) -> int:
        """Output width [pixels]."""
        return (self.ifmap_w - self.filter_w) // self.stride + 1

    @property
    def pixels(self) -> int:
        """Output pixels of one filter: rows of the matrix product."""
        return self.ofmap_h * self.ofmap_w

    @property
    def window(self) -> int:
        """Products summed into one output: the inner dimension of the matrix product."""
        return self.filter_h * self.filter_w * self.channels

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all groups."""
        return self.pixels * self.window * self.filters * self.groups

    @property
    def ifmap_words(self) -> int:
        """Distinct inputs that are read, padding included; a stride longer than the filter skips some."""
        read_h = (self.ofmap_h - 1) * min(self.stride, self.filter_h) + self.filter_h
        read_w = (self.ofmap_w - 1) * min(self.stride, self.filter_w) + self.filter_w
        return read_h * read_w * self.channels * self.groups

    @property
    def filter_words(self) -> int:
        """Weights of all groups."""
        return self.window * self.filters * self.groups

    @property
    def ofmap_words(self) -> int:
        """Outputs of all groups."""
        return self.pixels * self.filters * self.groups


def maps(graph: Graph, node: NodeProto) -> bool:
    """Whether the node is a layer here: it multiplies by constant weights, and all its shapes are known.

    >>> from lib.examples import float_model
    >>> graph = load(float_model())
    >>> [node.op_type for node in graph.nodes if maps(graph, node)]
    ['Conv', 'Gemm']
    """
    return graph.multiplies_weights(node) and {*node.input[:2], node.output[0]} <= graph.shapes.keys()


def from_onnx(path: str | Path) -> list[Layer]:
    """The layers of an ONNX file that multiply by constant weights, in graph order; the weights may be absent.

    1D convolutions have height 1, which leaves the matrix product and the addresses as they are. Gemm and MatMul are
    1x1 convolutions over a column of rows. Each layer's MACs equal the graph's. Layers behind an operator whose
    output shape nothing tells are left out (lib.arch.coverage lists them).
    Raises InputError where the file is damaged, an input has no fixed size, or nothing maps.

    >>> from lib.examples import float_model
    >>> for layer in from_onnx(float_model()):
    ...     print(layer)
    Layer(name='features', ifmap_h=10, ifmap_w=10, filter_h=3, filter_w=3, channels=1, filters=4, stride=1, groups=1)
    Layer(name='logits', ifmap_h=1, ifmap_w=1, filter_h=1, filter_w=1, channels=4, filters=3, stride=1, groups=1)
    """
    graph = load(path, weights=False)
    for name in graph.inputs:
        if name not in graph.shapes:
            raise InputError(f"{path}: the shape of the input {name} is unknown; fix the model's input size")
    layers = [graph.layer(node) for node in graph.nodes if maps(graph, node)]
    if not layers:
        raise InputError(
            f"{path}: no Conv, Gemm or MatMul with constant weights and known shapes; give the float or QDQ model"
        )
    return [_convolution(layer) if layer.op == "Conv" else _product(layer) for layer in layers]


def _convolution(found: ComputeLayer) -> Layer:
    batch, filters, *size = found.output_shape
    # Without a second output there is no step, without a second tap no gap.
    strides = {stride for stride, outputs in zip(found.strides, size, strict=True) if outputs > 1} or {1}
    dilated = any(gap > 1 and taps > 1 for gap, taps in zip(found.dilations, found.kernel, strict=True))
    if batch == 1 and len(size) <= 2 and len(strides) == 1 and not dilated:
        stride = strides.pop()
        ofmap_h, ofmap_w = (1, *size)[-2:]
        filter_h, filter_w = (1, *found.kernel)[-2:]
        ifmap = ((ofmap_h - 1) * stride + filter_h, (ofmap_w - 1) * stride + filter_w)
        shape = (*ifmap, filter_h, filter_w, found.weight_shape[1])
    else:
        # SCALE-Sim knows neither dilation nor two strides nor a batch. With the windows gathered beforehand (im2col)
        # the matrix product stays, and with it cycles and SRAM accesses; DRAM then holds overlaps of windows twice.
        stride = 1
        shape = (batch * prod(size[:-1]), size[-1], 1, 1, found.macs_per_output)
    return _checked(Layer(found.name, *shape, filters // found.groups, stride, found.groups), found)


def _product(found: ComputeLayer) -> Layer:
    *_, filters = found.output_shape
    groups = prod(found.weight_shape[:-2])
    rows = prod(found.output_shape) // filters // groups
    return _checked(Layer(found.name, rows, 1, 1, 1, found.macs_per_output, filters, 1, groups), found)


def _checked(layer: Layer, found: ComputeLayer) -> Layer:
    assert layer.macs == found.macs, f"{layer.name}: {layer.macs} MACs, the graph has {found.macs}"
    return layer


def write(layers: list[Layer], path: str | Path) -> None:
    """Write SCALE-Sim's topology CSV, inputs trimmed to what is read.

    SCALE-Sim drops what follows a row's last comma. The number of groups stands there: SCALE-Sim simulates one
    group, and whoever reads its reports multiplies. Commas, white space and "DP" (SCALE-Sim's mark of a layer to be
    expanded channel by channel) in names are replaced; names that occur again get underscores.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write([Layer("conv 1", 34, 34, 3, 3, 3, 32, 1, 1)], f"{folder}/topology.csv")
    ...     print(Path(folder, "topology.csv").read_text().splitlines()[1])
    conv_1,34,34,3,3,3,32,1,1
    """
    rows, names = [HEADER], set()
    for layer in layers:
        name = re.sub(r"[^\w./:-]", "_", layer.name, flags=re.ASCII).replace("DP", "Dp")
        while name in names:
            name += "_"
        names.add(name)
        # SCALE-Sim rounds the output size up where the stride leaves a remainder; the trimmed input leaves none.
        ifmap_h = (layer.ofmap_h - 1) * layer.stride + layer.filter_h
        ifmap_w = (layer.ofmap_w - 1) * layer.stride + layer.filter_w
        rows.append(",".join(map(str, (name, ifmap_h, ifmap_w, *astuple(layer)[3:]))))
    write_text("\n".join(rows) + "\n", path)


def read(path: str | Path) -> list[Layer]:
    """Read a topology CSV made by `write`; raises InputError naming the line that is malformed.

    >>> import tempfile
    >>> layers = [Layer("conv1", 34, 34, 3, 3, 3, 32, 1, 1)]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(layers, f"{folder}/topology.csv")
    ...     read(f"{folder}/topology.csv") == layers
    True
    """
    with reading(path, "a readable topology CSV"):
        header, *rows = Path(path).read_text(encoding="utf-8").splitlines()
    if header != HEADER or not rows:
        raise InputError(f"{path}: not a topology CSV with the columns {HEADER} and at least one layer")
    layers = []
    for line, row in enumerate(rows, start=2):
        name, *sizes = row.split(",")
        try:
            layers.append(Layer(name, *map(int, sizes)))
        except InputError as error:
            raise InputError(f"{path}: line {line}: {error}") from error
        except (TypeError, ValueError) as error:  # too few or too many fields, or not a number
            columns = HEADER.count(",")
            raise InputError(f"{path}: line {line}: a name and {columns} integers are needed ({error})") from error
        if name in (layer.name for layer in layers[:-1]):
            raise InputError(f"{path}: line {line}: a second layer called {name}; names tell layers apart")
    return layers
