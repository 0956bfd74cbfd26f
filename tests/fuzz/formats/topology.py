"""Layers as SCALE-Sim reads them."""

from functools import partial

from lib.arch import topology
from tests.fuzz.target import Target, written

LAYERS = [topology.Layer("conv1", 10, 10, 3, 3, 3, 4, 1, 1), topology.Layer("fc", 1, 1, 1, 1, 16, 3, 1, 1)]
TARGET = Target("topology.csv", [written(partial(topology.write, LAYERS), ".csv")], topology.read)
