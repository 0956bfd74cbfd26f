"""Outputs written whole or not at all, and arrays read without unpickling."""

import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from lib.errors import InputError


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
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
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


def read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """All arrays of an .npz file by name; raises InputError where the file is damaged or holds pickled objects.

    >>> from lib.examples import folder
    >>> write_arrays(folder() / "b.npz", weight=np.int8([1, -2]))
    >>> read_arrays(folder() / "b.npz")
    {'weight': array([ 1, -2], dtype=int8)}
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, KeyError) as error:
        raise InputError(f"{path}: not a readable .npz file ({error}); delete it to have it made again") from error
