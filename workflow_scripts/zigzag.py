"""Let ZigZag search mappings of a network's layers on the recommended design, and put our costs beside.

ZigZag's model also costs our own loop order: what that costs differently is the models' difference, what a searched
mapping saves on it is the search's gain.
"""

import sys
from pathlib import Path

from job import job, labelled

from lib.arch import mapping, scalesim, study, technology, topology, zigzag
from lib.arch.cost import DESIGN, layer_costs
from lib.arch.numerics import INT8
from lib.files import read_csv, write_csv

with job(snakemake) as log:
    given = snakemake.params
    layers = topology.read(snakemake.input.topology)
    figures = technology.read(snakemake.input.technology, given.node_nm)
    design = study.recommended(read_csv(snakemake.input.winners), read_csv(snakemake.input.pareto))
    costs = layer_costs(layers, design[DESIGN], figures, INT8, given.batch)
    found = zigzag.search(layers, costs, figures, INT8, given.batch, given.factors)
    for row in found[found["reason"] != ""].itertuples():
        line = f"zigzag: {snakemake.wildcards.workload} on {row.design}, layer {row.layer}: {row.reason}"
        log.warning(line)
        print(f"warning: {line}", file=sys.__stderr__)
    # SCALE-Sim simulates one inference at a time.
    folders = [Path(status).parent for status in snakemake.input.scalesim] if given.batch == 1 else []
    table = mapping.beside(found, costs, scalesim.read_cycles(folders, layers))
    write_csv(labelled(table, snakemake), snakemake.output.table)
