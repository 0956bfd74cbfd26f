"""What grows in this stage with the number of designs and of layers (measured by lib.bench.process)."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pandas as pd

from lib.arch import pareto, space, study, systolic, technology, topology
from lib.arch.space import every, sweep, write
from lib.files import write_csv

DESIGNS = 1000  # that each layer is costed on
CHANNELS, SIZE = 32, 16  # of each layer


def grown(axes: dict[str, list], count: int) -> dict[str, list]:
    """A design space of about `count` designs: the same dataflows, as many values between the ends of every other axis.

    Each axis is divided in equal ratios, sizes are rounded. An axis of one value has the largest.

    >>> grown({"rows": [8, 128], "dram_gb_per_s": [0.5, 4], "dataflows": ["os", "ws"]}, 24)
    {'dataflows': ['os', 'ws'], 'rows': [8, 32, 128], 'dram_gb_per_s': [0.5, 1.0, 2.0, 4.0]}
    """
    space, left = {"dataflows": axes["dataflows"]}, count / len(axes["dataflows"])
    names = [name for name in axes if name != "dataflows"]
    for open_, name in zip(range(len(names), 0, -1), names, strict=True):
        values = np.geomspace(max(axes[name]), min(axes[name]), max(1, round(left ** (1 / open_))))
        whole = all(isinstance(value, int) for value in axes[name])
        space[name] = np.unique(values.round().astype(int) if whole else values.round(6)).tolist()
        left /= len(space[name])
    return space


def cost_designs(
    size: int, topology_csv: str, technology_csv: str, node_nm: float, axes: dict[str, list], folder: str
) -> tuple[int, Callable]:
    """Cost a design space and write it.

    >>> import yaml
    >>> from lib.examples import float_model, folder
    >>> topology.write(topology.from_onnx(float_model()), folder() / "topology.csv")
    >>> axes = yaml.safe_load(Path("config.yaml").read_text())["arch"]["space"]
    >>> count, call = cost_designs(100, folder() / "topology.csv", technology.TABLE, 45, axes, folder())
    >>> count, call()  # designs, those written and those of them that can run the network
    (96, (96, 96))
    """
    layers, node = topology.read(topology_csv), technology.read(technology_csv, node_nm)
    axes = grown(axes, size)
    return len(every(axes)), lambda: write(sweep(layers, axes, node), _designs(folder, size))


def choose_designs(size: int, constraints: list[dict], folder: str) -> tuple[int, Callable]:
    """The front and the winners of the space that `cost_designs` wrote.

    >>> import yaml
    >>> from lib.examples import float_model, folder
    >>> topology.write(topology.from_onnx(float_model()), folder() / "topology.csv")
    >>> axes = yaml.safe_load(Path("config.yaml").read_text())["arch"]["space"]
    >>> _ = cost_designs(100, folder() / "topology.csv", technology.TABLE, 45, axes, folder())[1]()
    >>> count, call = choose_designs(100, [{"name": "fastest", "minimise": "latency_ms"}], folder())
    >>> call()
    >>> count, pd.read_csv(folder() / "100.csv")[["constraint", "design"]].values.tolist()
    (96, [['fastest', '8x8_ws_8-128-2kb']])
    """
    path = _designs(folder, size)

    def call():
        pareto.front(space.read(path))
        write_csv(study.winners(space.read(path), constraints), path.with_suffix(".csv"))

    return sum(map(len, space.read(path))), call


def study_designs(size: int, folder: str) -> tuple[int, Callable]:
    """Sensitivities and returns of the same space, around the winners that `choose_designs` wrote.

    >>> import yaml
    >>> from lib.examples import float_model, folder
    >>> topology.write(topology.from_onnx(float_model()), folder() / "topology.csv")
    >>> axes = yaml.safe_load(Path("config.yaml").read_text())["arch"]["space"]
    >>> _ = cost_designs(100, folder() / "topology.csv", technology.TABLE, 45, axes, folder())[1]()
    >>> choose_designs(100, [{"name": "fastest", "minimise": "latency_ms"}], folder())[1]()
    >>> count, call = study_designs(100, folder())
    >>> call()
    >>> count
    96
    """
    path = _designs(folder, size)
    winners = pd.read_csv(path.with_suffix(".csv"))

    def call():
        study.sensitivity(space.read(path), winners)
        study.returns(space.read(path), winners)

    return sum(map(len, space.read(path))), call


def _designs(folder: str, size: int) -> Path:
    return Path(folder, f"{size}.parquet")


def network(layers: int) -> onnx.ModelProto:
    """A chain of 3x3 convolutions of the same weight, each followed by a Relu.

    >>> [node.op_type for node in network(2).graph.node]
    ['Conv', 'Relu', 'Conv', 'Relu']
    """
    nodes = []
    for i in range(layers):
        nodes.append(onnx.helper.make_node("Conv", [f"x{i}", "weight"], [f"conv{i}"], f"conv{i}", pads=[1, 1, 1, 1]))
        nodes.append(onnx.helper.make_node("Relu", [f"conv{i}"], [f"x{i + 1}"]))
    first, last = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, (1, CHANNELS, SIZE, SIZE))
        for name in ("x0", f"x{layers}")
    )
    weight = onnx.numpy_helper.from_array(np.zeros((CHANNELS, CHANNELS, 3, 3), np.float32), "weight")
    graph = onnx.helper.make_graph(nodes, "deep", [first], [last], [weight])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)


def read_layers(size: int, folder: str) -> tuple[int, Callable]:
    """The topology of a network of `size` layers, from its ONNX file.

    >>> from lib.examples import folder
    >>> count, call = read_layers(3, folder())
    >>> count, [layer.name for layer in call()]
    (3, ['conv0', 'conv1', 'conv2'])
    """
    path = Path(folder, f"{size}.onnx")
    onnx.save(network(size), path)
    return size, lambda: topology.from_onnx(path)


def count_layers(size: int, folder: str) -> tuple[int, Callable]:
    """Cycles and accesses of these layers on one array, in closed form.

    >>> from lib.examples import folder
    >>> _ = read_layers(3, folder())  # writes the network
    >>> count, call = count_layers(3, folder())
    >>> count, len(call())
    (3, 3)
    """
    layers = topology.from_onnx(Path(folder, f"{size}.onnx"))
    return size, lambda: systolic.evaluate(layers, 16, 16, "ws")


def cost_layers(
    size: int, technology_csv: str, node_nm: float, axes: dict[str, list], folder: str
) -> tuple[int, Callable]:
    """The cost model for these layers on about DESIGNS designs, written as Parquet.

    >>> import yaml
    >>> from lib.examples import folder
    >>> _ = read_layers(3, folder())  # writes the network
    >>> axes = yaml.safe_load(Path("config.yaml").read_text())["arch"]["space"]
    >>> count, call = cost_layers(3, technology.TABLE, 45, axes, folder())
    >>> count, call()  # layers, designs and those of them that can run the network
    (3, (864, 792))
    """
    layers, node = topology.from_onnx(Path(folder, f"{size}.onnx")), technology.read(technology_csv, node_nm)
    axes = grown(axes, DESIGNS)
    return size, lambda: write(sweep(layers, axes, node), Path(folder, f"{size}.layers.parquet"))
