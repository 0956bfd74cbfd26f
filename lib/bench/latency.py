"""Latency of many models, measured so that whatever disturbs the machine disturbs all of them alike."""

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter

import numpy as np


@contextmanager
def pinned(threads: int = 1) -> Iterator[None]:
    """Keep the calling thread, and those that it starts, on `threads` cores, and the garbage collector quiet.

    >>> with pinned():
    ...     print(gc.isenabled(), len(os.sched_getaffinity(0)))
    False 1
    """
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    try:
        if cores:
            os.sched_setaffinity(0, sorted(cores)[-threads:])
        gc.disable()
        yield
    finally:
        gc.enable()
        if cores:
            os.sched_setaffinity(0, cores)


def interleaved(
    calls: Sequence[Callable[[], object]],
    warmups: Sequence[Callable[[], object]],
    rounds: int,
    rng: np.random.Generator,
    threads: int = 1,
) -> np.ndarray:
    """Time each call once a round, in an order drawn anew every round: seconds [rounds, len(calls)].

    Clock changes and other processes then meet every model, and times of one round can be compared as pairs.
    Each timed call follows its untimed warm-up, which brings the model's weights back into the caches that the
    models before it have filled; one whole round at the start is not counted.

    >>> calls = [lambda: sum(range(10)), lambda: sum(range(10_000))]
    >>> seconds = interleaved(calls, calls, rounds=5, rng=np.random.default_rng(0))
    >>> seconds.shape, bool(np.median(seconds[:, 1]) > np.median(seconds[:, 0]))
    ((5, 2), True)
    """
    seconds = np.empty((rounds + 1, len(calls)))
    with pinned(threads):
        for row in seconds:
            for index in rng.permutation(len(calls)):
                warmups[index]()
                start = perf_counter()
                calls[index]()
                row[index] = perf_counter() - start
    return seconds[1:]


def summary(seconds: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """Statistics in ms of a model's times [rounds], and its speed-up over `reference`, timed in the same rounds.

    The speed-up is the median of the ratios within each round, so that slow rounds weigh no more than others.

    >>> summary(np.array([0.001, 0.002, 0.001]), np.array([0.002, 0.004, 0.002]))["speedup"]
    2.0
    """
    ms = 1000 * seconds
    p50, p90, p99 = np.percentile(ms, [50, 90, 99])
    return {
        "mean_ms": ms.mean(),
        "std_ms": ms.std(ddof=1),
        "p50_ms": p50,
        "p90_ms": p90,
        "p99_ms": p99,
        "min_ms": ms.min(),
        "speedup": float(np.median(reference / seconds)),
    }
