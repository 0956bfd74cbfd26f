"""Measure float32 and every quantized model of a workload in one process: accuracy, latency, size.

Accuracy is the share of the whole test set, with its Wilson interval; all cores compute it, and the class of every
sample is kept for paired comparisons. Latency is the wall-clock time of one call on one pinned thread; every round
times every model once, in a new random order, so that the speed-up over float32 is a ratio of neighbours in time.
"""

from pathlib import Path

import numpy as np
from job import job

from lib.bench.compare import measure_accuracy, measure_latency
from lib.data import dataset
from lib.files import write_arrays, write_csv

with job(snakemake):
    data = dataset.load(snakemake.input.data)
    inputs, labels = data.test()
    models = Path(snakemake.input.float32), [Path(path) for path in snakemake.input.quantized]

    accuracy, predictions = measure_accuracy(*models, inputs, labels, snakemake.threads)
    latency = measure_latency(*models, inputs, **snakemake.params.timing)
    for table, path in ((accuracy, snakemake.output.accuracy), (latency, snakemake.output.latency)):
        table.insert(0, "workload", snakemake.wildcards.workload)
        table.insert(1, "dataset", data.name)
        write_csv(table, path)
    dtype = np.min_scalar_type(len(data.classes))
    write_arrays(
        snakemake.output.predictions,
        **{name: classes.astype(dtype) for name, classes in ({"labels": labels} | predictions).items()},
    )
