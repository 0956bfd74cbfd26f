"""Compare the channels of every weight as trained, with batch norm folded, and equalized, and what rounding adds."""

import pandas as pd
from job import job, labelled

from lib.files import write_csv
from lib.graph import load
from lib.model.networks import restore
from lib.quant.folding import folding

with job(snakemake):
    graphs = {"folded": load(snakemake.input.model), "equalized": load(snakemake.input.equalized)}
    layers = graphs["folded"].layers
    stages = {}
    for path in snakemake.input.weights:  # one, or none
        trained = restore(snakemake.wildcards.workload, path).state_dict()
        stages["trained"] = {layer.name: trained[f"{layer.name}.weight"].numpy() for layer in layers}
    for stage, graph in graphs.items():
        stages[stage] = {layer.name: graph.initializers[layer.weight] for layer in layers}
    table = pd.DataFrame(folding(graphs["folded"], stages))
    write_csv(labelled(table, snakemake), snakemake.output.folding)
