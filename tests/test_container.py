"""The container recipes pass a linter, name files that are there, and agree with the lock and each other."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCKERFILE, DEFINITION = (ROOT / name for name in ("Dockerfile", "apptainer.def"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Apptainer's documentation, "The Definition File": headers, and sections of a single-stage definition.
HEADERS = {"Bootstrap", "From"}
SECTIONS = ["files", "post", "environment", "runscript", "test", "labels", "help"]


def instructions(name: str) -> list[str]:
    """The arguments of an instruction of the Dockerfile, continued lines joined."""
    text = re.sub(r"\\\n", " ", DOCKERFILE.read_text())
    return re.findall(rf"^{name} +(.+)$", text, re.MULTILINE)


def definition() -> tuple[dict[str, str], dict[str, list[str]]]:
    """Headers and sections of the Apptainer definition, without comments."""
    header, *parts = re.split(r"^%(?=\w+\s*$)", DEFINITION.read_text(), flags=re.MULTILINE)
    headers = dict(re.findall(r"^(\w+): (\S+)$", header, re.MULTILINE))
    assert len(headers) == len(header.strip().splitlines())
    lines = {}
    for part in parts:
        name, *content = part.strip().splitlines()
        assert name not in lines
        lines[name] = [line.strip() for line in content if line.strip() and not line.strip().startswith("#")]
    return headers, lines


def test_linter_finds_nothing_in_the_dockerfile():
    linted = subprocess.run([shutil.which("hadolint"), "--no-color", DOCKERFILE], capture_output=True, text=True)
    assert (linted.returncode, linted.stdout) == (0, "")


def test_linter_finds_what_is_wrong(tmp_path):
    wrong = tmp_path / "Dockerfile"
    wrong.write_text(DOCKERFILE.read_text().replace(":3.11", ":latest #").replace("# hadolint ignore=DL3008\n", ""))
    linted = subprocess.run([shutil.which("hadolint"), "--no-color", wrong], capture_output=True, text=True)
    assert linted.returncode == 1 and {"DL3007", "DL3008"} <= set(re.findall(r"DL\d+", linted.stdout))


def test_python_is_the_one_that_the_project_requires():
    (image,) = instructions("FROM")
    version = tuple(map(int, re.fullmatch(r"python:(\d+)\.(\d+)\.(\d+)-slim-bookworm", image).groups()))
    low, high = (tuple(map(int, part.split("."))) for part in re.findall(r"[\d.]+", PROJECT["requires-python"]))
    assert low <= version < high
    assert "python{}.{}".format(*version) in (ROOT / "run").read_text()
    assert definition()[0] == {"Bootstrap": "docker", "From": image}


def test_labels_are_the_projects():
    labels = dict(re.findall(r'(\S+)="([^"]*)"', *instructions("LABEL")))
    assert labels == {
        "org.opencontainers.image.title": PROJECT["name"],
        "org.opencontainers.image.version": PROJECT["version"],
    }
    assert dict(line.split() for line in definition()[1]["labels"]) == labels


def test_what_is_copied_is_there():
    for arguments in instructions("COPY"):
        *sources, _ = [word for word in arguments.split() if not word.startswith("--")]
        assert all((ROOT / source).exists() for source in sources)
    for line in definition()[1]["files"]:
        source, target = line.split()
        assert (ROOT / source).exists(), source
        assert Path(target, source) == Path("/archkit", source) or Path(target) == Path("/archkit", source)


def test_environment_of_both_is_the_lock_by_the_launcher():
    first, second = instructions("COPY")
    assert {"run", "requirements.txt"} < set(first.split()) and second.split()[-2:] == [".", "."]
    assert any(command.endswith("./run true") for command in instructions("RUN"))
    assert instructions("ENTRYPOINT") == ['["/archkit/run"]']
    sections = definition()[1]
    assert any(line.endswith("/archkit/run true") for line in sections["post"])
    assert sections["runscript"] == ['exec /archkit/run "$@"']


def test_definition_has_the_sections_of_apptainer_and_copies_all_code():
    sections = definition()[1]
    assert list(sections) == SECTIONS and all(sections.values())
    tracked = subprocess.run(["git", "-C", ROOT, "ls-files"], capture_output=True, text=True).stdout.splitlines()
    if not tracked:
        pytest.skip("not a git checkout")
    folders = {path.split("/")[0] for path in tracked if "/" in path} - {".ci", "results"}
    assert folders <= {line.split()[0] for line in sections["files"]}


@pytest.mark.parametrize("section", ["post", "environment", "runscript", "test"])
def test_scripts_of_the_definition_are_shell(section):
    script = "\n".join(definition()[1][section])
    checked = subprocess.run(["sh", "-n"], input=script, capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_image_leaves_out_what_git_leaves_out():
    def entries(name: str) -> set[str]:
        lines = (ROOT / name).read_text().splitlines()
        return {line.removeprefix("**/").rstrip("/") for line in lines if line and not line.startswith("#")}

    assert entries(".dockerignore") >= entries(".gitignore") | {".git"}


def test_launcher_in_a_read_only_folder_runs_what_is_set_up(tmp_path):
    for name in ("run", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(ROOT / "requirements.txt", tmp_path / ".venv")
    (tmp_path / ".venv" / "bin" / "hello").write_text("#!/bin/sh\necho hello from $VIRTUAL_ENV\n")
    (tmp_path / ".venv" / "bin" / "hello").chmod(0o755)
    ran = subprocess.run([tmp_path / "run", "hello"], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, f"hello from {tmp_path}/.venv\n")
    assert not (tmp_path / ".snakemake").exists()


def snakemake(folder: Path, *options: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "1"]
    return subprocess.run([*command, *options], cwd=folder, capture_output=True, text=True)


def test_jobs_in_containers_need_an_image(tmp_path):
    ended = snakemake(tmp_path, "--sdm", "apptainer", "--dry-run", "results/bench/machine.json")
    assert ended.returncode == 1
    assert "error: configuration: container: --sdm apptainer needs an image; see docs/container.md" in ended.stderr


def test_jobs_run_in_the_image_or_not_at_all(tmp_path):
    if shutil.which("apptainer") or shutil.which("singularity"):
        pytest.skip("Apptainer is installed")
    options = ["--sdm", "apptainer", "--config", "container=archkit.sif", "--", "results/bench/machine.json"]
    ended = snakemake(tmp_path, *options)
    assert ended.returncode == 1 and "The apptainer or singularity command has to be available" in ended.stderr
    assert not (tmp_path / "results/bench/machine.json").exists()
