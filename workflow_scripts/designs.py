"""Cost every combination of the configured axes on a network: cycles, traffic, latency, energy, area.

Designs that cannot run the network stay in the table, with the reason and without costs.
"""

from job import job

from lib.arch import space, technology, topology

with job(snakemake) as log:
    given = snakemake.params
    layers = topology.read(snakemake.input.topology)
    node = technology.read(snakemake.input.technology, given.node_nm)
    costed = space.sweep(layers, given.space, node, batch=given.batch)
    log.info("%d designs, of which %d can run the network", *space.write(costed, snakemake.output.designs))
