"""A wrong configuration is refused before any job starts, in one line that names the key."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]


def plan(folder: Path, changes: dict) -> subprocess.CompletedProcess:
    (folder / "changes.yaml").write_text(yaml.safe_dump(changes))
    command = [sys.executable, "-m", "snakemake", "-n", "-q", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--directory", str(folder), "--configfile", "changes.yaml"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


WRONG = {
    "unknown key": ({"quant": {"percentil": 99}}, "percentil"),
    "unknown workload": ({"workloads": {"vgg": {}}}, "vgg"),
    "unknown dataset": ({"workloads": {"tiny_cnn_2d": {"dataset": "mnist"}}}, "mnist"),
    "zero epochs": ({"workloads": {"tiny_cnn_2d": {"epochs": 0}}}, "workloads.tiny_cnn_2d.epochs"),
    "array of size 0": ({"arch": {"arrays": ["0x8"]}}, "arch.arrays"),
    "percentile above 100": ({"quant": {"percentile": 120}}, "quant.percentile"),
    "no bandwidth": ({"arch": {"dram_gb_per_s": 0}}, "arch.dram_gb_per_s"),
    "no time to simulate": ({"arch": {"scalesim_timeout_s": 0}}, "arch.scalesim_timeout_s"),
    "reference outside the sweep": ({"quant": {"formats": ["qdq"]}}, "quant.reference"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_configuration_is_refused_by_name(case, tmp_path):
    changes, name = WRONG[case]
    result = plan(tmp_path, changes)
    assert result.returncode != 0
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert name in line
    assert not (tmp_path / "results").exists()


def test_changed_configuration_is_accepted(tmp_path):
    assert plan(tmp_path, {"workloads": {"tiny_cnn_2d": {"epochs": 1}}}).returncode == 0
