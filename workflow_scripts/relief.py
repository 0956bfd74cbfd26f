"""Measure what helps accumulators that are too narrow: another order, partial sums in tiles, weights made to fit.

A filter of weights w cannot overflow b bits if its largest sums, the positive weights at one end of the activation's
interval and the negative ones at the other, bias included, stay within -2^(b-1) … 2^(b-1) - 1.
"""

import pandas as pd
from job import job

from lib.data import dataset
from lib.files import write_csv
from lib.fixedpoint import IntegerModel
from lib.fixedpoint.relief import relief_study

with job(snakemake):
    data = dataset.load(snakemake.input.data)
    about = {"workload": snakemake.wildcards.workload, "dataset": data.name, "scheme": snakemake.params.scheme}
    model = IntegerModel.from_onnx(snakemake.input.model)
    rows = relief_study(model, *data.test(snakemake.params.samples), snakemake.params.widths)
    write_csv(pd.DataFrame([about | row for row in rows]), snakemake.output.relief)
