"""CIFAR-10's official binary archive: downloaded, verified, read.

Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009, and the data set's home page.
The python version of the archive is a pickle, and unpickling a download runs code; the binary version is plain bytes.
"""

import os
import shutil
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

import numpy as np

from lib.data import archive
from lib.data.source import DOWNLOADED
from lib.errors import InputError
from lib.files import whole

FOLDER = "cifar-10-batches-bin"
TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST = ("test_batch.bin",)
TIMEOUT = 10  # of a silent connection [s]


@dataclass(frozen=True)
class Release:
    """A published archive: where it is, its length in bytes, its SHA-256.

    >>> CIFAR10.url, CIFAR10.size
    ('https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz', 170052171)
    """

    url: str
    size: int
    sha256: str


CIFAR10 = Release(
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    170_052_171,
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
)


def verify(path: Path, release: Release, name: str) -> None:
    """Raise InputError, about `name`, unless the file at `path` is the release byte for byte.

    >>> from lib.examples import folder
    >>> (folder() / "abc.bin").write_bytes(b"abc")
    3
    >>> release = Release("https://example.org/abc.bin", 4, "")
    >>> verify(folder() / "abc.bin", release, "abc.bin")
    Traceback (most recent call last):
        ...
    lib.errors.InputError: abc.bin: truncated, 3 of 4 bytes; download it again from https://example.org/abc.bin
    """
    size = path.stat().st_size
    if size < release.size:
        raise InputError(f"{name}: truncated, {size} of {release.size} bytes; download it again from {release.url}")
    found = archive.sha256_of(path)
    if found != release.sha256:
        raise InputError(
            f"{name}: wrong checksum, sha256 {found} instead of {release.sha256}; download it again from {release.url}"
        )


def download(release: Release, path: Path) -> None:
    """Fetch the release to `path`, whole and verified or not at all; raises InputError where that fails.

    >>> from lib.examples import float_model, folder
    >>> release = Release(float_model().as_uri(), float_model().stat().st_size, archive.sha256_of(float_model()))
    >>> download(release, folder() / "download.onnx")
    >>> (folder() / "download.onnx").read_bytes() == float_model().read_bytes()
    True
    """
    try:
        with whole(path) as temporary:
            with urllib.request.urlopen(release.url, timeout=TIMEOUT) as response, open(temporary, "wb") as file:
                shutil.copyfileobj(response, file)
            verify(temporary, release, release.url)
            os.utime(temporary, (DOWNLOADED, DOWNLOADED))
    except (OSError, HTTPException) as error:
        raise InputError(f"{release.url}: download failed ({error})") from error


def is_binary_archive(path: Path) -> bool:
    """Whether the file is meant to be the binary archive: by its name, or by the first file in it.

    >>> from lib.examples import folder, pictures
    >>> mine = shutil.make_archive(folder() / "mine", "tar", pictures())
    >>> is_binary_archive(Path("cifar-10-binary.tar.gz")), is_binary_archive(Path(mine))
    (True, False)
    """
    if path.name == Path(CIFAR10.url).name:
        return True
    with archive.opened(path) as tar:
        first = next((member.name for member in tar if member.isfile()), "")
    return FOLDER in first


def read(path: Path, release: Release) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, tuple[str, ...]]:
    """Train images uint8 [N, 3, 32, 32] and labels, test images and labels, class names, of a verified archive.

    A record is one label byte and 3,072 pixel bytes: red, green, blue plane, each row by row.

    >>> from lib.examples import folder
    >>> (folder() / FOLDER).mkdir()
    >>> for label, name in enumerate((*TRAIN, *TEST)):  # one grey picture a file
    ...     _ = (folder() / FOLDER / name).write_bytes(bytes([label, *[200] * 3072]))
    >>> _ = (folder() / FOLDER / "batches.meta.txt").write_text("airplane automobile bird cat deer dog")
    >>> tar = Path(shutil.make_archive(folder() / "tiny", "tar", folder(), FOLDER))
    >>> train_x, train_y, _, test_y, classes = read(tar, Release("", tar.stat().st_size, archive.sha256_of(tar)))
    >>> train_x.shape, train_y.tolist(), classes[test_y[0]]
    ((5, 3, 32, 32), [0, 1, 2, 3, 4], 'dog')
    """
    verify(path, release, str(path))
    with archive.opened(path) as tar:
        content = {Path(member.name).name: archive.content(tar, member) for member in tar if member.isfile()}

    def records(names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
        rows = np.frombuffer(b"".join(content[name] for name in names), np.uint8).reshape(-1, 1 + 3 * 32 * 32)
        return rows[:, 1:].reshape(-1, 3, 32, 32), rows[:, 0].astype(np.int64)

    return *records(TRAIN), *records(TEST), tuple(content["batches.meta.txt"].decode().split())
