"""Files are still what the workflow wrote: each output's size, times and hash are noted, and looked up by its readers.

A table cut short at the end of a line, or a file that lost its end in a crash of the machine, looks sound to whoever
parses it. The notes are in .snakemake, as what Snakemake itself knows about files.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from lib.errors import InputError
from lib.files import write_text

NOTES = Path(".snakemake/written")


def _files(path: Path) -> Iterator[Path]:
    """The file, or all files in the folder but hidden ones, in the order of their names."""
    if path.is_dir():
        yield from (file for file in sorted(path.rglob("*")) if file.is_file() and not file.name.startswith("."))
    else:
        yield path


def _signature(path: Path) -> list[list]:
    """Name, size and time of each of `_files`: as long as it is the same, nothing was written."""
    status = ((file.relative_to(path).as_posix(), file.stat()) for file in _files(path))
    return [[name, found.st_size, found.st_mtime_ns] for name, found in status]


def _content(path: Path) -> str:
    """SHA-256 of names and contents of `_files`."""
    digest = hashlib.sha256()
    for file in _files(path):
        with open(file, "rb") as opened:
            digest.update(file.relative_to(path).as_posix().encode() + hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()


def _note_of(path: str) -> Path:
    return NOTES / f"{hashlib.sha256(path.encode()).hexdigest()[:32]}.json"


def note(paths: Iterable[str]) -> None:
    """Note what was just written to `paths`, files or folders.

    >>> from lib.examples import folder
    >>> from contextlib import chdir
    >>> _ = (folder() / "table.csv").write_text("1\\n2\\n")
    >>> with chdir(folder()):  # the notes are in the working directory
    ...     note(["table.csv"])
    ...     print([json.loads(file.read_text())["path"] for file in NOTES.iterdir()])
    ['table.csv']
    """
    for path in paths:
        found = {"path": path, "signature": _signature(Path(path)), "content": _content(Path(path))}
        write_text(json.dumps(found), _note_of(path))


def check(paths: Iterable[str]) -> None:
    """Raise InputError for the first of `paths` that is no longer what was noted; those without a note pass.

    >>> from lib.examples import folder
    >>> from contextlib import chdir
    >>> _ = (folder() / "table.csv").write_text("1\\n2\\n")
    >>> with chdir(folder()):  # the notes are in the working directory
    ...     note(["table.csv"])
    ...     check(["table.csv"])
    ...     _ = Path("table.csv").write_text("1\\n")
    ...     check(["table.csv"])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    lib.errors.InputError: table.csv: not as the workflow wrote it, but cut short or changed; delete it ...
    """
    for path in paths:
        try:
            noted = json.loads(_note_of(path).read_text(encoding="utf-8"))
            sound = _signature(Path(path)) == noted["signature"] or _content(Path(path)) == noted["content"]
        except (OSError, ValueError, KeyError):  # no note, a damaged one, or no file, which the reader will say
            continue
        if not sound:
            raise InputError(
                f"{path}: not as the workflow wrote it, but cut short or changed; delete it to have it made again"
            )
