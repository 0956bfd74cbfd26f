"""Gather one table of all workloads: the same rows, one workload below the other."""

from job import job

from lib.files import concatenate

with job(snakemake):
    concatenate(snakemake.input.parts, snakemake.output.table)
