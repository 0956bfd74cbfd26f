"""Copy figures into docs/gallery with the provenance of their run, and write what it measured into the READMEs."""

import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from job import job

from lib.files import whole, write_text
from lib.report import render
from lib.report.tables import elapsed, read_all, times
from lib.trust.provenance import git_state


def seconds_when_done(snakefile: Path, config: dict) -> float:
    """Time of one `snakemake all` that finds nothing to do."""
    with TemporaryDirectory() as folder:
        configfile = Path(folder, "config.json")
        configfile.write_text(json.dumps(config))
        options = ["--snakefile", str(snakefile), "--configfile", str(configfile), "--nolock", "--dry-run", "--quiet"]
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "snakemake", "all", *options], check=True, capture_output=True)
        return time.perf_counter() - start


def fill_section(page: Path, content: str) -> None:
    """Put `content` between the two comments of a page that mark what is measured."""
    section = f"<!-- measured -->\n{content.strip()}\n<!-- /measured -->"
    text = page.read_text(encoding="utf-8")
    write_text(re.sub(r"<!-- measured -->.*<!-- /measured -->", lambda _: section, text, flags=re.DOTALL), page)


with job(snakemake):
    context = {
        "tables": read_all(snakemake.input.tables),
        "sources": [json.loads(Path(path).read_text()) for path in snakemake.input.provenance],
        "machine": json.loads(Path(snakemake.input.machine).read_text()),
        "times": times(snakemake.params.benchmarks, snakemake.params.subjects),
        "elapsed_s": elapsed(snakemake.params.benchmarks, snakemake.input.page),
        "done_s": seconds_when_done(snakemake.params.snakefile, snakemake.config),
        "commit": (git_state(Path(snakemake.params.snakefile).parent)["commit"] or "unknown")[:7],
        "captions": snakemake.params.captions,
        "figures": [Path(path).stem for path in snakemake.input.figures],
    }
    for source, target in zip(snakemake.input.figures, snakemake.output.figures, strict=True):
        with whole(target) as temporary:
            shutil.copyfile(source, temporary)
    for template, page in zip(snakemake.input.pages, snakemake.output.pages, strict=True):
        write_text(render(template, context), page)
    for template, readme in zip(snakemake.input.sections, snakemake.input.readmes, strict=True):
        fill_section(Path(readme), render(template, context))
