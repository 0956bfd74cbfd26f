"""Run the workflow on the model and the data that configs/own_model.yaml brings, in a folder of its own.

It is what a user types, but for the folder; the example page shows the tables.
"""

import subprocess
import sys
from pathlib import Path

import yaml
from job import job

from lib.files import write_text

with job(snakemake):
    folder = Path(snakemake.output.tables[0]).parents[2]  # where the run's results/tables are
    root = Path(snakemake.params.snakefile).absolute().parent
    settings = yaml.safe_load(Path(snakemake.input.settings).read_text())
    for part, key in ((settings["datasets"]["digits"], "path"), (settings["workloads"]["mnist_cnn"], "model")):
        part[key] = str(root / part[key])
    write_text(yaml.safe_dump(settings), folder / "settings.yaml")
    targets = [str(Path(table).relative_to(folder)) for table in snakemake.output.tables]
    command = [sys.executable, "-m", "snakemake", "--snakefile", snakemake.params.snakefile, "--directory", str(folder)]
    command += ["--cores", str(snakemake.threads), *targets, "--configfile", str(folder / "settings.yaml")]
    subprocess.run(command, check=True, stdout=sys.stdout, stderr=sys.stderr)
