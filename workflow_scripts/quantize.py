"""Quantize a float model by every scheme of one calibration: real = scale * (integer - zero point), weights int8."""

from pathlib import Path

from job import job

from lib.quant.activations import load_finite
from lib.quant.ptq import quantize, save
from lib.quant.ranges import read_ranges
from lib.quant.scheme import Scheme

with job(snakemake) as log:
    graph = load_finite(snakemake.input.model)
    ranges = read_ranges(snakemake.input.ranges)[snakemake.wildcards.calibration]
    for path in snakemake.output.models:
        scheme = Scheme.parse(Path(path).stem)
        log.info("%s", scheme.name)
        save(quantize(graph, ranges, scheme), path)
