"""Take an ONNX file of one's own: the same function in the form that all stages rely on, compared over the test set."""

import onnx
import pandas as pd
import torch
from job import job

from lib.data import dataset
from lib.files import whole, write_csv
from lib.model.export import layer_table
from lib.model.importing import agreement, read, standardized

with job(snakemake):
    torch.set_num_threads(snakemake.threads)
    data = dataset.load(snakemake.input.data)
    inputs, _ = data.test()
    given = read(snakemake.input.model)
    model = standardized(given, snakemake.input.model, inputs.shape[1:], len(data.classes))
    with whole(snakemake.output.model) as temporary:
        onnx.save(model, temporary)

    found = {"against": "the file given"} | agreement(given, snakemake.output.model, inputs)
    tables = {
        snakemake.output.agreement: pd.DataFrame([found]),
        snakemake.output.layers: layer_table(snakemake.output.model),
    }
    for path, table in tables.items():
        table.insert(0, "workload", snakemake.wildcards.workload)
        table.insert(1, "dataset", data.name)
        write_csv(table, path)
