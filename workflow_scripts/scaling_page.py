"""Draw how time and memory grow, and write docs/scaling.md, which shows it."""

import json
import shutil
from pathlib import Path

import pandas as pd
from job import job

from lib.files import whole, write_text
from lib.report import render
from lib.report.figures.scaling import scaling
from lib.report.style import apply, save

with job(snakemake):
    table = pd.read_csv(snakemake.input.table)
    apply()
    save(scaling(table), snakemake.output.figure)
    with whole(snakemake.output.shown) as temporary:
        shutil.copyfile(snakemake.output.figure, temporary)
    context = {
        "scaling": table,
        "machine": json.loads(Path(snakemake.input.machine).read_text()),
        "workload": snakemake.params.workload,
        "figure": Path(snakemake.output.shown).name,
    }
    write_text(render(snakemake.input.template, context), snakemake.output.page)
