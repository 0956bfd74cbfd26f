"""The tiny workflow of tiny.yaml in a folder of its own: what the tests that run it share."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from lib.trust import running

ROOT = Path(__file__).parents[1]
SOURCES = [
    "README.md",
    "README.zh.md",
    "Snakefile",
    "config.yaml",
    "config.schema.yaml",
    "rules",
    "workflow_scripts",
    "lib",
    "envs",
    "profiles",
    "docs",
    "configs",
    "tests/data/own_model",
    "tests/tiny.yaml",
]


def checkout(folder: Path) -> Path:
    """A copy of the project with a small set of pictures of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name)  # with the kernels that numba has compiled
        else:
            shutil.copy(source, folder / name)
    shutil.copy(ROOT / "tests" / "tiny.yaml", folder)
    running.pictures(folder)
    return folder


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "snakemake", "--cores", "2", *arguments, "--configfile", "tiny.yaml"]


def snakemake(folder: Path, *arguments: str) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "EDGEINT8_IMAGES"}
    result = subprocess.run(command(*arguments), cwd=folder, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-4000:]
    return result.stdout + result.stderr


def hashes(folder: Path, *patterns: str) -> dict[str, str]:
    files = sorted(file for pattern in patterns for file in (folder / "results").glob(pattern) if file.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
