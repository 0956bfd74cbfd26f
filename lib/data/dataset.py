"""A labelled data set as one .npz file: arrays, names of its classes, and its normalization."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from lib.errors import InputError
from lib.files import read_arrays, write_arrays

KEYS = ("train_x", "train_y", "test_x", "test_y", "mean", "std", "classes", "name")


@dataclass(frozen=True)
class Dataset:
    """Labelled samples, channels first.

    train_x, test_x : stored samples [N, C, …]; uint8 for images, float32 for signals
    train_y, test_y : labels [N], int64, 0 … len(classes) - 1
    mean, std : normalization per channel [C], in units of the stored samples
    classes : names of the classes; name : what tables and figures call this data set

    >>> from lib.examples import dataset
    >>> data = dataset()
    >>> inputs, labels = data.test(3)
    >>> inputs.shape, [data.classes[label] for label in labels]
    ((3, 1, 8, 8), ['wide', 'wide', 'narrow'])
    >>> data.calibration(8, seed=0).shape
    (8, 1, 8, 8)
    """

    train_x: np.ndarray
    train_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    classes: tuple[str, ...]
    name: str

    def normalize(self, x: np.ndarray) -> np.ndarray:
        """Stored samples [N, C, …] as the float32 input of the networks: (x - mean) / std per channel."""
        per_channel = (-1, *(1,) * (x.ndim - 2))
        x = x.astype(np.float32)
        x -= self.mean.reshape(per_channel)
        x /= self.std.reshape(per_channel)
        return x

    def test(self, samples: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Normalized inputs and labels of `samples` test samples, spread evenly over the set; all by default.

        Spread, because a test set may be sorted by class.
        """
        total = len(self.test_y)
        chosen = np.linspace(0, total - 1, min(samples or total, total), dtype=int)
        return self.normalize(self.test_x[chosen]), self.test_y[chosen]

    @cached_property
    def tested(self) -> frozenset[bytes]:
        """The stored bytes of every test sample."""
        return frozenset(sample.tobytes() for sample in self.test_x)

    @cached_property
    def untested(self) -> np.ndarray:
        """Indices of the training samples that are not, byte for byte, test samples too; some sets hold a few twice."""
        return np.flatnonzero([sample.tobytes() not in self.tested for sample in self.train_x])

    def calibration(self, samples: int, seed: int) -> np.ndarray:
        """`samples` normalized inputs drawn from the training set without replacement.

        None of them is a test sample by content: training samples that are test samples too are left out.
        Raises InputError where fewer are left than asked for.
        """
        if samples > len(self.untested):
            raise InputError(
                f"{samples} calibration samples asked for, but {self.name} has {len(self.untested)} training samples "
                "that are not test samples; lower the number in section quant of the configuration"
            )
        index = np.random.default_rng(seed).choice(len(self.untested), samples, replace=False)
        drawn = self.train_x[self.untested[np.sort(index)]]
        assert self.tested.isdisjoint(sample.tobytes() for sample in drawn), "calibration samples in the test set"
        return self.normalize(drawn)

    def save(self, path: str | Path) -> None:
        """Write the data set as .npz."""
        write_arrays(
            path,
            **{key: getattr(self, key) for key in KEYS[:6]},
            classes=np.array(self.classes),
            name=np.array(self.name),
        )


def normalization(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation per channel [C], float32, of samples [N, C, …]; a constant channel is not scaled.

    >>> normalization(np.array([[[1, 3], [7, 7]]], np.uint8))
    (array([2., 7.], dtype=float32), array([1., 1.], dtype=float32))
    """
    x = x.reshape(*x.shape[:2], -1)
    count = x.shape[0] * x.shape[2]
    # Sums of squares, because numpy.std makes a float64 copy of the whole data set.
    mean = np.einsum("ncp->c", x, dtype=np.float64) / count
    variance = np.einsum("ncp,ncp->c", x, x, dtype=np.float64) / count - mean**2
    std = np.sqrt(np.where(variance > 1e-6, variance, 1))
    return mean.astype(np.float32), std.astype(np.float32)


def evenly(labels: np.ndarray, limit: int | None, rng: np.random.Generator) -> np.ndarray:
    """Indices, ascending, of at most `limit` random samples spread evenly over the classes; None keeps all.

    >>> evenly(np.array([0, 0, 0, 0, 1, 2, 2]), 5, np.random.default_rng(0)).tolist()
    [2, 3, 4, 5, 6]
    """
    turn = np.empty(len(labels), np.int64)  # the how-manieth of its class a sample is drawn
    shuffled = rng.permutation(len(labels))
    for label in np.unique(labels):
        members = shuffled[labels[shuffled] == label]
        turn[members] = np.arange(len(members))
    return np.sort(np.lexsort((labels, turn))[:limit])


def load(path: str | Path) -> Dataset:
    """Read a data set; raises InputError where the file is damaged or lacks an array.

    >>> from lib.examples import dataset, folder
    >>> dataset().save(folder() / "stripes.npz")
    >>> load(folder() / "stripes.npz").classes
    ('narrow', 'middle', 'wide')
    """
    arrays = read_arrays(path)
    missing = [key for key in KEYS if key not in arrays]
    if missing:
        raise InputError(f"{path}: no array {missing[0]!r}; delete the file to have it made again")
    arrays["classes"] = tuple(map(str, arrays["classes"]))
    arrays["name"] = str(arrays["name"])
    return Dataset(**{key: arrays[key] for key in KEYS})
