"""Export a trained network to ONNX, list its layers, and compare it with PyTorch over the whole test set."""

import pandas as pd
import torch
from job import job

from lib.data import dataset
from lib.files import write_csv
from lib.model.export import compare, layer_table, to_onnx
from lib.model.networks import restore

with job(snakemake):
    workload = snakemake.wildcards.workload
    torch.set_num_threads(snakemake.threads)
    data = dataset.load(snakemake.input.data)
    network = restore(workload, snakemake.input.weights)

    inputs, _ = data.test()
    to_onnx(network, snakemake.output.model, inputs.shape[1:])
    agreement = {"against": "PyTorch"} | compare(network, snakemake.output.model, inputs)
    tables = {
        snakemake.output.agreement: pd.DataFrame([agreement]),
        snakemake.output.layers: layer_table(snakemake.output.model),
    }
    for path, table in tables.items():
        table.insert(0, "workload", workload)
        table.insert(1, "dataset", data.name)
        write_csv(table, path)
