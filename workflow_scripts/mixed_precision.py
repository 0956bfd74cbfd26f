"""Find the cheapest width of each layer's weights for every allowed loss; run what is found on the whole test set."""

import pandas as pd
from job import job, labelled

from lib.data import dataset
from lib.files import read_csv, write_csv
from lib.fixedpoint import IntegerModel
from lib.fixedpoint.numerics import classes
from lib.graph import Graph
from lib.quant.activations import load_finite, logits
from lib.quant.low_bit import quantized_tensors
from lib.quant.mixed import mixed_precision
from lib.quant.ranges import observed
from lib.quant.widths import uniform

with job(snakemake):
    params, data = snakemake.params, dataset.load(snakemake.input.data)
    x, labels = data.test()
    graph = load_finite(snakemake.input.model)
    seen = observed(graph, data.calibration(params.samples, params.seed), quantized_tensors(graph))
    sensitivity = read_csv(snakemake.input.sensitivity)

    def right(model):
        return classes(IntegerModel.from_graph(Graph(model)), x) == labels

    float32_right = logits(graph.model, x).argmax(axis=1) == labels
    models = uniform(graph, seen, params.bits)
    rows = mixed_precision(models, sensitivity, params.limits, right, float32_right)
    write_csv(labelled(pd.DataFrame(rows), snakemake), snakemake.output.mixed)
