"""Note what this run was made of: git state, versions, processor, seed, hashes of the data, settings."""

import json
from pathlib import Path

from job import job

from lib.files import write_json
from lib.trust.provenance import provenance

with job(snakemake):
    about = {Path(path).stem: json.loads(Path(path).read_text()) for path in snakemake.input.data}
    machine = json.loads(Path(snakemake.input.machine).read_text())
    found = provenance(snakemake.params.settings, snakemake.params.root, machine, about, snakemake.input.arrays)
    write_json(found, snakemake.output.provenance)
