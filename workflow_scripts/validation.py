"""Compare SCALE-Sim with the closed form on every simulated design: the grid and arrays of the Pareto front.

Counts, per design, the layers on which cycles, SRAM reads or SRAM writes differ. There must be none, or the job fails
and names the first. Our DRAM reads, which come from another memory model, stand beside SCALE-Sim's as a ratio.
"""

from pathlib import Path

from job import job, labelled

from lib.arch import scalesim, technology, topology
from lib.arch.agreement import agreement, confirm
from lib.files import write_csv

with job(snakemake):
    given = snakemake.params
    layers = topology.read(snakemake.input.topology)
    simulated, failed = scalesim.read_designs([Path(status).parent for status in snakemake.input.status], layers)
    for design, reports in simulated.items():
        confirm(layers, design, reports)
    figures = technology.read(snakemake.input.technology, given.node_nm)
    table = agreement(layers, simulated, failed, given.operation, figures)
    table.insert(1, "origin", ["grid" if design in given.grid else "pareto" for design in table["design"]])
    write_csv(labelled(table, snakemake), snakemake.output.table)
