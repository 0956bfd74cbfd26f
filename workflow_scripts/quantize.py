"""Quantize a float model by one scheme: real = scale * (integer - zero point), weights int8 and symmetric."""

from job import job

from lib.quant.activations import load_finite
from lib.quant.ptq import quantize, save
from lib.quant.ranges import read_ranges
from lib.quant.scheme import Scheme

with job(snakemake):
    scheme = Scheme.parse(snakemake.wildcards.scheme)
    ranges = read_ranges(snakemake.input.ranges)[scheme.calibration]
    save(quantize(load_finite(snakemake.input.model), ranges, scheme), snakemake.output.model)
