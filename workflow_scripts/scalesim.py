"""Simulate a workload's layers on one systolic array, cycle by cycle, and keep SCALE-Sim's own reports.

Where SCALE-Sim stops, dies or exceeds its time, the job succeeds all the same: status.json says why, and the tables
mark the design as failed.
"""

import sys
from pathlib import Path

from job import job

from lib.arch import scalesim, topology
from lib.arch.design import Design

with job(snakemake) as log:
    layers = topology.read(snakemake.input.topology)
    design = Design.parse(snakemake.wildcards.design)
    log.info("simulating %d layers, for at most %g s", len(layers), snakemake.params.timeout_s)
    reason = scalesim.run(layers, design, Path(snakemake.output.status).parent, snakemake.params.timeout_s)
    if reason:
        log.warning("design %s failed: %s", design.name, reason)
        # Standard error goes to the log; this line is for whoever watches the run, too.
        print(f"warning: {snakemake.rule}: design {design.name} failed: {reason}", file=sys.__stderr__)
