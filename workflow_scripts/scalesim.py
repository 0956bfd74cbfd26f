"""Simulate a workload's layers on one systolic array, cycle by cycle, and keep SCALE-Sim's own reports."""

from pathlib import Path

from job import job

from lib.arch import scalesim, topology
from lib.arch.design import Design

with job(snakemake):
    layers = topology.read(snakemake.input.topology)
    scalesim.run(layers, Design.parse(snakemake.wildcards.design), Path(snakemake.output.compute).parent)
