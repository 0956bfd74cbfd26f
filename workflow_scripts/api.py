"""Make the pages that document lib from its docstrings."""

from pathlib import Path

from job import job

from lib.files import write_text
from lib.report.api import pages

with job(snakemake):
    template = Path(snakemake.input.template)
    html = pages(template.parents[2], template)
    for path in snakemake.output:
        write_text(html[Path(path).stem], path)
