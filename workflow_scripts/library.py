"""Quantize a trained network with a public library at the low-bit study's widths, and measure it on the test set."""

import pandas as pd
import torch
from job import job, labelled

from lib.data import dataset
from lib.files import write_csv
from lib.model.networks import restore
from lib.quant.library import library_study

with job(snakemake):
    torch.set_num_threads(1)  # sums of another number of threads round differently
    params = snakemake.params
    data = dataset.load(snakemake.input.data)
    network = restore(snakemake.wildcards.workload, snakemake.input.weights)
    inputs = data.calibration(params.low_bit["samples"], params.seed)
    widths = [(int(name[1]), int(name[3])) for name in params.low_bit["widths"]]  # w4a8
    rows = library_study(network, inputs, *data.test(), widths, params.roundings)
    write_csv(labelled(pd.DataFrame(rows), snakemake), snakemake.output.library)
