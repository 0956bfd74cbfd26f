"""Reading the tables that figures and documents are made from."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from lib.files import read_csv

# Columns of text that may be empty: a scheme's parts for float32, why something failed, limits.
TEXTS = ("format", "activation", "granularity", "calibration", "reason", "limits")


def read(path: str | Path) -> pd.DataFrame:
    """A table; columns of text that may be empty hold empty strings there.

    >>> import io
    >>> read(io.StringIO("scheme,format,accuracy\\nfloat32,,0.8\\n")).values.tolist()
    [['float32', '', 0.8]]
    """
    table = read_csv(path)
    texts = [name for name in TEXTS if name in table]
    return table.astype(dict.fromkeys(texts, object)).fillna(dict.fromkeys(texts, ""))


def read_all(paths: Iterable[str | Path]) -> dict[str, pd.DataFrame]:
    """Tables by name, which is the file's.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "accuracy.csv").write_text("scheme,accuracy\\nfloat32,0.8\\n")
    ...     {name: table.values.tolist() for name, table in read_all(Path(folder).glob("*.csv")).items()}
    {'accuracy': [['float32', 0.8]]}
    """
    return {Path(path).stem: read(path) for path in paths}


def times(folder: str | Path, subjects: list[str]) -> pd.DataFrame:
    """Time and memory of all jobs per rule, from Snakemake's benchmark files `<stage>/<subject>.<rule>[.….].tsv`.

    Counts the `subjects` (workloads and data sets) of this run only, not those of earlier configurations.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("a.train", "b.train"):
    ...         _ = Path(folder, f"{name}.tsv").write_text("s\\tmax_rss\\n2.5\\t300\\n")
    ...     times(folder, ["a", "b"])[["rule", "jobs", "total_s", "peak_mb"]].values.tolist()
    [['train', 2, 5.0, 300.0]]
    """
    jobs = []
    for path in sorted(Path(folder).rglob("*.tsv")):
        subject, rule, *_ = path.stem.split(".")
        if subject in subjects:
            job = read_csv(path, sep="\t", na_values="-").iloc[0]
            jobs.append({"stage": path.parent.name, "rule": rule, "s": job["s"], "mb": job["max_rss"]})
    table = pd.DataFrame(jobs, columns=["stage", "rule", "s", "mb"]).groupby(["stage", "rule"], as_index=False)
    summary = table.agg(jobs=("s", "size"), total_s=("s", "sum"), longest_s=("s", "max"), peak_mb=("mb", "max"))
    return summary.sort_values("total_s", ascending=False, kind="stable")


def elapsed(folder: str | Path, last: str | Path) -> float:
    """Seconds from the start of the first benchmarked job to the writing of the file `last`.

    Meaningful where all was made in one run, as benchmark files record a job's length and are written at its end.

    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     first, last = Path(folder, "a.train.tsv"), Path(folder, "report.md")
    ...     _ = first.write_text("s\\n60\\n"), last.write_text("")
    ...     _ = os.utime(first, (1000, 1000)), os.utime(last, (1500, 1500))
    ...     float(elapsed(folder, last))  # the job began at 1000 - 60
    560.0
    """
    starts = [path.stat().st_mtime - read_csv(path, sep="\t")["s"].iloc[0] for path in Path(folder).rglob("*.tsv")]
    return Path(last).stat().st_mtime - min(starts)
