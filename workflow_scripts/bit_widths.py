"""Round weights and activations to all combinations of widths; run each model on the whole test set, in integers."""

import pandas as pd
from job import job, labelled

from lib.data import dataset
from lib.files import write_csv
from lib.fixedpoint import IntegerModel
from lib.fixedpoint.numerics import classes
from lib.graph import Graph
from lib.quant.activations import load_finite, logits
from lib.quant.bit_widths import bit_widths, combinations
from lib.quant.low_bit import quantized_tensors
from lib.quant.ranges import observed

with job(snakemake) as log:
    params, data = snakemake.params, dataset.load(snakemake.input.data)
    x, labels = data.test()
    graph = load_finite(snakemake.input.model)
    seen = observed(graph, data.calibration(params.samples, params.seed), quantized_tensors(graph))
    calibration = f"percentile {params.percentile}" if params.calibration == "percentile" else params.calibration
    roundings = combinations(**params.widths)

    def right(model):
        return classes(IntegerModel.from_graph(Graph(model)), x) == labels

    float32_right = logits(graph.model, x).argmax(axis=1) == labels
    rows = []
    for row in bit_widths(graph, seen, calibration, roundings, right, float32_right):
        log.info("%d of %d, %s: %.2f points lost", len(rows) + 1, len(roundings), row["scheme"], row["loss_points"])
        rows.append(row)
    write_csv(labelled(pd.DataFrame(rows), snakemake), snakemake.output.bit_widths)
