"""Do faults to the workflow on tiny data, see that the same command then completes it, and write what happened.

Takes about as long as six tiny runs; everything happens in a temporary folder.
"""

import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import yaml
from job import job

from lib.errors import InputError
from lib.files import write_csv, write_text
from lib.report import render
from lib.trust import faults, running

# Made by most faults, to save time; killing goes through everything.
SOME = ("results/tables/quant_errors.csv", "results/tables/bit_growth.csv", "results/tables/winners.csv")
CUT = [
    "pictures/train/red/0.png",
    "results/data/images.npz",
    "results/model/tiny_cnn_2d.pth",
    "results/model/tiny_cnn_2d.onnx",
    "results/quant/tiny_cnn_2d/ranges.csv",
    "results/quant/tiny_cnn_2d/qoperator_uint8_channel_minmax.onnx",
    "results/arch/tiny_cnn_2d/topology.csv",
    "results/arch/tiny_cnn_2d/designs.parquet",
]
DISKS_KB = [100, 400, 1000]  # too small for the files below
LONGEST = 0.1, 20  # time that a run lives at most before it is killed: share of a whole run, and [s]

with job(snakemake) as log, tempfile.TemporaryDirectory() as scratch:
    tiny, params = Path(snakemake.input.tiny).absolute(), snakemake.params

    def without_images(source: str) -> Path:
        settings = yaml.safe_load(tiny.read_text())
        settings["datasets"]["images"] = {"path": None, "source": source, "size": 16, "train": 60, "test": 60}
        path = Path(scratch, f"{source}.yaml")
        path.write_text(yaml.safe_dump(settings))
        return path

    folder = Path(scratch, "undisturbed")
    running.pictures(folder)
    snakefile, timed = Path(params.snakefile).absolute(), tuple(params.timed)
    whole = running.Workflow(folder, snakefile, tiny, ("all",), timed, snakemake.threads)
    start = time.monotonic()
    faults.completed(whole)
    seconds = time.monotonic() - start
    log.info("undisturbed: %.0f s", seconds)
    expected, some = whole.results(), replace(whole, targets=SOME)

    rows = []
    for found in (
        faults.killed(whole, expected, params.kills, min(LONGEST[0] * seconds, LONGEST[1]), params.seed),
        faults.full_disk(some, expected, DISKS_KB),
        faults.read_only(some, expected),
        faults.truncated(some, expected, CUT),
        faults.skewed_clock(some, expected),
        faults.at_once(some, expected),
        faults.missing_tools(some, expected),
        faults.no_network(some, expected, without_images),
    ):
        for row in found:
            log.info("%s", row)
            rows.append(row)
    table = pd.DataFrame(rows)
    write_csv(table, snakemake.output.table)
    context = {"table": table, "kills": params.kills, "files": len(expected), "seconds": seconds}
    write_text(render(snakemake.input.template, context), snakemake.output.page)
    if table["differing"].sum() or table["leftovers"].sum():
        raise InputError(f"not everything survived; see {snakemake.log[0]}")
