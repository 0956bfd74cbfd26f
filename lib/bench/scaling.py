"""What grows in this stage with the number of samples (measured by lib.bench.process)."""

from collections.abc import Callable

import numpy as np

from lib.bench.accuracy import classes
from lib.bench.session import open_session


def accuracy(size: int, model: str) -> tuple[int, Callable]:
    """ONNX Runtime names the classes of `size` samples of noise, on one thread; its time does not depend on values.

    >>> from lib.examples import float_model
    >>> count, call = accuracy(5, float_model())
    >>> count, call().shape
    (5, (5,))
    """
    session = open_session(model)
    shape = session.get_inputs()[0].shape[1:]
    x = np.random.default_rng(0).standard_normal((size, *shape), np.float32)
    return size, lambda: classes(session, x)
