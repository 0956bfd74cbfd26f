"""What a fuzz target is."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class Target(NamedTuple):
    """A file format, and what reads it: a sound file is read, any other one refused by InputError.

    name : of the damaged file; a reader may go by its suffix
    seeds : sound files to start from
    read : reads the file at a path, which is in a folder of its own
    """

    name: str
    seeds: list[bytes]
    read: Callable[[Path], object]


def written(write: Callable[[Path], object], suffix: str) -> bytes:
    """What `write` puts into a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"file{suffix}")
        write(path)
        return path.read_bytes()
