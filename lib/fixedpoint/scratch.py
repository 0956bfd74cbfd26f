"""Arrays that need not fit into memory."""

import mmap
import os
import tempfile
from math import prod

import numpy as np


def file_array(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array in a temporary file that vanishes with it; raises OSError where the disk has no room for it.

    >>> x = file_array((2, 3), np.int8)
    >>> x[1] = 7
    >>> x.tolist()
    [[0, 0, 0], [7, 7, 7]]
    """
    size = max(1, prod(shape) * np.dtype(dtype).itemsize)
    with tempfile.TemporaryFile() as file:
        os.posix_fallocate(file.fileno(), 0, size)
        return np.ndarray(shape, dtype, mmap.mmap(file.fileno(), size))


def release(array: np.ndarray) -> None:
    """Let go of the memory that holds parts of a file_array; its values stay in the file and come back when read.

    >>> x = file_array((2, 3), np.int8)
    >>> x[...] = 7
    >>> release(x)
    >>> x.tolist()
    [[7, 7, 7], [7, 7, 7]]
    """
    array.base.madvise(mmap.MADV_DONTNEED)
