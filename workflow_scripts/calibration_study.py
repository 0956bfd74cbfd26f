"""Calibrate by every method on many draws of training samples; measure each result on the whole test set.

Weights have 8 bits per channel. The integer engine executes the quantized models, so that accuracy is exact. Draws of
one number differ in their seed alone: how far their accuracies scatter is what the choice of samples matters.
"""

import pandas as pd
from job import job, labelled

from lib.data import dataset
from lib.files import write_csv
from lib.fixedpoint import IntegerModel
from lib.fixedpoint.numerics import classes
from lib.graph import Graph
from lib.quant.activations import load_finite
from lib.quant.calibration_study import calibration_study

with job(snakemake):
    data = dataset.load(snakemake.input.data)
    x, labels = data.test()
    graph = load_finite(snakemake.input.model)

    def right(model):
        return classes(IntegerModel.from_graph(Graph(model)), x) == labels

    rows = calibration_study(graph, data.calibration, right, **snakemake.params.study)
    write_csv(labelled(pd.DataFrame(rows), snakemake), snakemake.output.study)
