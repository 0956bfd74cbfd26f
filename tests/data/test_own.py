"""Data sets of one's own: images at the model's size, or arrays, which are checked."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lib.data.own import own
from lib.errors import InputError


@pytest.fixture
def pets(tmp_path) -> Path:
    for split in ("train", "test"):
        for name, grey in (("cat", 40), ("dog", 200)):
            (tmp_path / "pets" / split / name).mkdir(parents=True)
            Image.new("RGB", (12, 10), (grey, grey, grey)).save(tmp_path / "pets" / split / name / "0.png")
    return tmp_path / "pets"


def arrays(**changes) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    found = {"train_x": rng.normal(size=(9, 2, 5)), "train_y": np.arange(9) % 3}
    return found | {"test_x": rng.normal(size=(6, 2, 5)), "test_y": np.arange(6) % 3} | changes


def saved(folder: Path, **changes) -> Path:
    np.savez(folder / "mine.npz", **{name: x for name, x in arrays(**changes).items() if x is not None})
    return folder / "mine.npz"


def test_images_have_the_size_of_the_first_one_unless_told_otherwise(pets):
    assert own(pets, "pets", 1)[0].test_x.shape == (2, 3, 10, 12)
    assert own(pets, "pets", 1, size=8)[0].test_x.shape == (2, 3, 8, 8)
    assert own(pets, "pets", 1, size=[6, 9])[0].test_x.shape == (2, 3, 6, 9)


def test_grey_images_have_one_channel(pets):
    dataset, origin = own(pets, "pets", 1, channels=1)
    assert dataset.train_x.shape == (2, 1, 10, 12) and set(dataset.train_x.ravel()) == {40, 200}
    assert dataset.name == "pets" and origin == {"source": "pets", "sha256": None, "synthetic": False}


def test_normalization_is_the_models_or_that_of_the_training_samples(pets):
    assert own(pets, "pets", 1)[0].mean.tolist() == [120, 120, 120]
    dataset = own(pets, "pets", 1, mean=[1, 2, 3], std=4)[0]
    assert dataset.mean.tolist() == [1, 2, 3] and dataset.std.tolist() == [4, 4, 4]
    with pytest.raises(InputError, match="one for each of 3 channels"):
        own(pets, "pets", 1, mean=[1, 2], std=4)


def test_arrays_are_taken_as_they_are(tmp_path):
    path = saved(tmp_path, classes=np.array(["a", "b", "c"]))
    dataset, origin = own(path, "mine", 1, test=3)
    assert np.array_equal(dataset.train_x, arrays()["train_x"].astype(np.float32))
    assert dataset.classes == ("a", "b", "c") and np.sort(dataset.test_y).tolist() == [0, 1, 2]
    assert origin["source"] == "mine.npz" and len(origin["sha256"]) == 64
    with pytest.raises(InputError, match="arrays are taken as they are"):
        own(path, "mine", 1, size=8)


def test_classes_without_names_are_numbers(tmp_path):
    assert own(saved(tmp_path), "mine", 1)[0].classes == ("0", "1", "2")


WRONG = {
    "no test labels": ({"test_y": None}, "no array 'test_y'"),
    "NaN": ({"test_x": np.full((6, 2, 5), np.nan)}, "test_x holds NaN"),
    "too large for float32": ({"test_x": np.full((6, 2, 5), 1e300)}, "test_x holds NaN or infinity"),
    "integers that are no pixels": ({"train_x": np.zeros((9, 2, 5), np.int32)}, "train_x is int32"),
    "no samples": ({"test_x": np.zeros((0, 2, 5)), "test_y": np.zeros(0, int)}, r"test_x is float64 \(0, 2, 5\)"),
    "other shapes": ({"test_x": np.zeros((6, 2, 4))}, "differ in shape or type"),
    "one-hot labels": ({"test_y": np.eye(6, dtype=int)}, r"test_y is int64 \(6, 6\)"),
    "negative label": ({"test_y": -np.ones(6, int)}, "labels are integers from 0"),
    "label without a name": ({"classes": np.array(["a", "b"])}, "2 classes, labels up to 2"),
    "a name twice": ({"classes": np.array(["a", "b", "b"])}, "a name of its own"),
    "one class": ({"train_y": np.zeros(9, int), "test_y": np.zeros(6, int)}, "1 classes"),
    "pickled objects": ({"classes": np.array(["a", None, 3], object)}, "not an .npz file of plain arrays"),
}


@pytest.mark.parametrize("case", WRONG)
def test_arrays_that_are_no_labelled_data_set_are_refused(case, tmp_path):
    changes, message = WRONG[case]
    path = saved(tmp_path, **changes)
    with pytest.raises(InputError, match=message) as error:
        own(path, "mine", 1)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("content", ["text", "truncated", "npy"])
def test_other_files_are_refused(content, tmp_path):
    path = saved(tmp_path)
    if content == "npy":
        with open(path, "wb") as file:
            np.save(file, np.zeros(3))
    else:
        path.write_bytes(b"hello" if content == "text" else path.read_bytes()[:500])
    with pytest.raises(InputError, match="file of plain arrays"):
        own(path, "mine", 1)


def test_a_path_that_does_not_exist_names_the_data_set(tmp_path):
    with pytest.raises(InputError, match="mend the path of the data set mine"):
        own(tmp_path / "gone", "mine", 1)
