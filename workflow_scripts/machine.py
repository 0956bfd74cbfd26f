"""State the machine that the benchmarks ran on: processor, cores, memory, versions."""

from lib.bench.machine import facts
from lib.files import write_json
from job import job

with job(snakemake):
    write_json(facts(), snakemake.output.facts)
