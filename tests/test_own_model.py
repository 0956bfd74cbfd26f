"""A model and images that this project did not make go through the workflow, with no Python written."""

import subprocess
import sys
from pathlib import Path

import onnxruntime
import pandas as pd
import pytest
import yaml

from lib.data import dataset
from lib.fixedpoint import IntegerModel

ROOT = Path(__file__).parents[1]
SCHEME = "qoperator_uint8_channel_minmax"
TABLES = ["layers", "export_agreement", "accuracy", "exactness", "golden", "vectors", "coverage", "pareto"]


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Snakemake on the example configuration and tiny settings, in a folder of its own."""
    own = yaml.safe_load((ROOT / "configs" / "own_model.yaml").read_text())
    own["datasets"]["digits"] |= {"train": 100, "test": 200}
    (folder / "own.yaml").write_text(yaml.safe_dump(own))
    if not (folder / "tests").exists():  # where the example's files are
        (folder / "tests").symlink_to(ROOT / "tests")
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "2", *arguments]
    settings = ["--configfile", str(ROOT / "tests" / "tiny.yaml"), "own.yaml"]
    return subprocess.run([*command, *settings], cwd=folder, capture_output=True, text=True)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("own_model")
    result = snakemake(folder, *(f"results/tables/{name}.csv" for name in TABLES))
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-4000:]
    return folder


def table(folder: Path, name: str) -> pd.DataFrame:
    found = pd.read_csv(folder / "results" / "tables" / f"{name}.csv")
    assert set(found.workload) == {"mnist_cnn"} and set(found.dataset) == {"digits"}
    return found


def test_brought_model_is_recognized_quantized_and_exact(finished):
    agreement = table(finished, "export_agreement").iloc[0]
    assert agreement.against == "the file given" and agreement.same_class_share == 1
    accuracy = table(finished, "accuracy").set_index("scheme").accuracy
    assert accuracy["float32"] > 0.8 and (accuracy > accuracy["float32"] - 0.05).all() and len(accuracy) == 3
    exactness = table(finished, "exactness")
    assert exactness[exactness.configuration == "matched"].differing.sum() == 0
    golden = table(finished, "golden")
    assert golden.differing_from_ort.sum() == 0 and (golden.within_one_step_share > 0.9).all()


def test_integers_of_a_brought_model_are_onnx_runtimes(finished):
    path = finished / "results" / "quant" / "mnist_cnn" / f"{SCHEME}.onnx"
    inputs, _ = dataset.load(finished / "results" / "data" / "digits.npz").test(50)
    (theirs,) = onnxruntime.InferenceSession(path).run(None, {"input": inputs})
    assert (IntegerModel.from_onnx(path).run({"input": inputs})["logits"] == theirs).all()


def test_brought_model_has_vectors_and_designs(finished):
    layers = table(finished, "layers").layer.tolist()
    assert table(finished, "vectors").layer.tolist() == layers and len(layers) == 3
    assert all((finished / "results" / "golden" / "mnist_cnn" / layer / "manifest.json").is_file() for layer in layers)
    coverage = table(finished, "coverage")
    assert (coverage[coverage.macs > 0].runs == "array").all() and len(table(finished, "pareto"))


def test_whole_run_with_a_brought_model_is_planned_without_training(finished):
    plan = snakemake(finished, "-n", "all")
    assert plan.returncode == 0, plan.stderr[-2000:]
    rules = {line.split()[0] for line in plan.stdout.splitlines() if line.startswith(("train ", "export ", "report "))}
    assert rules == {"report"}
