"""What the table of faults counts, and the page made from it."""

import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

from lib.report import render
from lib.trust import faults
from lib.trust.running import Workflow

PAGE = Path(__file__).parents[2] / "docs/faults.md.j2"


def test_row_counts_what_differs_and_what_is_left(tmp_path):
    workflow = Workflow(tmp_path / "run", tmp_path, tmp_path, (), timed=("results/latency.csv",))
    results = tmp_path / "run" / "results"
    (results / "logs").mkdir(parents=True)
    for name in ("same.csv", "other.csv", "latency.csv", "unexpected.csv", "logs/a.log", ".half-x1y2z3_4.csv"):
        (results / name).write_text(name)
    expected = workflow.results() | {"results/other.csv": "another hash"}
    del expected["results/unexpected.csv"]
    row = faults.row("fault", "how", 3, 2, f"error: {tmp_path}/run/results", expected, workflow)
    assert (row["tries"], row["failed"]) == (3, 2) and row["message"] == "error: …/run/results"
    assert (row["compared"], row["differing"], row["leftovers"]) == (2, 1, 1)


def test_page_shows_all_faults_and_the_messages_there_are():
    about = {"tries": 1, "failed": 1, "compared": 5, "differing": 0, "leftovers": 0}
    rows = [{"fault": "killed", "how": "all", "message": ""}, {"fault": "full disk", "how": "1 kB", "message": "a | b"}]
    table = pd.DataFrame([row | about for row in rows])
    text = render(PAGE, {"table": table, "kills": 50, "files": 200, "seconds": 1})
    assert "| killed | all | 1 | 1 | 5 | 0 | 0 |" in text and "| full disk | 1 kB | a \\| b |" in text
    assert text.count("| killed |") == 1


def test_session_finds_the_processes_of_a_run():
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
    run = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, start_new_session=True)
    try:
        while len(faults.session(run.pid)) < 2:
            time.sleep(0.05)
            assert run.poll() is None
    finally:
        run.communicate(b"\n")
    assert faults.session(run.pid) == []
