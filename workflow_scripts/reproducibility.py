"""Make everything a second time in a folder of its own, and compare the two runs file by file.

The second run's folder is removed where they are the same and kept, and named, where not.
"""

import copy
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from job import job

from lib.config import from_anywhere
from lib.data.source import ARCHIVE
from lib.errors import InputError
from lib.files import write_csv
from lib.trust import hashes

with job(snakemake) as log:
    again = Path(tempfile.mkdtemp(prefix="again-"))
    configfile = again / "config.json"
    configfile.write_text(json.dumps(from_anywhere(copy.deepcopy(snakemake.config))))
    where = ["--snakefile", snakemake.params.snakefile, "--directory", str(again), "--configfile", str(configfile)]
    command = [sys.executable, "-m", "snakemake", *where, "--cores", str(snakemake.threads), "--"]
    # Images are looked for from the working directory on.
    environment = dict(os.environ)
    if images := environment.get("EDGEINT8_IMAGES"):
        environment["EDGEINT8_IMAGES"] = str(Path(images).expanduser().absolute())
    if ARCHIVE.parent.exists():
        (again / ARCHIVE.parent).symlink_to(ARCHIVE.parent.absolute())
    with open(again / "log", "w") as messages:
        streams = {"stdout": messages, "stderr": subprocess.STDOUT}
        run = subprocess.run([*command, *snakemake.params.targets], env=environment, **streams)
    if run.returncode:
        raise InputError(f"the second run failed; its messages are in {again / 'log'}")

    table = hashes.compare(hashes.results(Path()), hashes.results(again), snakemake.params.timed)
    log.info("%s", table[~table["same"]].to_string())
    try:
        hashes.require_same(table)
    except InputError as error:
        raise InputError(f"{error}; the second run is in {again}") from error
    write_csv(table, snakemake.output.table)
    shutil.rmtree(again)
