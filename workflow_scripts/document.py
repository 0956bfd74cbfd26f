"""Fill a page of docs/ with the run's numbers and with what the commands that it shows print.

A template shows a command in a block, {% call python() %} … {% endcall %} or {% call shell() %} … {% endcall %}: the
page has the command and, below it, its output.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from job import job

from lib.files import write_text
from lib.report import render
from lib.report.answers import answers
from lib.report.tables import read_all


def shown(language: str, *interpreter: str) -> Callable[..., str]:
    """A function of a command that runs it, in `folder`, and returns it with its output as Markdown.

    It raises subprocess.CalledProcessError where the command fails; what it says about it is in the log.
    """

    def run(caller: Callable[[], str], folder: str = ".") -> str:
        command = caller().strip()
        streams = {"stdout": subprocess.PIPE, "stderr": sys.stderr}
        ran = subprocess.run([*interpreter, command], cwd=folder, check=True, text=True, **streams)
        return f"```{language}\n{command}\n```\n\n```text\n{ran.stdout.rstrip()}\n```\n"

    return run


with job(snakemake):
    tables = read_all(snakemake.input.tables)
    context = {
        "tables": tables,
        "answers": answers(tables),
        "sources": [json.loads(Path(path).read_text()) for path in snakemake.input.provenance],
        "machine": json.loads(Path(snakemake.input.machine).read_text()),
        "python": shown("python", sys.executable, "-c"),
        "shell": shown("sh", "sh", "-c"),
        "own": snakemake.params.own,
        "own_settings": Path(snakemake.params.own_settings).read_text().strip(),
    }
    write_text(render(snakemake.input.template, context), snakemake.output.page)
