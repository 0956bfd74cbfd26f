"""Around the winners: what bounds each layer, what one step of each parameter would buy, and where returns diminish."""

from functools import partial

from job import job, labelled

from lib.arch import space, study, technology, topology
from lib.files import read_csv, write_csv

with job(snakemake):
    given = snakemake.params
    layers = topology.read(snakemake.input.topology)
    node = technology.read(snakemake.input.technology, given.node_nm)
    designs, winners = partial(space.read, snakemake.input.designs), read_csv(snakemake.input.winners)
    tables = {
        "design_sensitivity": study.sensitivity(designs(), winners),
        "bottlenecks": study.bottlenecks(layers, winners, node, batch=given.batch),
        "returns": study.returns(designs(), winners),
        "trends": study.trends(layers, designs(), **given.operation, technology=node, batch=given.batch),
    }
    for name, table in tables.items():
        write_csv(labelled(table, snakemake), snakemake.output[name])
