"""What grows with the number of jobs: Snakemake itself, on scaling_jobs.smk (measured by lib.bench.process)."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

SNAKEFILE = Path(__file__).with_suffix(".smk")


def plan(size: int, cores: int, folder: str) -> tuple[int, Callable]:
    """A dry run of `size` jobs: parsing, and building the graph of jobs."""
    return size, lambda: _snakemake(size, cores, folder, "--dry-run")


def run(size: int, cores: int, folder: str) -> tuple[int, Callable]:
    """A run of `size` jobs from an empty folder."""

    def call():
        shutil.rmtree(_folder(folder, size), ignore_errors=True)
        _snakemake(size, cores, folder)

    return size, call


def nothing_to_do(size: int, cores: int, folder: str) -> tuple[int, Callable]:
    """The same run once more, after `run`, when all is made."""
    return size, lambda: _snakemake(size, cores, folder)


def _folder(folder: str, size: int) -> Path:
    return Path(folder, f"jobs-{size}")


def _snakemake(size: int, cores: int, folder: str, *options: str) -> None:
    where = _folder(folder, size)
    where.mkdir(exist_ok=True)
    settings = ["--cores", str(cores), "--scheduler", "greedy", "--quiet", "--config", f"jobs={size}"]
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(SNAKEFILE), "--directory", str(where)]
    ended = subprocess.run([*command, *settings, *options], capture_output=True, text=True)
    if ended.returncode:
        last = (ended.stderr.strip() or f"exit code {ended.returncode}").splitlines()[-1]
        raise RuntimeError(f"snakemake: {last}")
