"""Time the integer engine against ONNX Runtime and ONNX's reference evaluator: same model, same batch, one process.

The two of a comparison take turns, round by round in random order, each call after an untimed one of its own, so that
its threads are awake. The speed-up is the median of the ratios within a round. The model is in the QDQ format, because
the reference evaluator does not know ONNX Runtime's own operators.
"""

from functools import partial

import numpy as np
import onnx
import pandas as pd
import torch
from job import job
from onnx.reference import ReferenceEvaluator

from lib.bench.latency import interleaved, summary
from lib.bench.session import open_session
from lib.data import dataset
from lib.files import write_csv
from lib.fixedpoint import IntegerModel
from lib.fixedpoint.throughput import peak_gmac_per_s, step_times

SLOW_ROUNDS = 5  # with the reference evaluator, which takes seconds

with job(snakemake) as log:
    torch.set_num_threads(1)  # the engine cuts the batch into parts instead
    path, batch, rounds = snakemake.input.model, snakemake.params.batch, snakemake.params.rounds
    data = dataset.load(snakemake.input.data)
    about = {"workload": snakemake.wildcards.workload, "dataset": data.name, "scheme": snakemake.params.scheme}
    macs = int(pd.read_csv(snakemake.input.layers).macs.sum())
    model, evaluator = IntegerModel.from_onnx(path), ReferenceEvaluator(onnx.load(path))
    feeds = {model.graph.inputs[0]: data.test(batch)[0]}
    rng = np.random.default_rng(snakemake.params.seed)

    comparisons = [
        ("ONNX Runtime", 1, rounds, open_session(path).run),
        ("ONNX Runtime", 2, rounds, open_session(path, threads=2).run),
        ("ONNX ReferenceEvaluator", 1, SLOW_ROUNDS, evaluator.run),
    ]
    rows = []
    for runner, threads, count, run in comparisons:
        calls = [partial(model.run, feeds, threads), partial(run, None, feeds)]
        ours, theirs = interleaved(calls, calls, count, rng, threads).T
        engine, other = summary(ours, reference=theirs), summary(theirs, reference=theirs)
        log.info("%s on %d threads: engine %.3g times as fast", runner, threads, engine["speedup"])
        rows.append(
            {"against": runner, "threads": threads, "batch": batch, "rounds": count}
            | {"engine_ms": engine["p50_ms"], "other_ms": other["p50_ms"], "speedup": engine["speedup"]}
            | {"engine_images_per_s": 1000 * batch / engine["p50_ms"]}
            | {"engine_gmac_per_s": batch * macs / engine["p50_ms"] / 1e6}
        )
    write_csv(pd.DataFrame([about | row for row in rows]), snakemake.output.throughput)

    peak = {"batch": batch, "peak_gmac_per_s": peak_gmac_per_s(rounds)}
    steps = step_times(model, feeds, rounds)
    write_csv(pd.DataFrame([about | peak | step for step in steps]), snakemake.output.steps)
