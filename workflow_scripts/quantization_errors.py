"""Measure what quantization does to each layer's weight and input activation under every scheme.

Mean squared error and SQNR = 10 log10(sum x² / sum (x - q)²) between the real values and their quantized images, on
test samples, as many as calibration had.
"""

from job import job

from lib.data import dataset
from lib.files import write_csv
from lib.quant.activations import load_finite
from lib.quant.layer_error import layer_errors
from lib.quant.ranges import read_ranges
from lib.quant.scheme import Scheme

with job(snakemake):
    data = dataset.load(snakemake.input.data)
    inputs, _ = data.test(snakemake.params.samples)
    schemes = [Scheme.parse(name) for name in snakemake.params.schemes]
    table = layer_errors(load_finite(snakemake.input.model), inputs, read_ranges(snakemake.input.ranges), schemes)
    table.insert(0, "workload", snakemake.wildcards.workload)
    table.insert(1, "dataset", data.name)
    write_csv(table, snakemake.output.errors)
