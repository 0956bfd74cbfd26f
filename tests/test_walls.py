"""The walls of the house: imports follow the flow of the data, environments follow the pins."""

import ast
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
STAGES = ["data", "model", "quant", "bench", "fixedpoint", "arch", "report"]
SHARED = {"lib.errors", "lib.files", "lib.graph"}
UPSTREAM = {
    "data": set(),
    "model": {"data"},
    "quant": {"data", "model"},
    "bench": {"data", "model", "quant"},
    "fixedpoint": {"data", "model", "quant"},
    "arch": {"data", "model", "quant"},
    "report": {"bench", "fixedpoint", "arch"},
}
# What a distribution is called where it is not called as it is imported.
DISTRIBUTION = {"PIL": "pillow", "yaml": "PyYAML", "markdown": "Markdown", "jinja2": "Jinja2"}


def imports(folder: Path) -> set[str]:
    names = set()
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                names.update({node.module, *(f"{node.module}.{alias.name}" for alias in node.names)})
    return names


def pins() -> dict[str, str]:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return dict(line.lower().split("==") for line in lines if "==" in line)


@pytest.mark.parametrize("stage", STAGES)
def test_lib_imports_only_what_lies_upstream(stage):
    allowed = {stage, *UPSTREAM[stage]}
    for name in imports(ROOT / "lib" / stage):
        assert not name.startswith(("snakemake", "workflow_scripts")), name
        if name.startswith("lib.") and not any(name == shared or name.startswith(shared + ".") for shared in SHARED):
            assert name.split(".")[1] in allowed, name


@pytest.mark.parametrize("stage, foreign", [("fixedpoint", "onnxruntime"), ("arch", "torch")])
def test_independent_references_stay_independent(stage, foreign):
    assert not any(name == foreign or name.startswith(foreign + ".") for name in imports(ROOT / "lib" / stage))


@pytest.mark.parametrize("stage", STAGES)
def test_conda_environment_has_the_pins_of_the_lock(stage):
    environment = yaml.safe_load((ROOT / "envs" / f"{stage}.yaml").read_text())
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    listed = dict(line.lower().split("==") for line in pip)
    assert listed.items() <= pins().items()


@pytest.mark.parametrize("stage", STAGES)
def test_conda_environment_lists_what_the_stage_imports(stage):
    environment = yaml.safe_load((ROOT / "envs" / f"{stage}.yaml").read_text())
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    listed = {re.split("==", line)[0].lower() for line in pip}
    for name in {name.split(".")[0] for name in imports(ROOT / "lib" / stage)}:
        distribution = DISTRIBUTION.get(name, name).lower()
        if distribution in pins():
            assert distribution in listed, f"{stage} imports {name}"


def test_lock_contains_what_the_project_asks_for():
    asked = re.findall(r"^([\w-]+)==([\w.]+)", (ROOT / "requirements.in").read_text(), re.MULTILINE)
    assert {(name.lower(), version) for name, version in asked} <= set(pins().items())
