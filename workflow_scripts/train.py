"""Train one workload and save its weights and its learning curve.

Cross-entropy minimized by stochastic gradient descent with Nesterov momentum under a one-cycle learning rate.
"""

import io

import torch
from job import job

from lib.data import dataset
from lib.files import whole, write_csv
from lib.model.train import Recipe, train

with job(snakemake) as log:
    workload = snakemake.wildcards.workload
    data = dataset.load(snakemake.input.data)
    log.info("training %s on %s: %d samples", workload, data.name, len(data.train_x))
    network, history = train(
        workload, data, Recipe(**snakemake.params.recipe), snakemake.params.seed, snakemake.params.torch_threads, log
    )
    # Given a path, torch would write its random name into the file, too; and it does not say when a disk is full.
    stored = io.BytesIO()
    torch.save(network.state_dict(), stored)
    with whole(snakemake.output.weights) as temporary:
        temporary.write_bytes(stored.getbuffer())
    history.insert(0, "workload", workload)
    history.insert(1, "dataset", data.name)
    write_csv(history, snakemake.output.history)
