"""Tables that stages hand on: gathered, drawn from, and read as ranges of activations."""

from pathlib import Path

from lib.files import concatenate
from lib.quant.ranges import read_ranges
from lib.report import tables
from tests.fuzz.target import Target

RANGES = b"calibration,tensor,low,high\nminmax,input,-1.5,2\nminmax,conv1,0,3.25\nmse,input,-1,1\n"
ACCURACY = b"workload,format,reason,accuracy\nw,,,0.1\nw,qdq,no result,\n"


def read(path: Path) -> None:
    concatenate([path, path], path.with_name("both.csv"))
    if {"calibration", "tensor", "low", "high"} <= set(tables.read(path)):
        read_ranges(path)


TARGET = Target("table.csv", [RANGES, ACCURACY], read)
