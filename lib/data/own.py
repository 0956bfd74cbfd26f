"""Data sets of one's own: labelled images in a folder or tar, or arrays in an .npz file."""

import re
from pathlib import Path

import numpy as np

from lib.data import arrays, folder
from lib.data.archive import sha256_of
from lib.data.dataset import Dataset, normalization
from lib.errors import InputError


def title(path: Path) -> str:
    """The name of a file or folder as documents and figures can show it, where < or $ would be markup.

    >>> title(Path("/data/cats & dogs <2>.tar"))
    'cats _ dogs _2_.tar'
    """
    return re.sub(r"[^\w .,()+=%#@~'-]", "_", path.resolve().name)


def own(
    path: str | Path,
    name: str,
    seed: int,
    size: int | list[int] | None = None,
    channels: int | None = None,
    mean: float | list[float] | None = None,
    std: float | list[float] | None = None,
    train: int | None = None,
    test: int | None = None,
) -> tuple[Dataset, dict]:
    """The data set at `path`, and where it comes from: source (file name), sha256 (of a file), synthetic (no).

    path : folder or tar of train/<class>/* and test/<class>/*, or an .npz file as lib.data.arrays reads it
    size, channels : of images, which are resized and made grey (1) or RGB (3, the default)
    mean, std : what the model's inputs are normalized with, in units of the stored samples, per channel or one for all;
        by default those of the training samples
    train, test : at most so many samples, drawn evenly over the classes; None for all
    Raises InputError for damaged, missing or unusable data.

    >>> from lib.examples import pictures
    >>> dataset, origin = own(pictures(), "stripes", seed=0, size=[8, 12], channels=1, mean=128, std=64)
    >>> dataset.train_x.shape, dataset.classes, origin["source"]
    ((32, 1, 8, 12), ('middle', 'narrow', 'wide'), 'pictures')
    >>> float(dataset.normalize(np.uint8([[[192]]])).item())
    1.0
    """
    path, rng, limits = Path(path).expanduser(), np.random.default_rng([seed, 0]), {"train": train, "test": test}
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; mend the path of the data set {name}")
    if path.suffix != ".npz":
        *samples, classes = folder.read(path, size, limits, rng, channels or 3)
    elif size or channels:
        raise InputError(f"{path}: arrays are taken as they are; remove size and channels of the data set {name}")
    else:
        *samples, classes = arrays.read(path, limits, rng)
    scale = normalization(samples[0])
    if mean is not None and std is not None:
        if any(np.ndim(value) and np.shape(value) != scale[0].shape for value in (mean, std)):
            raise InputError(f"{name}: mean and std are one number, or one for each of {len(scale[0])} channels")
        scale = [np.broadcast_to(np.float32(value), scale[0].shape) for value in (mean, std)]
    origin = {"source": title(path), "sha256": sha256_of(path) if path.is_file() else None, "synthetic": False}
    return Dataset(*samples, *scale, classes, name), origin
