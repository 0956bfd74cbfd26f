"""Arrays, as the workflow's own data set and as a data set of one's own."""

from pathlib import Path

import numpy as np

from lib import examples
from lib.data import dataset
from lib.data.own import own
from lib.errors import InputError
from tests.fuzz.target import Target, written


def seeds() -> list[bytes]:
    made = examples.dataset(4)
    labelled = {"train_x": made.train_x, "train_y": made.train_y, "test_x": made.test_x, "test_y": made.test_y}
    return [
        written(made.save, ".npz"),
        written(lambda path: np.savez_compressed(path, **labelled), ".npz"),
        written(lambda path: np.savez(path, **labelled, classes=np.array(["x", "y", "z"])), ".npz"),
    ]


def read(path: Path) -> None:
    """Both ways, because one refuses what the other reads."""
    try:
        dataset.load(path)
    except InputError:
        own(path, name="mine", seed=0)


TARGET = Target("data.npz", seeds(), read)
