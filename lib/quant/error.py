"""How far quantized values are from the real ones."""

import numpy as np


def mse(x: np.ndarray, quantized: np.ndarray) -> float:
    """Mean squared error, in squared units of x.

    >>> mse(np.array([0.0, 1.0]), np.array([0.0, 0.5]))
    0.125
    """
    return float(np.mean(squared_error(x, quantized)))


def sqnr_db(x: np.ndarray, quantized: np.ndarray) -> float:
    """Signal-to-quantization-noise ratio, 10 log10(sum x² / sum (x - quantized)²) [dB]; inf where they are equal.

    >>> sqnr_db(np.array([3.0, 1.0]), np.array([3.0, 0.0]))
    10.0
    """
    return decibel(float(np.sum(np.square(x, dtype=np.float64))), float(np.sum(squared_error(x, quantized))))


def max_error(x: np.ndarray, quantized: np.ndarray) -> float:
    """Largest absolute error, in units of x.

    >>> max_error(np.array([0.0, 1.0]), np.array([0.25, 0.5]))
    0.5
    """
    return float(np.max(np.abs(np.subtract(x, quantized, dtype=np.float64))))


def squared_error(x: np.ndarray, quantized: np.ndarray) -> np.ndarray:
    """(x - quantized)² element by element, in float64.

    >>> squared_error(np.array([1.0, 2.0]), np.array([1.5, 2.0]))
    array([0.25, 0.  ])
    """
    return np.square(np.subtract(x, quantized, dtype=np.float64))


def decibel(signal: float, noise: float) -> float:
    """Ratio of two powers [dB]; inf without noise, -inf for noise alone.

    >>> decibel(100, 1), decibel(0, 0)
    (20.0, inf)
    """
    if noise == 0:
        return float("inf")
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(signal / noise))
