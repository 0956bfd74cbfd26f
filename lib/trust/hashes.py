"""Are two runs' files the same? SHA-256 of everything that a run made, beside that of another run."""

from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path

import pandas as pd

from lib.data.archive import sha256_of
from lib.errors import InputError

# What a run says about itself, with times in it, is no result.
APART = ("results/logs/*", "results/benchmarks/*", "results/README.md")
KINDS = {".onnx": "model", ".pth": "model", ".csv": "table", ".parquet": "table", ".png": "figure"}
KINDS |= {".npz": "data", ".npy": "data", ".md": "document", ".html": "document"}


def results(folder: Path) -> dict[str, str]:
    """SHA-256 of each result below the working directory `folder`, by its path in there; hidden files do not count.

    >>> from lib.examples import folder
    >>> (folder() / "made" / "results" / "logs").mkdir(parents=True)
    >>> for name in ("abc.bin", "logs/abc.log"):
    ...     _ = (folder() / "made" / "results" / name).write_bytes(b"abc")
    >>> {name: sha256[:8] for name, sha256 in results(folder() / "made").items()}
    {'results/abc.bin': 'ba7816bf'}
    """
    found = {}
    for path in sorted((folder / "results").rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not path.name.startswith(".") and not any(fnmatch(name, apart) for apart in APART):
            found[name] = sha256_of(path)
    return found


def compare(here: dict[str, str], there: dict[str, str], timed: Iterable[str]) -> pd.DataFrame:
    """A row for each file of the run `there`: file, kind, hash_here, hash_there, same, timed.

    here, there : from `results`; files that are here alone are left from other settings and do not count
    timed : patterns of files that hold measured times, which nobody expects to be the same

    >>> compare({"results/a.csv": "1"}, {"results/a.csv": "2", "results/b.png": "3"}, ["results/b.*"])
                file    kind hash_here hash_there   same  timed
    0  results/a.csv   table         1          2  False  False
    1  results/b.png  figure                    3  False   True
    """
    rows = []
    for file, theirs in there.items():
        ours = here.get(file, "")
        row = {"file": file, "kind": KINDS.get(Path(file).suffix, "other"), "hash_here": ours, "hash_there": theirs}
        rows.append(row | {"same": ours == theirs, "timed": any(fnmatch(file, pattern) for pattern in timed)})
    return pd.DataFrame(rows, columns=["file", "kind", "hash_here", "hash_there", "same", "timed"])


def require_same(table: pd.DataFrame) -> None:
    """Raise InputError, naming the first of them, where files of `compare` differ that hold no measured times.

    >>> require_same(compare({"a.csv": "1", "b.csv": "1"}, {"a.csv": "2", "b.csv": "2"}, timed=["b.csv"]))
    Traceback (most recent call last):
    lib.errors.InputError: 1 of 2 files differ between two runs, the first of them a.csv
    """
    differing = table[~table["same"] & ~table["timed"]]
    if len(differing):
        first = differing["file"].iloc[0]
        raise InputError(f"{len(differing)} of {len(table)} files differ between two runs, the first of them {first}")
