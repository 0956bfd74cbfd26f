"""Images in a tar, also under the name of CIFAR-10's official archive, whose checksum is known."""

import io
import tarfile
from pathlib import Path

from lib.data.images import images
from lib.errors import InputError
from tests.fuzz.formats.picture import picture
from tests.fuzz.target import Target


def tar(mode: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:
        for name in ("train/a/1.png", "train/b/1.png", "test/a/1.png", "test/b/1.png"):
            member = tarfile.TarInfo(name)
            member.size = len(picture("PNG"))
            archive.addfile(member, io.BytesIO(picture("PNG")))
    return file.getvalue()


def read(path: Path) -> None:
    official = path.with_name("cifar-10-binary.tar.gz")
    official.write_bytes(path.read_bytes())
    try:
        images(source="auto", path=str(official), size=8, seed=0)
    except InputError:
        images(source="auto", path=str(path), size=8, seed=0)
    else:
        raise AssertionError("taken for CIFAR-10")


TARGET = Target("set.tar", [tar(mode) for mode in ("w", "w:gz", "w:bz2", "w:xz")], read)
