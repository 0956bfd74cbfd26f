"""Run the quantized network with accumulators of every width that wrap or saturate, over the test set.

In two's complement of b bits, wrapping reduces every sum modulo 2^b, saturating clips it to -2^(b-1) … 2^(b-1) - 1,
addition by addition or once at the end; in one layer, or in all.
"""

import pandas as pd
from job import job

from lib.data import dataset
from lib.files import write_csv
from lib.fixedpoint import IntegerModel
from lib.fixedpoint.overflow import overflow_study

with job(snakemake):
    data = dataset.load(snakemake.input.data)
    about = {"workload": snakemake.wildcards.workload, "dataset": data.name, "scheme": snakemake.params.scheme}
    model = IntegerModel.from_onnx(snakemake.input.model)
    rows = overflow_study(model, *data.test(snakemake.params.samples), snakemake.params.widths)
    write_csv(pd.DataFrame([about | row for row in rows]), snakemake.output.overflow)
