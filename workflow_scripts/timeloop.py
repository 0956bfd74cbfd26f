"""Write a workload's layers on the recommended design as Timeloop's input files, and let its mapper search where it is.

Without Timeloop on the PATH, the files are all there is, and the table has no rows.
"""

import shutil
import sys
from pathlib import Path

import pandas as pd
from job import job, labelled

from lib.arch import mapping, scalesim, study, technology, timeloop, timeloop_mapper, topology
from lib.arch.cost import DESIGN, layer_costs
from lib.arch.numerics import INT8
from lib.errors import InputError
from lib.files import read_csv, whole_folder, write_csv

with job(snakemake) as log:
    given = snakemake.params
    layers = topology.read(snakemake.input.topology)
    figures = technology.read(snakemake.input.technology, given.node_nm)
    design = study.recommended(read_csv(snakemake.input.winners), read_csv(snakemake.input.pareto))
    costs = layer_costs(layers, design[DESIGN], figures, INT8, given.batch)
    missing = [tool for tool in ("timeloop", "timeloop-mapper") if not shutil.which(tool)]
    if missing:
        line = f"timeloop: no {' and no '.join(missing)} on the PATH; {snakemake.output.files} has its input files only"
        log.info(line)
        print(line, file=sys.__stderr__)
    found = []
    with whole_folder(snakemake.output.files) as folder:
        for layer in layers:
            place = folder / layer.name.replace("/", "_")
            timeloop.write(place, layer, design.iloc[0], figures, INT8, given.batch, snakemake.threads)
            if missing:
                continue
            try:
                result = timeloop_mapper.search(place) | {"reason": ""}
            except InputError as error:
                result = {"reason": str(error)}
            about = {"tool": "Timeloop", "design": design["design"].iloc[0], "objective": "EDP"}
            found.append(about | {"layer": layer.name} | result)
    # SCALE-Sim simulates one inference at a time.
    folders = [Path(status).parent for status in snakemake.input.scalesim] if given.batch == 1 else []
    table = pd.DataFrame(found, columns=None if found else ["layer", "reason"])
    table = mapping.beside(table, costs, scalesim.read_cycles(folders, layers))
    write_csv(labelled(table, snakemake), snakemake.output.table)
