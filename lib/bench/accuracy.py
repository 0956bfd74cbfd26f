"""Share of test samples that a model classifies correctly."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime as ort


def correct(
    session: ort.InferenceSession, inputs: np.ndarray, labels: np.ndarray, threads: int = 1, batch: int = 50
) -> int:
    """Number of the samples [N, C, …] whose largest logit is that of their label [N].

    `threads` batches run side by side: small operators gain nothing from threads of their own.
    """
    name = session.get_inputs()[0].name

    def logits(start: int) -> np.ndarray:
        return session.run(None, {name: inputs[start : start + batch]})[0]

    with ThreadPoolExecutor(threads) as pool:
        classes = np.concatenate(list(pool.map(logits, range(0, len(inputs), batch)))).argmax(axis=1)
    return int((classes == labels).sum())
