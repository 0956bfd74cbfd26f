"""The statistics and the loops that timeloop-mapper writes."""

from pathlib import Path

from lib.arch import timeloop_mapper
from lib.errors import InputError
from tests.fuzz.target import Target

STATISTICS = (Path(__file__).parents[2] / "arch/timeloop/simple_weight_stationary.stats.txt").read_bytes()
LOOPS = b"DRAM [ Weights:864 (864) ]\n----\n| for Q in [0:8)\ncolumn [ ]\n----\n|   for M in [0:4) (Spatial-X)\n"


def read(path: Path) -> None:
    """As either of the two files, the other one being sound."""
    sound = path.with_name("sound.txt")
    sound.write_bytes(STATISTICS)
    try:
        timeloop_mapper.found(sound, path)
    except InputError:
        sound.write_bytes(LOOPS)
        timeloop_mapper.found(path, sound)


TARGET = Target("mapper.txt", [STATISTICS, LOOPS], read)
