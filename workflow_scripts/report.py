"""Write the report: its template filled with the tables and with the facts computed from them."""

import json
from pathlib import Path

from job import job

from lib.files import write_text
from lib.report import render
from lib.report.answers import answers
from lib.report.architecture import architectures
from lib.report.tables import read_all, times

with job(snakemake):
    tables = read_all(snakemake.input.tables)
    context = {
        "tables": tables,
        "answers": answers(tables),
        "architectures": architectures(tables),
        "sources": {Path(path).stem: json.loads(Path(path).read_text()) for path in snakemake.input.provenance},
        "machine": json.loads(Path(snakemake.input.machine).read_text()),
        "provenance": json.loads(Path(snakemake.input.about).read_text()),
        "times": times(snakemake.params.benchmarks, snakemake.params.subjects),
        "captions": snakemake.params.captions,
        "arch": snakemake.params.arch,
        "calibration": snakemake.params.calibration,
    }
    write_text(render(snakemake.input.template, context), snakemake.output.report)
