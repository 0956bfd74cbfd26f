"""Time the integer engine against ONNX Runtime and ONNX's reference evaluator: same model, same batch, one process.

The two of a comparison take turns, round by round in random order, each call after an untimed one of its own, so that
its threads are awake. The speed-up is the median of the ratios within a round. The reference evaluator runs the graph
in both formats: QOperator with integers, as the others do, and QDQ, whose products it leaves to float32 BLAS.
"""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from job import job

from lib.bench.latency import interleaved, summary
from lib.bench.session import open_session
from lib.data import dataset
from lib.files import read_csv, write_csv
from lib.fixedpoint import IntegerModel
from lib.fixedpoint.evaluator import reference_evaluator
from lib.fixedpoint.throughput import peak_gmac_per_s, step_times

SLOW_ROUNDS = 3  # with the reference evaluator, which takes seconds

with job(snakemake) as log:
    torch.set_num_threads(1)  # the peak is that of one thread
    batch, rounds = snakemake.params.batch, snakemake.params.rounds
    integer, qdq = snakemake.input.integer, snakemake.input.qdq
    data = dataset.load(snakemake.input.data)
    about = {"workload": snakemake.wildcards.workload, "dataset": data.name}
    macs = int(read_csv(snakemake.input.layers).macs.sum())
    models = {path: IntegerModel.from_onnx(path) for path in (integer, qdq)}
    feeds = {models[qdq].graph.inputs[0]: data.test(batch)[0]}
    rng = np.random.default_rng(snakemake.params.seed)

    comparisons = [
        ("ONNX Runtime", qdq, 1, rounds, open_session(qdq).run),
        ("ONNX Runtime", qdq, 2, rounds, open_session(qdq, threads=2).run),
        ("ONNX ReferenceEvaluator", qdq, 1, SLOW_ROUNDS, reference_evaluator(qdq).run),
    ]
    if len(data.test_x.shape) == 4:  # of QLinearConv over one axis, the evaluator takes no scales per channel
        comparisons.append(("ONNX ReferenceEvaluator", integer, 1, SLOW_ROUNDS, reference_evaluator(integer).run))
    rows = []
    for runner, path, threads, count, run in comparisons:
        calls = [partial(models[path].run, feeds, threads), partial(run, None, feeds)]
        ours, theirs = interleaved(calls, calls, count, rng, threads).T
        engine, other = summary(ours, reference=theirs), summary(theirs, reference=theirs)
        scheme = Path(path).stem
        log.info("%s on %d threads, %s: engine %.3g times as fast", runner, threads, scheme, engine["speedup"])
        rows.append(
            {"scheme": scheme, "against": runner, "threads": threads, "batch": batch, "rounds": count}
            | {"engine_ms": engine["p50_ms"], "other_ms": other["p50_ms"], "speedup": engine["speedup"]}
            | {"engine_images_per_s": 1000 * batch / engine["p50_ms"]}
            | {"engine_gmac_per_s": batch * macs / engine["p50_ms"] / 1e6}
        )
    write_csv(pd.DataFrame([about | row for row in rows]), snakemake.output.throughput)

    peak = {"scheme": Path(qdq).stem, "batch": batch, "peak_gmac_per_s": peak_gmac_per_s(rounds)}
    steps = step_times(models[qdq], feeds, rounds)
    write_csv(pd.DataFrame([about | peak | step for step in steps]), snakemake.output.steps)
