"""What a data set is and where it comes from, for people and for the record."""

import numpy as np

from lib.data.dataset import Dataset


def provenance(dataset: Dataset, source: str, sha256: str | None, synthetic: bool) -> dict:
    """The contents of results/data/{dataset}.json; mean and std in units of the stored samples.

    source : file or folder name, or "generated"; sha256 : of a source file; synthetic : whether generated

    >>> from lib.examples import dataset
    >>> about = provenance(dataset(), source="generated", sha256=None, synthetic=True)
    >>> about["shape"], about["train"], about["train_per_class"]
    ([1, 8, 8], 32, {'narrow': 11, 'middle': 11, 'wide': 10})
    """

    def per_class(labels: np.ndarray) -> dict[str, int]:
        counts = np.bincount(labels, minlength=len(dataset.classes))
        return dict(zip(dataset.classes, counts.tolist(), strict=True))

    return {
        "name": dataset.name,
        "source": source,
        "sha256": sha256,
        "synthetic": synthetic,
        "train": len(dataset.train_x),
        "test": len(dataset.test_x),
        "shape": list(dataset.train_x.shape[1:]),
        "classes": list(dataset.classes),
        "mean": dataset.mean.tolist(),
        "std": dataset.std.tolist(),
        "train_per_class": per_class(dataset.train_y),
        "test_per_class": per_class(dataset.test_y),
    }
