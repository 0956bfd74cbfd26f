"""State the machine that the benchmarks ran on: processor, cores, memory, versions."""

from job import job

from lib.bench.machine import facts
from lib.files import write_json

with job(snakemake):
    write_json(facts(), snakemake.output.facts)
