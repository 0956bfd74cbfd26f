"""Give one layer's weight or input few bits at a time and run each model on the whole test set, in integers.

Beside the measured loss: what may foretell it, and how well it does.
"""

import pandas as pd
from job import job, labelled

from lib.data import dataset
from lib.files import read_csv, write_csv
from lib.fixedpoint import IntegerModel
from lib.fixedpoint.numerics import classes
from lib.graph import Graph
from lib.quant.activations import load_finite
from lib.quant.bit_sensitivity import bit_sensitivity, proxies
from lib.quant.low_bit import quantized_tensors
from lib.quant.ranges import observed
from lib.quant.widths import uniform

with job(snakemake):
    data = dataset.load(snakemake.input.data)
    x, labels = data.test()
    graph = load_finite(snakemake.input.model)
    calibration = data.calibration(snakemake.params.samples, snakemake.params.seed)
    seen = observed(graph, calibration, quantized_tensors(graph))
    traces = {row.layer: row.trace for path in snakemake.input.hessian for row in read_csv(path).itertuples()}

    def right(model):
        return classes(IntegerModel.from_graph(Graph(model)), x) == labels

    models = uniform(graph, seen, snakemake.params.bits)
    table = pd.DataFrame(bit_sensitivity(models, seen, calibration, right, traces))
    write_csv(labelled(proxies(table), snakemake), snakemake.output.proxies)
    write_csv(labelled(table, snakemake), snakemake.output.sensitivity)
