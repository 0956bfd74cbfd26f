"""Time three ways to cost layers on designs: closed form, whole cost model, SCALE-Sim; all on one thread.

They take turns, round by round in random order. An evaluation is one layer on one design; evaluations a second come
from the median of the rounds. SCALE-Sim simulates the design of the grid that takes it the fewest cycles.
"""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from job import job, labelled

from lib.arch import scalesim, space, systolic, technology, topology
from lib.bench.latency import interleaved
from lib.files import write_csv

MOST = 1 << 18  # designs that the cost model is timed on, evenly over the space
SIZES = np.arange(1, 101)  # arrays of 1x1 to 100x100 PEs, every dataflow


def closed_form(work: systolic.Work) -> None:
    """Cycles and accesses of the layers on all arrays."""
    rows, cols = (size.reshape(-1, 1) for size in np.meshgrid(SIZES, SIZES))
    for dataflow in ("os", "ws", "is"):
        systolic.count(work, rows, cols, dataflow)


with job(snakemake):
    given = snakemake.params
    layers = topology.read(snakemake.input.topology)
    figures = technology.read(snakemake.input.technology, given.node_nm)
    places = space.every(given.space)
    designs = space.grid(given.space, places[:: -(-len(places) // MOST)])
    simulated, _ = scalesim.read_designs([Path(status).parent for status in snakemake.input.status], layers)
    methods = {
        "closed form (cycles, accesses)": (3 * len(SIZES) ** 2, partial(closed_form, systolic.work(layers))),
        "whole cost model": (len(designs), partial(space.evaluate, layers, designs, figures)),
    }
    if simulated:
        quickest = min(simulated, key=lambda design: simulated[design]["scalesim_cycles"].sum())
        methods["SCALE-Sim"] = 1, partial(scalesim.simulate, layers, quickest)
    calls = [call for _, call in methods.values()]
    idle = [lambda: None] * len(calls)  # `interleaved` has a round of its own to warm up
    seconds = np.median(interleaved(calls, idle, given.rounds, np.random.default_rng(given.seed)), axis=0)

    table = pd.DataFrame({"method": list(methods), "designs": [count for count, _ in methods.values()]})
    table["layers"] = len(layers)
    table["evaluations"] = table["designs"] * len(layers)
    table["seconds"] = seconds
    table["evaluations_per_s"] = table["evaluations"] / seconds
    # Missing where SCALE-Sim failed on all designs.
    table["ratio"] = table["evaluations_per_s"] / table["evaluations_per_s"][table["method"] == "SCALE-Sim"].max()
    write_csv(labelled(table, snakemake), snakemake.output.table)
