"""Choose numerics and hardware together: the front of accuracy x latency x energy over all measured combinations.

Widths of activations, weights and accumulators and the way to requantize set energies, areas and bytes (lib.arch.cost);
accuracy is measured, never modelled. A row is on the front if no other is as good in all three and better in one.
"""

from job import job, labelled

from lib.arch import space, technology, topology
from lib.arch.joint import combinations, joint_choice
from lib.files import read_csv, write_csv

with job(snakemake) as log:
    measured = combinations({path: read_csv(path) for path in snakemake.input.accuracy})
    log.info("%d combinations of widths", len(measured))
    table = joint_choice(
        topology.read(snakemake.input.topology),
        space.grid(snakemake.params.space),
        technology.read(snakemake.input.technology, snakemake.params.node_nm),
        measured,
        **snakemake.params.limits,
        batch=snakemake.params.batch,
    )
    log.info("%d of %d rows are on the front", table["on_front"].sum(), len(table))
    write_csv(labelled(table, snakemake), snakemake.output.joint)
