"""Find the range of every activation by every calibration, and the distributions that the ranges cut.

The float model sees the calibration samples once for the extremes and once to count values in histograms; MinMax is the
extremes, Percentile cuts equal shares of outliers, Entropy minimizes the information lost (Migacz, GTC 2017).
"""

from job import job

from lib.data import dataset
from lib.files import write_csv
from lib.quant.activations import load_finite
from lib.quant.ranges import observe

with job(snakemake):
    data = dataset.load(snakemake.input.data)
    inputs = data.calibration(snakemake.params.samples, snakemake.params.seed)
    tables = observe(load_finite(snakemake.input.model), inputs, **snakemake.params.search)
    for table, path in zip(tables, (snakemake.output.ranges, snakemake.output.histograms), strict=True):
        table.insert(0, "workload", snakemake.wildcards.workload)
        table.insert(1, "dataset", data.name)
        write_csv(table, path)
