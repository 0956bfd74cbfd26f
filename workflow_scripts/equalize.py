"""Rescale the channels of consecutive layers against each other, so that ranges are alike; the network stays the same.

s_i = sqrt(r1_i · r2_i) / r2_i with the ranges r1 and r2 of channel i in both weights (Nagel et al., ICCV 2019).
"""

from job import job

from lib.quant.activations import load_finite
from lib.quant.equalize import equalized
from lib.quant.ptq import save

with job(snakemake):
    save(equalized(load_finite(snakemake.input.model)).model, snakemake.output.model)
