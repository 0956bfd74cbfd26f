"""Float32 and every quantized model of a workload, measured side by side."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from lib.bench.accuracy import classes
from lib.bench.latency import interleaved, summary
from lib.bench.session import open_session
from lib.interval import wilson
from lib.progress import Progress
from lib.quant.scheme import Scheme

FLOAT32 = {"scheme": "float32", "format": "", "activation": "", "granularity": "", "calibration": ""}
# One call at a larger batch takes as long as many single ones and averages over them: fewer are needed.
ROUNDS_PER_BATCH_ROUND = 10


def columns(path: Path) -> dict[str, str]:
    """The scheme columns of a quantized model, which is named after its scheme.

    >>> list(columns(Path("results/quant/ds_cnn/qdq_uint8_channel_minmax.onnx")).values())
    ['qdq_uint8_channel_minmax', 'qdq', 'uint8', 'channel', 'minmax']
    """
    return Scheme.parse(path.stem).columns()


def measure_accuracy(
    float32: Path, quantized: Sequence[Path], inputs: np.ndarray, labels: np.ndarray, threads: int
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Accuracy on all samples, its 95 % interval, and file size in kB (1000 bytes); a row per model, float32 first.

    Also the classes [N] that each model names, by scheme.

    >>> from lib.examples import dataset, float_model, quantized_model
    >>> table, predictions = measure_accuracy(float_model(), [quantized_model()], *dataset().test(), threads=1)
    >>> table[["scheme", "samples"]].values.tolist()
    [['float32', 32], ['qoperator_uint8_channel_minmax', 32]]
    >>> table.loc[0, ["accuracy", "ci_low", "ci_high"]].astype(float).round(3).tolist()
    [0.312, 0.18, 0.486]
    >>> predictions["float32"].shape
    (32,)
    """
    rows, predictions, progress = [], {}, Progress(1 + len(quantized), "models")
    for path, scheme in [(float32, FLOAT32), *((path, columns(path)) for path in quantized)]:
        predictions[scheme["scheme"]] = found = classes(open_session(path), inputs, threads)
        hits = int(np.count_nonzero(found == labels))
        low, high = wilson(hits, len(labels))
        rows.append(
            scheme
            | {"samples": len(labels), "accuracy": hits / len(labels), "ci_low": low, "ci_high": high}
            | {"size_kb": path.stat().st_size / 1000}
        )
        progress(f"{scheme['scheme']}: {100 * hits / len(labels):.2f} % of {len(labels)}")
    return pd.DataFrame(rows), predictions


def measure_latency(
    float32: Path, quantized: Sequence[Path], inputs: np.ndarray, batch: int, rounds: int, seed: int
) -> pd.DataFrame:
    """Wall-clock time of a call on one thread, at batch 1 and at `batch`; a row per batch and model, float32 first.

    >>> from lib.examples import float_model, inputs, quantized_model
    >>> table = measure_latency(float_model(), [quantized_model()], inputs(4), batch=4, rounds=10, seed=0)
    >>> table.groupby("batch").speedup.first().tolist()  # of float32 over itself
    [1.0, 1.0]
    >>> bool((table.p50_ms > 0).all()), len(table)
    (True, 4)
    """
    paths, rng, rows = [float32, *quantized], np.random.default_rng(seed), []
    sessions = [open_session(path) for path in paths]
    name = sessions[0].get_inputs()[0].name
    single = [partial(session.run, None, {name: inputs[:1]}) for session in sessions]
    batched = [partial(session.run, None, {name: inputs[:batch]}) for session in sessions]
    progress = Progress(2, "batch sizes")
    for size, calls, count in ((1, single, rounds), (batch, batched, max(10, rounds // ROUNDS_PER_BATCH_ROUND))):
        seconds = interleaved(calls, single, count, rng)
        for path, column in zip(paths, seconds.T, strict=True):
            scheme = FLOAT32 if path == float32 else columns(path)
            rows.append(scheme | {"batch": size, "rounds": count} | summary(column, seconds[:, 0]))
        progress(f"{len(paths)} models timed {count} times at batch {size}")
    return pd.DataFrame(rows)
