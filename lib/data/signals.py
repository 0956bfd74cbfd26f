"""Synthetic signals: which of five frequencies is in the noise?"""

import numpy as np

from lib.data.dataset import Dataset, normalization

FREQUENCIES = np.array([2, 5, 8, 11, 14])  # [Hz]
SAMPLES = 128  # in a window of one second
NAME = "synthetic signals"

JITTER = 0.5  # largest deviation from the nominal frequency [Hz]
NOISE = 0.5  # standard deviation of the white noise; amplitudes are 0.5 … 1.5
INTERFERENCE = 0.5  # largest amplitude of the interfering tone


def tone(amplitude: np.ndarray, frequency: np.ndarray, phase: np.ndarray) -> np.ndarray:
    """amplitude · sin(2π · frequency · t + phase) over one second: [N], [N] in Hz, [N] in rad -> [N, 128].

    >>> tone(np.array([2.0]), np.array([1.0]), np.array([0.0]))[0, [0, 32, 64, 96]].round(6).tolist()
    [0.0, 2.0, 0.0, -2.0]
    """
    time = np.arange(SAMPLES) / SAMPLES
    return amplitude[:, None] * np.sin(2 * np.pi * frequency[:, None] * time + phase[:, None])


def signals(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """`count` signals float32 [N, 1, 128] and their labels int64 [N], evenly over the classes.

    A signal is a tone of its class, a weaker tone of any frequency between 1 and 15 Hz, and white noise.

    >>> samples, labels = signals(10, np.random.default_rng(0))
    >>> samples.shape, np.bincount(labels).tolist()
    ((10, 1, 128), [2, 2, 2, 2, 2])
    """
    labels = rng.permutation(np.arange(count) % len(FREQUENCIES))

    def uniform(low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, count)

    wanted = tone(uniform(0.5, 1.5), FREQUENCIES[labels] + uniform(-JITTER, JITTER), uniform(0, 2 * np.pi))
    interfering = tone(uniform(0, INTERFERENCE), uniform(1, 15), uniform(0, 2 * np.pi))
    noise = rng.normal(0, NOISE, (count, SAMPLES))
    return (wanted + interfering + noise)[:, None].astype(np.float32), labels


def synthetic_signal(train: int, test: int, seed: int) -> Dataset:
    """The data set synthetic_signal with `train` and `test` independent samples, the same for the same seed.

    >>> dataset = synthetic_signal(train=20, test=10, seed=1)
    >>> dataset.train_x.shape, dataset.test_y.shape, dataset.classes
    ((20, 1, 128), (10,), ('2 Hz', '5 Hz', '8 Hz', '11 Hz', '14 Hz'))
    """
    train_x, train_y = signals(train, np.random.default_rng([seed, 0]))
    test_x, test_y = signals(test, np.random.default_rng([seed, 1]))
    classes = tuple(f"{frequency} Hz" for frequency in FREQUENCIES)
    return Dataset(train_x, train_y, test_x, test_y, *normalization(train_x), classes, NAME)
