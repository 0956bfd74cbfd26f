"""Run SCALE-Sim on the small cases that it gets wrong; every number in the table is computed here."""

from job import job

from lib.arch.findings import findings
from lib.files import write_csv

with job(snakemake):
    write_csv(findings(), snakemake.output.table)
