"""Take what quantization adds to the mean output of each layer off its bias, on calibration samples without labels."""

from job import job

from lib.data import dataset
from lib.quant.activations import load_finite
from lib.quant.bias import correct_bias
from lib.quant.low_bit import read
from lib.quant.ptq import save

with job(snakemake):
    graph = load_finite(snakemake.input.model)
    inputs = dataset.load(snakemake.input.data).calibration(snakemake.params.samples, snakemake.params.seed)
    for source, target in zip(snakemake.input.quantized, snakemake.output.models, strict=True):
        save(correct_bias(read(source, graph), inputs).to_onnx(), target)
