"""Measure the reference scheme on the whole test set with narrow accumulators and hardware's ways to requantize.

All layers alike. How sums of b bits overflow and results are rounded is said in lib.fixedpoint.accumulator and rescale.
"""

import pandas as pd
from job import job

from lib.data import dataset
from lib.files import write_csv
from lib.fixedpoint import IntegerModel
from lib.fixedpoint.numerics import numerics_study

with job(snakemake):
    data = dataset.load(snakemake.input.data)
    about = {"workload": snakemake.wildcards.workload, "dataset": data.name, "scheme": snakemake.params.scheme}
    about |= {"activation_bits": 8, "weight_bits": 8}  # whatever the scheme: the engine has no others
    model = IntegerModel.from_onnx(snakemake.input.model)
    rows = numerics_study(model, *data.test(), **snakemake.params.numerics)
    write_csv(pd.DataFrame([about | row for row in rows]), snakemake.output.numerics)
