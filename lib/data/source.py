"""What a workflow must know about its images before any job runs. Imports nothing heavy."""

import hashlib
import os
from glob import glob
from pathlib import Path

ARCHIVE = Path("data/cifar-10-binary.tar.gz")  # in the working directory

# Modification time given to a download, so that `stamp` tells it from an archive that someone put there.
DOWNLOADED = 0


def stamp(path: str | None) -> str | None:
    """A hash that changes with the size or modification time of the file at `path`, or of the images in that folder.

    Without a path: of the archive under data/, unless the workflow itself downloaded it. None where there is nothing.

    >>> from lib.examples import folder
    >>> path = folder() / "images.tar"
    >>> _ = path.write_bytes(b"few")
    >>> before = stamp(path)
    >>> _ = path.write_bytes(b"many more")
    >>> len(before), stamp(path) == before
    (16, False)
    """
    place = (Path(path).expanduser() if path else ARCHIVE).resolve()
    if not place.exists() or (not path and place.stat().st_mtime == DOWNLOADED):
        return None
    digest = hashlib.sha256()
    for entry in ("", *sorted(glob("*/*", root_dir=place)), *sorted(glob("*/*/*", root_dir=place))):
        status = os.lstat(f"{place}/{entry}" if entry else place)
        digest.update(f"{entry} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]
