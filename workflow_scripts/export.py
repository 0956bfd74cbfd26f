"""Export a trained network to ONNX, list its layers, and compare it with PyTorch over the whole test set."""

import pandas as pd
import torch
from job import job

from lib.data import dataset
from lib.files import write_csv
from lib.graph import load
from lib.model.export import compare, to_onnx
from lib.model.networks import restore

with job(snakemake):
    workload = snakemake.wildcards.workload
    torch.set_num_threads(snakemake.threads)
    data = dataset.load(snakemake.input.data)
    network = restore(workload, snakemake.input.weights)
    about = {"workload": workload, "dataset": data.name}

    inputs, _ = data.test()
    to_onnx(network, snakemake.output.model, inputs.shape[1:])
    write_csv(pd.DataFrame([about | compare(network, snakemake.output.model, inputs)]), snakemake.output.agreement)
    layers = [
        about
        | {
            "layer": layer.name,
            "op": layer.op,
            "input_shape": "x".join(map(str, layer.input_shape)),
            "weight_shape": "x".join(map(str, layer.weight_shape)),
            "output_shape": "x".join(map(str, layer.output_shape)),
            "macs": layer.macs,
            "parameters": layer.parameters,
        }
        for layer in load(snakemake.output.model).layers
    ]
    write_csv(pd.DataFrame(layers), snakemake.output.layers)
