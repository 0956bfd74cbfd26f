"""A test set in batches, on several threads, in bounded memory."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import current_thread
from typing import TypeVar

Result = TypeVar("Result")
WORKER = "batches"


def cores() -> int:
    """Cores that this process may use: fewer than there are where a batch system grants some of a shared machine's.

    >>> 1 <= cores() <= os.cpu_count()
    True
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def over_batches(
    function: Callable[[Sequence], Result], x: Sequence, size: int = 250, threads: int | None = None
) -> Iterator[Result]:
    """function of every `size` samples of x, in order; the kernels release the interpreter's lock, so threads help.

    x : anything with a length that can be sliced
    threads : batches computed at a time, and results held; as many as there are `cores` if None

    >>> list(over_batches(sum, [1, 2, 3, 4, 5], size=2))
    [3, 7, 5]
    """
    threads = threads or cores()
    batches = [x[first : first + size] for first in range(0, len(x), size)]
    # A worker that waits for workers might wait for ever.
    alone = threads == 1 or current_thread().name.startswith(WORKER)
    for first in range(0, len(batches), threads):
        together = batches[first : first + threads]
        yield from map(function, together) if alone else _pool(threads).map(function, together)


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads that stay, and with them the memory that they have warmed up."""
    return ThreadPoolExecutor(threads, thread_name_prefix=WORKER)
