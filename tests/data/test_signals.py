import logging

import numpy as np
import pytest

from lib.data.signals import FREQUENCIES, synthetic_signal, tone
from lib.model.train import Recipe, train


def test_shape_type_and_even_classes():
    dataset = synthetic_signal(100, 53, seed=3)
    assert dataset.train_x.shape == (100, 1, 128) and dataset.train_x.dtype == np.float32
    assert dataset.test_x.shape == (53, 1, 128) and dataset.test_y.dtype == np.int64
    assert np.bincount(dataset.train_y).tolist() == [20] * 5
    assert dataset.classes == ("2 Hz", "5 Hz", "8 Hz", "11 Hz", "14 Hz")


def test_same_for_a_seed_and_different_for_another():
    first, again, other = (synthetic_signal(60, 60, seed) for seed in (1, 1, 2))
    assert np.array_equal(first.train_x, again.train_x) and np.array_equal(first.test_x, again.test_x)
    assert not np.array_equal(first.train_x, other.train_x)


def test_test_samples_are_not_training_samples_and_do_not_depend_on_their_number():
    small, large = synthetic_signal(50, 50, seed=1), synthetic_signal(500, 50, seed=1)
    assert not np.array_equal(small.train_x, small.test_x)
    assert np.array_equal(small.test_x, large.test_x)


@pytest.mark.parametrize("frequency", FREQUENCIES)
def test_a_tone_has_its_frequency(frequency):
    wave = tone(np.array([0.7]), np.array([frequency]), np.array([1.0]))[0]
    assert np.argmax(np.abs(np.fft.rfft(wave))) == frequency


def test_learnable_but_not_trivial():
    dataset = synthetic_signal(3000, 1000, seed=1)
    _, history = train("signal_cnn_1d", dataset, Recipe(5, 64, 0.05), 1, 1, logging.getLogger())
    assert 0.9 < history.test_accuracy.iloc[-1] < 0.999
