"""A float model of one's own, as a network without data and as a workload."""

from pathlib import Path

from lib import examples
from lib.arch import topology
from lib.graph import Graph
from lib.model import importing
from tests.fuzz.target import Target

MNIST = Path(__file__).parents[2] / "data/own_model/mnist.onnx"


def read(path: Path) -> None:
    topology.from_onnx(path)
    model = importing.read(path)
    size = Graph(model).shapes.get(model.graph.input[0].name, (1, 1, 8, 8))[1:]
    importing.standardized(model, path, tuple(min(side, 32) for side in size), 10 if size[-1:] == (28,) else 3)


TARGET = Target("model.onnx", [examples.float_model().read_bytes(), MNIST.read_bytes()], read)
