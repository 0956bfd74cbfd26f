"""Run the quantized network with accumulators of every width that wrap or saturate, over the test set.

In two's complement of b bits, wrapping reduces every sum modulo 2^b, saturating clips it to -2^(b-1) … 2^(b-1) - 1,
addition by addition.
"""

import pandas as pd
from job import job

from lib.data import dataset
from lib.files import write_csv
from lib.fixedpoint.overflow import overflow_study

with job(snakemake) as log:
    data = dataset.load(snakemake.input.data)
    about = {"workload": snakemake.wildcards.workload, "dataset": data.name, "scheme": snakemake.params.scheme}
    rows = []
    for row in overflow_study(snakemake.input.model, *data.test(snakemake.params.samples), snakemake.params.widths):
        log.info("%(accumulator_bits)s bits, %(policy)s: accuracy %(accuracy).4f", row)
        rows.append(about | row)
    write_csv(pd.DataFrame(rows), snakemake.output.overflow)
