"""A labelled image set of one's own: train/<class>/* and test/<class>/* in a folder or in a tar."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from lib.data import archive
from lib.data.dataset import evenly
from lib.errors import InputError

SPLITS = ("train", "test")
SUFFIXES = (".png", ".jpg", ".jpeg")
EXPECTED = "expected train/<class>/*.png or .jpg and test/<class>/*"

Entry = tuple[str, Callable[[], bytes] | None]


class File(NamedTuple):
    """An image file: its path in the set, its place in the listing, and what reads its bytes.

    >>> File("train/cat/0.png", 0, lambda: b"PNG").read()
    b'PNG'
    """

    name: str
    place: int
    read: Callable[[], bytes]


@contextmanager
def listing(path: Path) -> Iterator[list[Entry]]:
    """Paths in a folder or tar, in the order that reads fastest, with what reads each file; None for folders.

    >>> from lib.examples import pictures
    >>> with listing(pictures()) as entries:
    ...     sorted(name for name, read in entries if read is None)
    ['test/middle', 'test/narrow', 'test/wide', 'train/middle', 'train/narrow', 'train/wide']
    """
    if path.is_dir():
        found = [entry for depth in ("*/*", "*/*/*") for entry in path.glob(depth)]
        yield [(entry.relative_to(path).as_posix(), None if entry.is_dir() else entry.read_bytes) for entry in found]
    else:
        with archive.opened(path) as tar:
            yield [
                (member.name, None if member.isdir() else partial(archive.content, tar, member))
                for member in archive.members(tar)
            ]


def by_class(entries: list[Entry]) -> dict[str, dict[str, list[File]]]:
    """{split: {class: its image files}}, classes and files in alphabetical order.

    Folders above train/ and test/, hidden files and files of other kinds are passed over.

    >>> found = by_class([("pets/train/cat/0.png", bytes), ("pets/train/cat/a.txt", bytes), ("pets/test/cat", None)])
    >>> [file.name for file in found["train"]["cat"]], found["test"]
    (['pets/train/cat/0.png'], {'cat': []})
    """
    found = {split: {} for split in SPLITS}
    for place, (name, read) in enumerate(entries):
        parts = PurePosixPath(name).parts + (("",) if read is None else ())
        if len(parts) < 3 or parts[-3] not in SPLITS or parts[-2].startswith("."):
            continue
        files = found[parts[-3]].setdefault(parts[-2], [])
        if parts[-1].lower().endswith(SUFFIXES) and not parts[-1].startswith("."):
            files.append(File(name, place, read))
    return {
        split: {label: sorted(files, key=lambda file: file.name) for label, files in sorted(classes.items())}
        for split, classes in found.items()
    }


def check(found: dict[str, dict[str, list[File]]], path: Path) -> None:
    """Raise InputError for no images, a class without any, a single class, or classes that differ between splits.

    >>> check(by_class([("train/cat/0.png", bytes), ("test/cat/0.png", bytes)]), Path("pets"))
    Traceback (most recent call last):
        ...
    lib.errors.InputError: pets: only one class, 'cat'; classification needs two or more
    """
    if not any(files for classes in found.values() for files in classes.values()):
        raise InputError(f"{path}: no images; {EXPECTED}")
    for split, other in (SPLITS, SPLITS[::-1]):
        if extra := sorted(set(found[split]) - set(found[other])):
            raise InputError(f"{path}: class {extra[0]!r} is in {split}/ but not in {other}/; {EXPECTED}")
        if empty := [label for label, files in found[split].items() if not files]:
            raise InputError(f"{path}: no images in {split}/{empty[0]}/; add some or remove the class from both splits")
    if len(found["train"]) < 2:
        raise InputError(f"{path}: only one class, {min(found['train'])!r}; classification needs two or more")


def pixels(image: Image.Image, size: tuple[int, int] | None = None, channels: int = 3) -> np.ndarray:
    """An image as uint8 [channels, height, width], RGB or grey (1); stretched to `size`, transparent parts on white.

    >>> pixels(Image.new("RGB", (3, 2), (255, 0, 9)))[:, 0, 0].tolist()
    [255, 0, 9]
    >>> pixels(Image.new("RGBA", (3, 2)), size=(1, 2), channels=1).tolist()  # transparent
    [[[255, 255]]]
    """
    if image.mode.startswith("I"):  # 16-bit grey; conversion would clip it
        image = Image.fromarray((np.asarray(image) // 256).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("RGB" if channels == 3 else "L")
    if size and image.size != size[::-1]:
        image = image.resize(size[::-1], Image.Resampling.BICUBIC)
    return np.asarray(image).reshape(*image.size[::-1], channels).transpose(2, 0, 1)


def decode(file: File, size: tuple[int, int] | None, channels: int, path: Path) -> np.ndarray:
    """An image file as `pixels`, turned as its EXIF data says; InputError names an unreadable one.

    >>> png = BytesIO()
    >>> Image.new("L", (2, 1), 40).save(png, "PNG")
    >>> decode(File("train/cat/0.png", 0, png.getvalue), None, 1, Path("pets")).tolist()
    [[[40, 40]]]
    """
    try:
        with Image.open(BytesIO(file.read()), formats=("PNG", "JPEG")) as image:
            return pixels(ImageOps.exif_transpose(image), size, channels)
    except Exception as error:  # Pillow raises many unrelated types for damaged files
        raise InputError(f"{path}: {file.name}: not a readable PNG or JPEG image; replace or remove it") from error


def read(
    path: Path,
    size: int | Sequence[int] | None,
    limits: dict[str, int | None],
    rng: np.random.Generator,
    channels: int = 3,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, tuple[str, ...]]:
    """Train images uint8 [N, channels, height, width] and labels int64 [N], test images and labels, class names.

    size : height and width [pixels], one number if they are the same; None for those of the first training image
    limits : at most so many images per split, drawn evenly over the classes; None for all
    channels : 3 for RGB, 1 for grey

    >>> from lib.examples import pictures
    >>> limits, rng = {"train": 6, "test": None}, np.random.default_rng(0)
    >>> train_x, train_y, test_x, test_y, classes = read(pictures(), None, limits, rng, channels=1)
    >>> train_x.shape, test_x.shape, train_y.tolist(), classes
    ((6, 1, 8, 8), (32, 1, 8, 8), [0, 0, 1, 1, 2, 2], ('middle', 'narrow', 'wide'))
    """
    with listing(path) as entries:
        found = by_class(entries)
        check(found, path)
        if size is None:
            size = decode(next(iter(found["train"].values()))[0], None, channels, path).shape[1:]
        size = (size, size) if isinstance(size, int) else tuple(size)
        arrays = []
        for split, classes in found.items():
            files = [file for label in classes for file in classes[label]]
            labels = np.repeat(np.arange(len(classes)), [len(classes[label]) for label in classes])
            kept = evenly(labels, limits[split], rng)
            images = np.empty((len(kept), channels, *size), np.uint8)
            # In the archive's order, because going back in a compressed tar means decompressing it again.
            for row in sorted(range(len(kept)), key=lambda row: files[kept[row]].place):
                images[row] = decode(files[kept[row]], size, channels, path)
            arrays += [images, labels[kept]]
    return *arrays, tuple(found["train"])
