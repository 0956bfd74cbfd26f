"""The workflow on a real Slurm cluster of one node gives the local run's tables, though a job and the node are lost."""

import importlib.util
import os
import re
import shutil
import subprocess
import time
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from tiny_workflow import ROOT, checkout, command, hashes, snakemake

CLUSTER = ROOT / "tests" / "slurm" / "cluster.sh"
PROFILE = ["--workflow-profile", "profiles/slurm"]
# Of every group and stage, in few jobs: most of a short job is Snakemake's start.
TABLES = [
    "quant_errors",
    "accuracy",
    "overflow",
    "bit_growth",
    "vectors",
    "pareto",
    "returns",
    "scalesim",
    "validation",
]
TARGETS = [f"results/tables/{table}.csv" for table in TABLES]

needs_plugin = pytest.mark.skipif(
    importlib.util.find_spec("snakemake_executor_plugin_slurm") is None,
    reason="needs Snakemake's Slurm plugin: pip install --no-deps -r requirements-slurm.txt",
)
needs_slurm = pytest.mark.skipif(
    not all(map(shutil.which, ("slurmctld", "slurmd", "munged"))) or os.geteuid() != 0,
    reason="needs Debian's slurm-wlm and munge, and root to start them",
)


def rules() -> dict[str, str]:
    """The text of each rule, by name."""
    texts = "".join(file.read_text() for file in sorted(ROOT.glob("rules/*.smk")))
    _, *parts = re.split(r"^(?:rule|checkpoint) (\w+):$", texts, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_profile_names_rules_that_exist_and_bounds_what_they_ask_for():
    profile = yaml.safe_load((ROOT / "profiles" / "slurm" / "config.yaml").read_text())
    assert {*profile["groups"], *profile["set-threads"], *profile["set-resources"]} <= rules().keys()
    # What members of a group do not say themselves would be asked for as often as there are members.
    assert all(profile["set-resources"][name]["lane"] == 1 for name in profile["groups"])
    # Rules that take all of the machine's cores would take all of a node's, whatever its size.
    alone = {name for name, text in rules().items() if "    threads: workflow.cores\n" in text}
    assert "bench" in alone and alone <= profile["set-threads"].keys()


@needs_plugin
def test_profile_plans_what_a_local_run_does(tmp_path):
    folder = checkout(tmp_path)
    plans = []
    for profile in ([], PROFILE):
        result = subprocess.run(command("-n", "all", *profile), cwd=folder, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr[-4000:]
        plans.append(sorted(re.findall(r"^\w+ +\d+$", result.stdout, re.MULTILINE)))
    assert plans[0] == plans[1] and len(plans[0]) > 40


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    folder = tmp_path / "cluster"
    subprocess.run([CLUSTER, "start", folder], check=True, stdout=subprocess.DEVNULL)
    monkeypatch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
    yield folder
    subprocess.run([CLUSTER, "stop", folder], check=True)


def await_running(name: str, run: subprocess.Popen) -> str:
    """Slurm's id of a job of this rule or group, a moment after it has started."""
    queue = ["squeue", "--noheader", "--states=RUNNING", "--format=%i %k"]
    while run.poll() is None:
        lines = subprocess.run(queue, capture_output=True, text=True).stdout.splitlines()
        if job := next((line.split()[0] for line in lines if f" rule_{name}_" in line), None):
            time.sleep(1)
            return job
        time.sleep(0.2)
    raise AssertionError(f"the run ended before a job of {name} was seen")


def ended_jobs(cluster: Path, log: str) -> dict[str, list[SimpleNamespace]]:
    """Slurm's own records of how jobs ended, one for each time that a job was started, by rule or group."""
    names = dict(re.findall(r"SLURM jobid (\d+) \(log: \S*/slurm_logs/(?:rule|group)_(\w+)/", log))
    found = defaultdict(list)
    for line in (cluster / "jobs.txt").read_text().splitlines():
        record = dict(field.split("=", 1) for field in line.split() if "=" in field)
        ended = SimpleNamespace(
            id=record["JobId"],
            state=record["JobState"],
            minutes=int(record["TimeLimit"]),
            cores=int(record["ProcCnt"]),
            memory=re.search(r"mem=(\w+)", record["Tres"])[1],
        )
        found[names[ended.id]].append(ended)
    return found


@pytest.mark.cluster
@needs_plugin
@needs_slurm
def test_run_on_slurm_loses_a_job_and_the_node_and_makes_the_same_tables(cluster, tmp_path):
    here, folder = checkout(tmp_path / "here"), checkout(tmp_path / "project")
    snakemake(here, *TARGETS)
    log = tmp_path / "run.log"
    often = ["--slurm-init-seconds-before-status-checks", "2", "--seconds-between-status-checks", "2"]
    environment = {key: value for key, value in os.environ.items() if key != "EDGEINT8_IMAGES"}
    with log.open("w") as output:
        run = subprocess.Popen(
            command(*TARGETS, *PROFILE, *often), cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        cancelled = await_running("train", run)
        subprocess.run(["scancel", cancelled], check=True)
        lost = await_running("scalesim_design_space", run)
        subprocess.run([CLUSTER, "crash", cluster], check=True)
        subprocess.run([CLUSTER, "node", cluster], check=True)
        assert run.wait(timeout=1200) == 0, log.read_text()[-4000:]
    finally:
        run.kill()

    made = hashes(folder, "tables/*.csv")
    assert set(made) == set(TARGETS)
    assert made == hashes(here, "tables/*.csv")

    jobs = ended_jobs(cluster, log.read_text())
    first, second = jobs["train"]  # Snakemake submitted it again
    assert (first.id, first.state, second.state) == (cancelled, "CANCELLED", "COMPLETED") and second.id != first.id
    first, second = jobs["scalesim_design_space_scalesim"]  # Slurm started it again
    assert (first.id, first.state, second.state) == (lost, "NODE_FAIL", "COMPLETED") and second.id == first.id
    # A group, here two simulations and their table, asks for the time of all, but for the memory and cores of one.
    assert (second.minutes, second.memory, second.cores) == (15 + 15 + 5, "1500M", 1)
    # Times are taken alone on a node.
    assert [job.cores for job in jobs["bench"] if job.state == "COMPLETED"] == [os.cpu_count()]
