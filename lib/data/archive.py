"""Tar archives read member by member in memory: nothing is extracted, links are ignored."""

import hashlib
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lib.errors import InputError

DAMAGES = (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError, ValueError, OverflowError, MemoryError)
MOST_BYTES = 1 << 28  # of one file; a few bytes of a damaged or malicious archive can stand for any number


@contextmanager
def opened(path: Path) -> Iterator[tarfile.TarFile]:
    """The tar (plain, gz, bz2 or xz) at `path`; damage found while it is read raises InputError.

    >>> from lib.examples import float_model, folder
    >>> with tarfile.open(folder() / "models.tar", "w") as made:
    ...     made.add(float_model(), "float.onnx")
    >>> with opened(folder() / "models.tar") as archive:
    ...     archive.getnames()
    ['float.onnx']
    """
    try:
        with tarfile.open(path) as archive:
            yield archive
    except InputError:
        raise
    except DAMAGES as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: not a tar archive, or damaged or truncated ({reason}); fetch it again") from error


def members(archive: tarfile.TarFile) -> list[tarfile.TarInfo]:
    """Files and folders of the archive, in its order; raises tarfile.ReadError where the archive breaks off.

    >>> from lib.examples import folder, pictures
    >>> with tarfile.open(folder() / "pictures.tar", "w") as made:
    ...     made.add(pictures() / "test", "test")
    >>> with opened(folder() / "pictures.tar") as archive:
    ...     sorted(member.name for member in members(archive) if member.isdir())
    ['test', 'test/middle', 'test/narrow', 'test/wide']
    """
    listed = [member for member in archive if member.isfile() or member.isdir()]
    # tarfile takes a cut or damaged header for the end; the true end is a block of zeros.
    archive.fileobj.seek(archive.offset)
    if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("it breaks off after " + (listed[-1].name if listed else "its start"))
    return listed


def content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """The bytes of a file in the archive; raises InputError where it is sparse or larger than any image.

    >>> from lib.examples import folder
    >>> _ = (folder() / "abc.bin").write_bytes(b"abc")
    >>> with tarfile.open(folder() / "abc.tar", "w") as made:
    ...     made.add(folder() / "abc.bin", "abc.bin")
    >>> with opened(folder() / "abc.tar") as archive:
    ...     content(archive, archive.getmember("abc.bin"))
    b'abc'
    """
    if member.issparse() or member.size > MOST_BYTES:
        raise InputError(f"{archive.name}: {member.name}: sparse, or larger than {MOST_BYTES:,} bytes; remove it")
    return archive.extractfile(member).read()


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file.

    >>> from lib.examples import folder
    >>> _ = (folder() / "abc.bin").write_bytes(b"abc")
    >>> sha256_of(folder() / "abc.bin")  # as in FIPS 180-2, appendix B.1
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
