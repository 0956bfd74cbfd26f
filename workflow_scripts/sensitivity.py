"""Quantize one layer at a time by the reference scheme and measure the accuracy that it costs on the whole test set."""

from job import job

from lib.data import dataset
from lib.files import write_csv
from lib.quant.activations import load_finite
from lib.quant.ranges import read_ranges
from lib.quant.scheme import Scheme
from lib.quant.sensitivity import sensitivity

with job(snakemake):
    data = dataset.load(snakemake.input.data)
    scheme = Scheme.parse(snakemake.params.scheme)
    ranges = read_ranges(snakemake.input.ranges)[scheme.calibration]
    table = sensitivity(load_finite(snakemake.input.model), *data.test(), ranges, scheme)
    table.insert(0, "workload", snakemake.wildcards.workload)
    table.insert(1, "dataset", data.name)
    write_csv(table, snakemake.output.sensitivity)
