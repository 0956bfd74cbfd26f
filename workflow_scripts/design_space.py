"""Collect all designs of a workload into one table, a row per design and layer.

Cycles and SRAM accesses in closed form must equal SCALE-Sim's on every layer, or the job fails. Then follow DRAM
traffic, the roofline's verdict (time in the array against time on the DRAM interface) and energy by component.
"""

import json
from dataclasses import asdict
from pathlib import Path

import pandas as pd
from job import job

from lib.arch import scalesim, topology
from lib.arch.design import Design
from lib.arch.designspace import design_table
from lib.arch.energy import read_table
from lib.files import write_csv

with job(snakemake):
    layers = topology.read(snakemake.input.topology)
    energies = read_table(snakemake.input.energies)
    dataset = json.loads(Path(snakemake.input.provenance).read_text())["name"]
    tables = []
    for report in snakemake.input.compute:
        folder = Path(report).parent
        design = Design.parse(folder.name)
        table = design_table(
            layers, design, scalesim.read_reports(folder, layers), **snakemake.params.operation, energies=energies
        )
        about = {"workload": snakemake.wildcards.workload, "dataset": dataset, "design": design.name, **asdict(design)}
        for position, (column, value) in enumerate(about.items()):
            table.insert(position, column, value)
        tables.append(table)
    write_csv(pd.concat(tables), snakemake.output.table)
