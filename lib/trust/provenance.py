"""What a run was made of: code, versions, machine, data, settings."""

import copy
import re
import subprocess
from importlib import metadata
from pathlib import Path

from lib.config import places
from lib.data.archive import sha256_of


def git_state(root: str | Path) -> dict[str, object]:
    """Commit of the repository at `root`, and its tracked and new files that differ from it; None without git.

    >>> from lib.examples import folder
    >>> git_state(folder())  # no repository
    {'commit': None, 'dirty': None, 'changed': None}
    """
    commit, changed = _git(root, "rev-parse", "HEAD"), _git(root, "status", "--porcelain")
    # A copy of the project inside another repository has no commit of its own.
    if commit is None or changed is None or _git(root, "rev-parse", "--show-cdup").strip():
        return {"commit": None, "dirty": None, "changed": None}
    names = [line[3:] for line in changed.splitlines()]
    return {"commit": commit.strip(), "dirty": bool(names), "changed": names}


def _git(root: str | Path, *arguments: str) -> str | None:
    try:
        asked = subprocess.run(["git", "-C", root, *arguments], capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return asked.stdout if asked.returncode == 0 else None


def beside_lock(lock: str) -> dict[str, list[str]]:
    """Packages that are installed in another version than the lock's text says: [locked, installed] by name.

    >>> beside_lock(f"numpy=={metadata.version('numpy')}\\npandas==0.1\\nnot-installed==1.0\\n").keys()
    dict_keys(['pandas'])
    """
    found = {}
    for name, locked in re.findall(r"^([\w.-]+)==(\S+)", lock, re.MULTILINE):
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue  # an environment of one stage need not hold what others use
        if installed.split("+")[0] != locked.split("+")[0]:
            found[name] = [locked, installed]
    return found


def cpu_features(cpuinfo: str) -> list[str]:
    """All features of the processor from the text of /proc/cpuinfo; floating-point results depend on some.

    >>> cpu_features("model name : Some CPU\\nflags : fpu fma avx2\\n")
    ['avx2', 'fma', 'fpu']
    """
    line = re.search(r"^(?:flags|Features)\s*:(.*)$", cpuinfo, re.MULTILINE)
    return sorted(line[1].split()) if line else []


def _given_files(config: dict) -> dict[str, str]:
    """SHA-256 of each file that the configuration names, by its path there; folders and files of packages apart."""
    named = {part[key] for part, key in places(config)}
    files = {name: Path(name).expanduser() for name in sorted(named)}
    return {path.name: sha256_of(path) for path in files.values() if path.is_file()}


def without_folders(config: dict) -> dict:
    """The configuration with the last part of each path alone: where files are on one machine is nobody's business.

    >>> arch = {"networks": {"mine": "/models/mine.onnx"}, "technology": None}
    >>> without_folders({"datasets": {}, "workloads": {}, "arch": arch})["arch"]["networks"]
    {'mine': 'mine.onnx'}
    """
    config = copy.deepcopy(config)
    for part, key in places(config):
        part[key] = Path(part[key]).name
    return config


def provenance(config: dict, root: str | Path, machine: dict, datasets: dict[str, dict], arrays: list[str]) -> dict:
    """The contents of results/provenance.json.

    root : of the repository; machine : lib.bench.machine.facts, of where benchmarks ran
    datasets : lib.data.provenance.provenance by data set; arrays : their .npz files, in the same order

    >>> from lib.examples import folder
    >>> config = {"seed": 7, "datasets": {}, "workloads": {}, "arch": {"networks": {}, "technology": None}}
    >>> found = provenance(config, folder(), {"cpu": "Some CPU"}, datasets={}, arrays=[])
    >>> found["seed"], found["machine"], found["git"]["commit"], found["lock"]
    (7, {'cpu': 'Some CPU'}, None, None)
    """
    root, cpuinfo = Path(root), Path("/proc/cpuinfo")
    lock = root / "requirements.txt"
    kept = ("name", "source", "sha256", "synthetic", "train", "test")
    return {
        "git": git_state(root),
        "seed": config["seed"],
        "machine": machine,
        "cpu_features": cpu_features(cpuinfo.read_text() if cpuinfo.exists() else ""),
        "lock": {"sha256": sha256_of(lock), "other_versions": beside_lock(lock.read_text())} if lock.exists() else None,
        "data": {
            name: {key: about[key] for key in kept} | {"arrays_sha256": sha256_of(Path(path))}
            for (name, about), path in zip(datasets.items(), arrays, strict=True)
        },
        "files": _given_files(config),
        "config": without_folders(config),
    }
