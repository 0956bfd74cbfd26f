"""Choose the integers of all weights so that layers keep their outputs on calibration samples, without labels.

Coordinate descent on the squared error of each layer's output, with the layers before already quantized
(lib.quant.rounding).
"""

from job import job

from lib.data import dataset
from lib.progress import Progress
from lib.quant.activations import load_finite
from lib.quant.low_bit import read
from lib.quant.ptq import save
from lib.quant.rounding import learn_rounding

with job(snakemake) as log:
    graph = load_finite(snakemake.input.model)
    inputs = dataset.load(snakemake.input.data).calibration(snakemake.params.samples, snakemake.params.seed)
    progress = Progress(len(snakemake.output.models), "models", log)
    for source, target in zip(snakemake.input.quantized, snakemake.output.models, strict=True):
        save(learn_rounding(read(source, graph), inputs).to_onnx(), target)
        progress(f"learned {target}")
