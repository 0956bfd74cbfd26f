"""Fill a note of docs/ with the measured numbers."""

from job import job

from lib.files import write_text
from lib.report import render
from lib.report.answers import answers
from lib.report.tables import read_all

with job(snakemake):
    tables = read_all(snakemake.input.tables)
    write_text(render(snakemake.input.template, {"tables": tables, "answers": answers(tables)}), snakemake.output.note)
