"""Estimate the trace of the loss's Hessian in the weights of each layer by Hutchinson's method, on training samples."""

import numpy as np
import pandas as pd
import torch
from job import job, labelled

from lib.data import dataset
from lib.files import write_csv
from lib.graph import load
from lib.model.export import fold_batch_norm
from lib.model.networks import restore
from lib.quant.hessian import hessian_traces

with job(snakemake):
    torch.set_num_threads(snakemake.threads)
    data, seed = dataset.load(snakemake.input.data), snakemake.params.seed
    chosen = np.random.default_rng(seed).choice(len(data.train_y), snakemake.params.samples, replace=False)
    network = fold_batch_norm(restore(snakemake.wildcards.workload, snakemake.input.weights))
    layers = [layer.name for layer in load(snakemake.input.model).layers]
    x, labels = data.normalize(data.train_x[chosen]), data.train_y[chosen]
    rows = hessian_traces(network, layers, x, labels, seed)
    write_csv(labelled(pd.DataFrame(rows), snakemake), snakemake.output.hessian)
