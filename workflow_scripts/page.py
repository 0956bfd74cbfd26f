"""Make the report one HTML page with its figures inside."""

from pathlib import Path

from job import job

from lib.files import write_text
from lib.report.render import page

with job(snakemake):
    report = Path(snakemake.input.report)
    write_text(page(report.read_text(), report.parent, snakemake.input.template), snakemake.output.page)
