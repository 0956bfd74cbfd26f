"""The front of latency x energy x area, the winner under each constraint, and what SCALE-Sim is to confirm.

A design is on the front where no other is at least as good in all three and better in one. The contenders are the
designs that win under some limits, whatever the configured constraints.
"""

from job import job, labelled

from lib.arch import pareto, space
from lib.arch.cost import DESIGN
from lib.arch.study import winners
from lib.files import write_csv

with job(snakemake) as log:
    designs = snakemake.input.designs
    best = winners(space.read(designs), snakemake.params.constraints)
    front = pareto.front(space.read(designs)).drop(columns="reason")
    log.info("%d designs on the front", len(front))
    front.insert(0, "rank", range(1, len(front) + 1))
    front.insert(1, "design", pareto.names(front))
    front["confirm"] = pareto.confirmed(front, best["design"].dropna().tolist(), snakemake.params.confirm)
    write_csv(labelled(front, snakemake), snakemake.output.pareto)
    write_csv(labelled(best, snakemake), snakemake.output.winners)
    able = pareto.contenders(space.read(designs))
    log.info("%d designs can win under limits of some kind", len(able))
    able.insert(0, "design", pareto.names(able))
    columns = ["design", *DESIGN, *pareto.NEEDS[:2], *pareto.OBJECTIVES, "edp_uj_ms", "utilization", "stall_share"]
    write_csv(labelled(able[columns], snakemake), snakemake.output.contenders)
