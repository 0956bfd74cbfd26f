"""The data set images: one's own, CIFAR-10, or generated shapes; whichever is asked for and there."""

import logging
from pathlib import Path

import numpy as np
from PIL import Image

from lib.data import cifar, folder
from lib.data import shapes as generated
from lib.data.archive import sha256_of
from lib.data.dataset import Dataset, evenly, normalization
from lib.data.own import own, title
from lib.data.source import ARCHIVE
from lib.errors import InputError

log = logging.getLogger(__name__)

HOW = f"put the archive at {ARCHIVE}, or set datasets.images.path or EDGEINT8_IMAGES to images of your own"
GENERATED = {"train": 20_000, "test": 5_000}


def find(source: str, path: str | None, release: cifar.Release) -> Path | None:
    """Where the images are: `path`, or the archive under data/, downloaded where it is missing.

    None, with a warning, where all that fails and source is "auto"; for "cifar10", and for a path that does not exist,
    InputError.

    >>> find("auto", "none", cifar.CIFAR10)
    Traceback (most recent call last):
        ...
    lib.errors.InputError: none: no such file or folder; mend datasets.images.path or EDGEINT8_IMAGES
    """
    if path:
        given = Path(path).expanduser()
        if not given.exists():
            raise InputError(f"{given}: no such file or folder; mend datasets.images.path or EDGEINT8_IMAGES")
        return given
    if not ARCHIVE.exists():
        log.info("downloading %s", release.url)
        try:
            cifar.download(release, ARCHIVE)
        except InputError as error:
            if source == "cifar10":
                raise InputError(f"no CIFAR-10: {error}; {HOW}") from error
            log.warning("WARNING: %s. Results are about %s! To change that, %s.", error, generated.NAME.upper(), HOW)
            return None
    return ARCHIVE


def images(
    source: str,
    path: str | None,
    size: int,
    seed: int,
    name: str | None = None,
    train: int | None = None,
    test: int | None = None,
    release: cifar.Release = cifar.CIFAR10,
) -> tuple[Dataset, dict]:
    """Labelled RGB images, and where they come from: source (file name), sha256 (of a file), synthetic.

    source : "auto" ends with generated images where nothing else is to be had, "cifar10" with InputError
    path : binary archive of CIFAR-10, or folder or tar of train/<class>/* and test/<class>/*
    size : height and width [pixels]; images of another size are resized
    name : of images at `path` that are not CIFAR-10; by default the last part of the path
    train, test : at most so many images, drawn evenly over the classes; None for all
    Raises InputError for damaged, missing or unusable images.

    >>> from lib.examples import pictures
    >>> dataset, origin = images("auto", str(pictures()), size=16, seed=0, train=6)
    >>> dataset.train_x.shape, dataset.name, origin
    ((6, 3, 16, 16), 'pictures', {'source': 'pictures', 'sha256': None, 'synthetic': False})
    """
    rng = np.random.default_rng([seed, 0])
    found = find(source, path, release)
    if found is None:
        train_x, train_y = generated.shapes(train or GENERATED["train"], size, rng)
        test_x, test_y = generated.shapes(test or GENERATED["test"], size, np.random.default_rng([seed, 1]))
        classes, name = generated.CLASSES, generated.NAME
    elif found.is_file() and cifar.is_binary_archive(found):
        train_x, train_y, test_x, test_y, classes = cifar.read(found, release)
        train_x, train_y = limited(train_x, train_y, train, size, rng)
        test_x, test_y = limited(test_x, test_y, test, size, rng)
        name = "CIFAR-10"
    else:
        return own(found, name or title(found), seed, size, train=train, test=test)
    dataset = Dataset(train_x, train_y, test_x, test_y, *normalization(train_x), classes, name)
    origin = {
        "source": title(found) if found else "generated",
        "sha256": sha256_of(found) if found and found.is_file() else None,
        "synthetic": found is None,
    }
    return dataset, origin


def limited(
    x: np.ndarray, y: np.ndarray, limit: int | None, size: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """At most `limit` images and their labels, as size x size pixels.

    >>> x, y = np.full((4, 3, 32, 32), 200, np.uint8), np.array([0, 0, 0, 1])
    >>> x, y = limited(x, y, 2, 8, np.random.default_rng(0))
    >>> x.shape, y.tolist(), np.unique(x).tolist()
    ((2, 3, 8, 8), [0, 1], [200])
    """
    kept = evenly(y, limit, rng)
    x = np.ascontiguousarray(x[kept])
    if x.shape[2:] != (size, size):
        x = np.stack([folder.pixels(Image.fromarray(image.transpose(1, 2, 0)), (size, size)) for image in x])
    return x, y[kept]
