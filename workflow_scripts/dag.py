"""Draw the workflow's rules as Snakemake itself reports them, in layers from left to right."""

import json
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from job import job

from lib.config import from_anywhere
from lib.report import dag, style

with job(snakemake) as log, TemporaryDirectory() as folder:
    configfile = Path(folder, "config.json")
    configfile.write_text(json.dumps(from_anywhere(snakemake.config)))
    # In a folder of its own, where no file of the running workflow is in the way.
    where = ["--snakefile", snakemake.input.snakefile, "--directory", folder, "--configfile", str(configfile)]
    command = [sys.executable, "-m", "snakemake", "all", *where, "--cores", "1", "--rulegraph", "dot"]
    asked = subprocess.run(command, capture_output=True, text=True)
    log.info(asked.stderr)
    asked.check_returncode()

    stages = {
        rule: Path(path).stem
        for path in snakemake.input.stages
        for rule in re.findall(r"^(?:rule|checkpoint) (\w+):", Path(path).read_text(), re.MULTILINE)
    }
    names = [json.loads(Path(path).read_text())["name"] for path in snakemake.input.provenance]
    style.save(dag.draw(dag.parse(asked.stdout), stages, ", ".join(names)), snakemake.output.figure)
