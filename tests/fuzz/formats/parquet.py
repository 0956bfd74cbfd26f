"""Costed designs."""

from functools import partial
from pathlib import Path

from lib.arch import space, technology
from tests.fuzz.formats.topology import LAYERS
from tests.fuzz.target import Target, written

AXES = {"rows": [8, 16], "cols": [8], "dataflows": ["ws"], "ifmap_kb": [8], "filter_kb": [8], "ofmap_kb": [2]}
AXES |= {"dram_gb_per_s": [1], "clock_mhz": [500]}
DESIGNS = space.evaluate(LAYERS, space.grid(AXES), technology.read(node_nm=45))


def read(path: Path) -> None:
    for _ in space.read(path):
        pass


TARGET = Target("designs.parquet", [written(partial(space.write, DESIGNS), ".parquet")], read)
