"""A test set in batches, on several threads, in bounded memory."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

Result = TypeVar("Result")


def over_batches(function: Callable[[np.ndarray], Result], x: np.ndarray, size: int = 250) -> Iterator[Result]:
    """function of every `size` samples of x, in order; the kernels release the interpreter's lock, so threads help."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(function, (x[first : first + size] for first in range(0, len(x), size)))
