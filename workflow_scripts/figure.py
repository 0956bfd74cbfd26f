"""Draw one figure from its tables."""

from job import job

from lib.report.figures import draw
from lib.report.style import save
from lib.report.tables import read_all

with job(snakemake):
    figure = draw(snakemake.wildcards.figure, **read_all(snakemake.input.tables))
    save(figure, snakemake.output.figure)
