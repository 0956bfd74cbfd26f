"""A test set in batches, on several threads, in bounded memory."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from lib.fixedpoint import onednn

Result = TypeVar("Result")


def over_batches(
    function: Callable[[Sequence], Result], x: Sequence, size: int = 250, threads: int | None = None
) -> Iterator[Result]:
    """function of every `size` samples of x, in order; the kernels release the interpreter's lock, so threads help.

    x : anything with a length that can be sliced
    threads : batches computed at a time, and results held; as many as the machine has cores if None
    """
    threads = threads or os.cpu_count() or 1
    batches = [x[first : first + size] for first in range(0, len(x), size)]
    with onednn.one_thread(), ThreadPoolExecutor(threads) as pool:
        for first in range(0, len(batches), threads):
            yield from pool.map(function, batches[first : first + threads])
