"""Gather one table of all workloads: the same rows, one workload below the other."""

from job import job

from lib.files import write_csv
from lib.report.tables import concatenate

with job(snakemake):
    write_csv(concatenate(snakemake.input.parts), snakemake.output.table)
