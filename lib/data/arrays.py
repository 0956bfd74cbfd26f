"""A labelled data set of one's own as arrays in an .npz file: train_x, train_y, test_x, test_y and perhaps classes."""

from pathlib import Path

import numpy as np

from lib.data.dataset import evenly
from lib.errors import InputError
from lib.files import read_arrays

SPLITS = ("train", "test")
EXPECTED = "expected train_x, train_y, test_x and test_y, and classes if they have names"


def checked(x: np.ndarray, y: np.ndarray, split: str, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Samples as uint8 or float32 and labels as int64; raises InputError where they are of other kinds or shapes.

    >>> x, y = checked(np.zeros((2, 1, 4)), np.uint8([0, 1]), "train", Path("mine.npz"))
    >>> x.dtype, y.dtype
    (dtype('float32'), dtype('int64'))
    >>> checked(np.zeros((2, 1, 4)), np.array([0]), "train", Path("mine.npz"))
    Traceback (most recent call last):
        ...
    lib.errors.InputError: mine.npz: train_y is int64 (1,); labels are integers from 0, one for each of the 2 samples
    """
    if x.ndim < 2 or not x.size or (x.dtype != np.uint8 and x.dtype.kind != "f"):
        problem = f"{x.dtype} {x.shape}; samples are uint8 or float, [N, channels, …]"
        raise InputError(f"{path}: {split}_x is {problem}")
    if y.shape != (len(x),) or y.dtype.kind not in "iu" or y.min() < 0:
        problem = f"{y.dtype} {y.shape}; labels are integers from 0, one for each of the {len(x)} samples"
        raise InputError(f"{path}: {split}_y is {problem}")
    with np.errstate(over="ignore"):  # float64 beyond float32 becomes infinity, which is refused
        x = x if x.dtype == np.uint8 else x.astype(np.float32)
    if not np.isfinite(x).all():
        raise InputError(f"{path}: {split}_x holds NaN or infinity; mend or remove these samples")
    return x, y.astype(np.int64)


def read(
    path: Path, limits: dict[str, int | None], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, tuple[str, ...]]:
    """Train samples [N, channels, …] and labels int64 [N], test samples and labels, class names.

    limits : at most so many samples per split, drawn evenly over the classes; None for all
    Without names in the file the classes are called by their numbers.
    Raises InputError where the file is damaged or its arrays do not make a labelled data set.

    >>> from lib.examples import folder
    >>> x, y = np.zeros((4, 1, 8), np.uint8), np.array([0, 0, 0, 1])
    >>> np.savez(folder() / "mine.npz", train_x=x, train_y=y, test_x=x, test_y=y, classes=["cat", "dog"])
    >>> *_, test_y, classes = read(folder() / "mine.npz", {"train": None, "test": 2}, np.random.default_rng(0))
    >>> test_y.tolist(), classes
    ([0, 1], ('cat', 'dog'))
    """
    arrays = read_arrays(path, advice="write it with numpy.savez")
    for name in (f"{split}_{letter}" for split in SPLITS for letter in "xy"):
        if name not in arrays:
            raise InputError(f"{path}: no array {name!r}; {EXPECTED}")
    (train_x, train_y), (test_x, test_y) = (checked(arrays[f"{s}_x"], arrays[f"{s}_y"], s, path) for s in SPLITS)
    if (train_x.shape[1:], train_x.dtype) != (test_x.shape[1:], test_x.dtype):
        kinds = " and ".join(f"{x.dtype} {list(x.shape[1:])}" for x in (train_x, test_x))
        raise InputError(f"{path}: training and test samples differ in shape or type: {kinds}")
    highest = max(train_y.max(), test_y.max())
    if "classes" not in arrays and highest >= len(train_y) + len(test_y):
        raise InputError(f"{path}: labels up to {highest} and fewer samples; number the classes from 0 without gaps")
    classes = tuple(map(str, np.ravel(arrays["classes"] if "classes" in arrays else np.arange(highest + 1))))
    if len(set(classes)) != len(classes) or len(classes) <= max(highest, 1):
        raise InputError(f"{path}: {len(classes)} classes, labels up to {highest}; each label needs a name of its own")
    kept_train, kept_test = evenly(train_y, limits["train"], rng), evenly(test_y, limits["test"], rng)
    return train_x[kept_train], train_y[kept_train], test_x[kept_test], test_y[kept_test], classes
