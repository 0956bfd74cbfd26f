"""Find how wide each layer's accumulator must be: textbook bound, bound from the weights, widest sum on the test set.

A sum of K products of a-bit activations and w-bit weights needs at most a + w + ceil(log2 K) bits; the actual weights
bound it by their positive and negative sums times the activation's interval, bias included.
"""

import pandas as pd
from job import job

from lib.data import dataset
from lib.files import write_csv
from lib.fixedpoint import IntegerModel
from lib.fixedpoint.growth import bit_growth

with job(snakemake):
    data = dataset.load(snakemake.input.data)
    about = {"workload": snakemake.wildcards.workload, "dataset": data.name, "scheme": snakemake.params.scheme}
    rows = bit_growth(IntegerModel.from_onnx(snakemake.input.model), data.test()[0])
    write_csv(pd.DataFrame([about | row for row in rows]), snakemake.output.bit_growth)
