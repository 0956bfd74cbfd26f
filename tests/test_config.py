"""A wrong configuration is refused before any job starts, in one line that names the key."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config

from lib.config import check
from lib.errors import InputError

ROOT = Path(__file__).parents[1]


def plan(folder: Path, changes: dict) -> subprocess.CompletedProcess:
    (folder / "changes.yaml").write_text(yaml.safe_dump(changes))
    command = [sys.executable, "-m", "snakemake", "-n", "-q", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--directory", str(folder), "--configfile", "changes.yaml"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


WRONG = {
    "unknown key": ({"quant": {"percentil": 99}}, "percentil"),
    "unknown workload": ({"workloads": {"vgg": {}}}, "vgg"),
    "unknown dataset": ({"workloads": {"tiny_cnn_2d": {"dataset": "mnist"}}}, "workloads.tiny_cnn_2d.dataset"),
    "name without a model": ({"workloads": {"vgg": {"dataset": "images"}}}, "workloads.vgg: 'model' is a required"),
    "model for a network of ours": ({"workloads": {"tiny_cnn_2d": {"model": "a.onnx"}}}, "workloads.tiny_cnn_2d"),
    "model that is not there": ({"workloads": {"vgg": {"dataset": "images", "model": "a"}}}, "workloads.vgg.model: a"),
    "name that is no file name": ({"workloads": {"a/b": {"dataset": "images", "model": "a"}}}, "'a/b'"),
    "no workloads": ({"workloads": {"tiny_cnn_2d": None, "signal_cnn_1d": None}}, "workloads: all are null"),
    "data set without a path": ({"datasets": {"mine": {"size": 8}}}, "datasets.mine: 'path' is a required"),
    "data set that is not there": ({"datasets": {"mine": {"path": "gone"}}}, "datasets.mine.path: gone"),
    "mean without std": ({"datasets": {"mine": {"path": ".", "mean": 0}}}, "datasets.mine"),
    "spread of 0": ({"datasets": {"mine": {"path": ".", "mean": 0, "std": [1, 0]}}}, "datasets.mine.std"),
    "zero epochs": ({"workloads": {"tiny_cnn_2d": {"epochs": 0}}}, "workloads.tiny_cnn_2d.epochs"),
    "array of size 0": ({"arch": {"arrays": ["0x8"]}}, "arch.arrays"),
    "percentile above 100": ({"quant": {"percentile": 120}}, "quant.percentile"),
    "no bandwidth": ({"arch": {"dram_gb_per_s": 0}}, "arch.dram_gb_per_s"),
    "no time to simulate": ({"arch": {"scalesim_timeout_s": 0}}, "arch.scalesim_timeout_s"),
    "reference outside the sweep": ({"quant": {"formats": ["qdq"]}}, "quant.reference"),
}


SEEN_BY_RULES = "model that is not there"


@pytest.mark.parametrize("case", [case for case in WRONG if case != SEEN_BY_RULES])
def test_wrong_configuration_is_refused_by_name(case):
    changes, name = WRONG[case]
    config, schema = (yaml.safe_load((ROOT / f"config.{kind}").read_text()) for kind in ("yaml", "schema.yaml"))
    check(config, schema)
    update_config(config, changes)  # as Snakemake does with --configfile
    with pytest.raises(InputError) as refusal:
        check(config, schema)
    assert name in str(refusal.value) and len(str(refusal.value).splitlines()) == 1


@pytest.mark.parametrize("case", ["unknown key", "array of size 0", SEEN_BY_RULES])
def test_run_with_a_wrong_configuration_ends_in_one_line_before_any_job(case, tmp_path):
    changes, name = WRONG[case]
    result = plan(tmp_path, changes)
    assert result.returncode != 0
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert name in line
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("changes", [{"tiny_cnn_2d": {"epochs": 1}}, {"tiny_cnn_2d": None}])
def test_changed_configuration_is_accepted(changes, tmp_path):
    assert plan(tmp_path, {"workloads": changes}).returncode == 0
