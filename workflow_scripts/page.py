"""Make the report one HTML page, with its figures, the answers in short, and charts to explore inside."""

from pathlib import Path

from job import job

from lib.files import write_text
from lib.report.answers import answers
from lib.report.architecture import architectures
from lib.report.page import page
from lib.report.tables import read_all

with job(snakemake):
    report, tables = Path(snakemake.input.report), read_all(snakemake.input.tables)
    facts = {
        "tables": tables,
        "answers": answers(tables),
        "architectures": architectures(tables),
        "arch": snakemake.params.arch,
    }
    html = page(report.read_text(), report.parent, snakemake.input.template, facts)
    write_text(html, snakemake.output.page)
