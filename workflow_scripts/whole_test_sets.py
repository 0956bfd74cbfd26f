"""Write docs/whole_test_sets.md: what the default run leaves out, of all networks of this run."""

import json
from pathlib import Path

from job import job

from lib.files import write_text
from lib.report import render
from lib.report.tables import read_all, times

with job(snakemake):
    context = {
        "tables": read_all(snakemake.input.tables),
        "machine": json.loads(Path(snakemake.input.machine).read_text()),
        "times": {name: times(snakemake.params.benchmarks, [name]) for name in snakemake.params.workloads},
    }
    write_text(render(snakemake.input.template, context), snakemake.output.page)
