"""List the golden vectors of a workload: outputs per layer, and how many of them change in fixed point."""

import json
from pathlib import Path

import pandas as pd
from job import job

from lib.files import write_csv

COLUMNS = ["workload", "dataset", "scheme", "layer", "samples", "outputs", "fixed_point_differing"]

with job(snakemake):
    manifests = [json.loads(Path(folder, "manifest.json").read_text()) for folder in snakemake.input.folders]
    write_csv(pd.DataFrame(manifests)[COLUMNS], snakemake.output.vectors)
