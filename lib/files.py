"""Outputs written whole or not at all; inputs read without unpickling, damaged ones refused in one line."""

import csv
import glob
import json
import os
import shutil
import tempfile
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lib.errors import InputError

if TYPE_CHECKING:  # whoever reads no table does without pandas
    import pandas as pd

AGAIN = "delete it to have it made again"


def _abandoned(path: Path) -> list[Path]:
    """Temporary files or folders that processes which were killed left behind on the way to `path`."""
    random = "[a-z0-9_]" * 8  # as tempfile names them
    return list(path.parent.glob(f".{glob.escape(path.stem)}-{random}{glob.escape(path.suffix)}"))


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path` that replaces it when the block ends well, and vanishes when it does not.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "a.txt"
    >>> with whole(target) as temporary:
    ...     _ = temporary.write_text("complete")
    >>> target.read_text()
    'complete'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in _abandoned(path):
        left.unlink(missing_ok=True)
    # The suffix stays: writers such as numpy.savez and matplotlib choose the format by it.
    descriptor, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """A temporary folder beside `path` that replaces it when the block ends well, and vanishes when it does not.

    >>> from lib.examples import folder
    >>> with whole_folder(folder() / "pair") as temporary:
    ...     write_text("complete", temporary / "a.txt")
    >>> [path.name for path in (folder() / "pair").iterdir()]
    ['a.txt']
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in _abandoned(path):
        shutil.rmtree(left, ignore_errors=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        shutil.rmtree(path, ignore_errors=True)
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(text: str, path: str | Path) -> None:
    """Write `text` to `path`, whole or not at all.

    >>> from lib.examples import folder
    >>> write_text("int8", folder() / "a.txt")
    >>> (folder() / "a.txt").read_text()
    'int8'
    """
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(value: object, path: str | Path) -> None:
    """Write `value` as indented JSON, whole or not at all.

    >>> from lib.examples import folder
    >>> write_json({"bits": [8, 4]}, folder() / "a.json")
    >>> print((folder() / "a.json").read_text(), end="")
    {
      "bits": [
        8,
        4
      ]
    }
    """
    write_text(json.dumps(value, indent=2) + "\n", path)


def write_csv(frame, path: str | Path) -> None:
    """Write a pandas DataFrame without its index, whole or not at all.

    >>> import pandas as pd
    >>> from lib.examples import folder
    >>> write_csv(pd.DataFrame({"bits": [8, 4], "accuracy": [0.79, 0.76]}), folder() / "a.csv")
    >>> print((folder() / "a.csv").read_text(), end="")
    bits,accuracy
    8,0.79
    4,0.76
    """
    with whole(path) as temporary:
        frame.to_csv(temporary, index=False)


def write_arrays(path: str | Path, **arrays: np.ndarray) -> None:
    """Write named arrays as .npz, whole or not at all.

    >>> from lib.examples import folder
    >>> write_arrays(folder() / "a.npz", weight=np.int8([1, -2]), scale=np.float32(0.5))
    >>> sorted(np.load(folder() / "a.npz"))
    ['scale', 'weight']
    """
    with whole(path) as temporary:
        np.savez(temporary, **arrays)


@contextmanager
def reading(path: str | Path, what: str, advice: str = AGAIN) -> Iterator[None]:
    """What goes wrong while the block parses the file at `path` is damage to it: raises InputError, saying so.

    Parsers of binary files and of tables raise many unrelated types for damaged ones, so it is all of them.

    >>> with reading("a.csv", "a table"):
    ...     float("x")
    Traceback (most recent call last):
    lib.errors.InputError: a.csv: not a table (could not convert string to float: 'x'); delete it to have it made again
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        reason = textwrap.shorten(str(error), 200) or type(error).__name__
        raise InputError(f"{path}: not {what} ({reason}); {advice}") from error


def read_csv(path: str | Path, **options) -> "pd.DataFrame":
    """A table, with options of pandas.read_csv; raises InputError where the file is damaged.

    >>> from lib.examples import folder
    >>> write_text("layer,macs\\nfc,640\\n", folder() / "layers.csv")
    >>> read_csv(folder() / "layers.csv")
      layer  macs
    0    fc   640
    """
    import pandas as pd

    with reading(path, "a table"):
        return pd.read_csv(path, **options)


def concatenate(paths: Iterable[str | Path], target: str | Path) -> None:
    """Write tables of the same kind below each other in the given order; every cell stays the text that it is.

    Columns that a table lacks stay empty. Without any, a table of no rows: nothing of that kind was done for any
    workload. Raises InputError where a table is damaged.

    >>> from lib.examples import folder
    >>> for name in "ab":
    ...     write_text(f"workload,accuracy\\n{name},0.10\\n", folder() / f"{name}.csv")
    >>> concatenate([folder() / "a.csv", folder() / "b.csv"], folder() / "both.csv")
    >>> (folder() / "both.csv").read_text()
    'workload,accuracy\\na,0.10\\nb,0.10\\n'
    """
    columns, rows = {}, []
    for path in paths:
        with reading(path, "a table"), open(path, newline="", encoding="utf-8") as file:
            lines = csv.reader(file, strict=True)
            header = next(lines, [])
            if not header or len(set(header)) < len(header):
                raise ValueError("its first line does not name its columns")
            columns |= dict.fromkeys(header)
            for line in filter(None, lines):
                if len(line) != len(header):
                    raise ValueError(f"line {lines.line_num} has {len(line)} cells for {len(header)} columns")
                rows.append(dict(zip(header, line, strict=True)))
    with whole(target) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns or ["workload", "dataset"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_arrays(path: str | Path, advice: str = AGAIN) -> dict[str, np.ndarray]:
    """All arrays of an .npz file by name; raises InputError where the file is damaged or holds pickled objects.

    >>> from lib.examples import folder
    >>> write_arrays(folder() / "b.npz", weight=np.int8([1, -2]))
    >>> read_arrays(folder() / "b.npz")
    {'weight': array([ 1, -2], dtype=int8)}
    """
    with reading(path, "an .npz file of plain arrays", advice), np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
        if strange := [name for name, values in arrays.items() if not isinstance(values, np.ndarray)]:
            raise ValueError(f"{strange[0]!r} is no array")  # numpy gives the bytes of such a member
        for values in arrays.values():
            if values.dtype.kind == "U":
                values.tolist()  # numpy decodes no text before it is looked at
        return arrays
