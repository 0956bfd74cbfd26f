"""The walls of the house: imports follow the flow of the data, environments follow the pins."""

import ast
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
STAGES = ["data", "model", "quant", "bench", "fixedpoint", "arch", "report", "trust"]
SHARED = {"lib.config", "lib.errors", "lib.files", "lib.graph", "lib.interval", "lib.paired", "lib.progress"}
UPSTREAM = {
    "data": set(),
    "model": {"data"},
    "quant": {"data", "model"},
    "bench": {"data", "model", "quant"},
    "fixedpoint": {"data", "model", "quant"},
    "arch": {"data", "model", "quant"},
    "report": {"bench", "fixedpoint", "arch"},
    "trust": {"data"},
}
# What a distribution is called where it is not called as it is imported.
DISTRIBUTION = {
    **{"PIL": "pillow", "yaml": "PyYAML", "markdown": "Markdown", "jinja2": "Jinja2"},
    **{"zigzag": "zigzag-dse", "griffe": "griffelib", "vl_convert": "vl-convert-python"},
}
# Modules that run in an environment of their own instead of their stage's.
APART = {"zigzag": ROOT / "lib" / "arch" / "zigzag.py", "library": ROOT / "lib" / "quant" / "library.py"}


def modules(environment: str) -> set[Path]:
    if environment in APART:
        return {APART[environment]}
    return set((ROOT / "lib" / environment).rglob("*.py")) - set(APART.values())


def imports(files: Iterable[Path]) -> set[str]:
    names = set()
    for file in files:
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
    for name in imports((ROOT / "lib" / stage).rglob("*.py")):
        assert not name.startswith(("snakemake", "workflow_scripts")), name
        if name.startswith("lib.") and not any(name == shared or name.startswith(shared + ".") for shared in SHARED):
            assert name.split(".")[1] in allowed, name


@pytest.mark.parametrize("stage, foreign", [("fixedpoint", "onnxruntime"), ("arch", "torch")])
def test_independent_references_stay_independent(stage, foreign):
    names = imports((ROOT / "lib" / stage).rglob("*.py"))
    assert not any(name == foreign or name.startswith(foreign + ".") for name in names)


def listed(name: str) -> dict[str, str]:
    """Pinned versions by distribution in a conda environment."""
    environment = yaml.safe_load((ROOT / "envs" / f"{name}.yaml").read_text())
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    return dict(line.lower().split("==") for line in pip)


@pytest.mark.parametrize("name", [*STAGES, *APART, "scaling"])
def test_conda_environment_has_the_pins_of_the_lock(name):
    assert listed(name).items() <= pins().items()


@pytest.mark.parametrize("name", [*STAGES, *APART])
def test_conda_environment_lists_what_its_modules_import(name):
    for imported in {path.split(".")[0] for path in imports(modules(name))}:
        distribution = DISTRIBUTION.get(imported, imported).lower()
        if distribution in pins():
            assert distribution in listed(name), f"{name} imports {imported}"


@pytest.mark.parametrize(
    "name, stage",
    [
        ("zigzag", "arch"),
        ("library", "quant"),
        *(("scaling", name) for name in ("quant", "bench", "fixedpoint", "arch")),
    ],
)
def test_environments_apart_add_to_their_stages(name, stage):
    assert listed(stage).items() <= listed(name).items()


def test_lock_contains_what_the_project_asks_for():
    asked = re.findall(r"^([\w-]+)==([\w.]+)", (ROOT / "requirements.in").read_text(), re.MULTILINE)
    assert {(name.lower(), version) for name, version in asked} <= set(pins().items())
