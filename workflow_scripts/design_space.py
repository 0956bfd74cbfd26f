"""Cost the designs that SCALE-Sim simulated for one workload, a row per design and layer.

Cycles and SRAM accesses in closed form must equal SCALE-Sim's on every layer, or the job fails. A design on which
SCALE-Sim itself failed has one row with the reason.
"""

from pathlib import Path

from job import job, labelled

from lib.arch import scalesim, technology, topology
from lib.arch.agreement import simulated_table
from lib.files import write_csv

with job(snakemake):
    given = snakemake.params
    layers = topology.read(snakemake.input.topology)
    simulated, failed = scalesim.read_designs([Path(status).parent for status in snakemake.input.status], layers)
    figures = technology.read(snakemake.input.technology, given.node_nm)
    table = simulated_table(layers, simulated, failed, given.operation, figures)
    write_csv(labelled(table, snakemake), snakemake.output.table)
