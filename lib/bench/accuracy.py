"""The classes that a model names for test samples."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime as ort


def classes(session: ort.InferenceSession, inputs: np.ndarray, threads: int = 1, batch: int = 50) -> np.ndarray:
    """The class [N] of each sample [N, C, …]: that of its largest logit.

    `threads` batches run side by side: small operators gain nothing from threads of their own.

    >>> from lib.bench.session import open_session
    >>> from lib.examples import float_model, inputs
    >>> classes(open_session(float_model()), inputs(4)).tolist()
    [0, 1, 1, 1]
    """
    name = session.get_inputs()[0].name

    def logits(start: int) -> np.ndarray:
        return session.run(None, {name: inputs[start : start + batch]})[0]

    with ThreadPoolExecutor(threads) as pool:
        return np.concatenate(list(pool.map(logits, range(0, len(inputs), batch)))).argmax(axis=1)
