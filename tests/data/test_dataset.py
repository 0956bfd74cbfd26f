import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.data import dataset
from lib.data.dataset import evenly, normalization
from lib.data.provenance import provenance
from lib.data.signals import synthetic_signal
from lib.errors import InputError


def test_saved_and_loaded_it_is_the_same(tmp_path):
    made = synthetic_signal(50, 50, seed=1)
    made.save(tmp_path / "signals.npz")
    read = dataset.load(tmp_path / "signals.npz")
    for key in ("train_x", "train_y", "test_x", "test_y", "mean", "std"):
        assert np.array_equal(getattr(read, key), getattr(made, key))
    assert (read.classes, read.name) == (made.classes, made.name)


@pytest.mark.parametrize("damage", [b"", b"not a zip", None])
def test_a_damaged_file_is_named(tmp_path, damage):
    path = tmp_path / "signals.npz"
    synthetic_signal(50, 50, seed=1).save(path)
    path.write_bytes(path.read_bytes()[:-100] if damage is None else damage)
    with pytest.raises(InputError, match=r"signals\.npz"):
        dataset.load(path)


def test_normalized_training_samples_have_mean_0_and_deviation_1():
    made = synthetic_signal(500, 50, seed=1)
    normalized = made.normalize(made.train_x)
    assert normalized.dtype == np.float32
    assert abs(normalized.mean()) < 1e-4 and abs(normalized.std() - 1) < 1e-4


def test_normalization_is_numpys_mean_and_deviation():
    x = np.random.default_rng(0).integers(0, 256, (40, 3, 5, 5)).astype(np.uint8)
    mean, std = normalization(x)
    assert np.allclose(mean, x.mean((0, 2, 3))) and np.allclose(std, x.std((0, 2, 3)))


def test_a_constant_channel_stays_finite():
    x = np.full((4, 3, 2, 2), 17, np.uint8)
    assert np.array_equal(normalization(x)[1], [1, 1, 1])


def test_calibration_draws_training_samples_once_each():
    made = synthetic_signal(60, 50, seed=1)
    drawn = made.calibration(60, seed=1)
    assert np.array_equal(drawn, made.normalize(made.train_x))
    assert np.array_equal(made.calibration(10, seed=1), made.calibration(10, seed=1))


def test_calibration_refuses_more_than_there_is():
    with pytest.raises(InputError, match="61 calibration samples"):
        synthetic_signal(60, 50, seed=1).calibration(61, seed=1)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(1, 70))
def test_evenly_takes_as_many_as_asked_and_no_class_more_than_another_that_has_more(labels, limit):
    labels = np.array(labels)
    kept = evenly(labels, limit, np.random.default_rng(0))
    assert len(kept) == len(set(kept.tolist())) == min(limit, len(labels))
    taken, there = np.bincount(labels[kept], minlength=5), np.bincount(labels, minlength=5)
    assert all(count >= taken.max() - 1 for count, of in zip(taken, there, strict=True) if count < of)


def test_evenly_without_a_limit_keeps_all_in_order():
    assert evenly(np.array([2, 0, 1]), None, np.random.default_rng(0)).tolist() == [0, 1, 2]


def test_provenance_counts_every_class():
    record = provenance(synthetic_signal(50, 51, seed=1), "generated", None, True)
    assert record["test_per_class"] == {"2 Hz": 11, "5 Hz": 10, "8 Hz": 10, "11 Hz": 10, "14 Hz": 10}
    assert record["shape"] == [1, 128] and record["synthetic"] is True


def overlapping() -> dataset.Dataset:
    """Images of 2 x 2 pixels, each once: the first 30 of the 50 training images are test images too."""
    images = np.random.default_rng(0).permutation(60 * 12).astype(np.uint8).reshape(60, 3, 2, 2)
    train, test = images[:50], np.concatenate([images[:30], images[50:]])[::-1]
    labels = np.zeros(50, np.int64), np.zeros(40, np.int64)
    return dataset.Dataset(train, labels[0], test, labels[1], np.zeros(3), np.ones(3), ("any",), "small images")


def test_calibration_leaves_out_training_samples_that_are_test_samples():
    made = overlapping()
    drawn = made.calibration(20, seed=1)
    assert np.array_equal(drawn, made.train_x[30:].astype(np.float32))
    assert made.tested.isdisjoint(sample.astype(np.uint8).tobytes() for sample in drawn)
    with pytest.raises(InputError, match="small images has 20 training samples"):
        made.calibration(21, seed=1)


def test_calibration_draws_as_ever_where_nothing_overlaps():
    made = synthetic_signal(60, 50, seed=1)
    index = np.sort(np.random.default_rng(3).choice(60, 7, replace=False))
    assert np.array_equal(made.calibration(7, seed=3), made.normalize(made.train_x[index]))
