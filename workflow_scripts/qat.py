"""Train a network further with quantized weights and activations, from its best plain rounding.

Gradients pass the rounding straight through; step sizes learn too (LSQ, lib.quant.qat).
"""

from job import job, labelled

from lib.data import dataset
from lib.files import write_csv
from lib.model.train import Recipe
from lib.quant.activations import load_finite
from lib.quant.low_bit import activation_bits, quantize
from lib.quant.ptq import save
from lib.quant.qat import train_quantized
from lib.quant.ranges import activation_ranges

with job(snakemake) as log:
    params, wildcards = snakemake.params, snakemake.wildcards
    data = dataset.load(snakemake.input.data)
    graph = load_finite(snakemake.input.model)
    bits = activation_bits(graph, int(wildcards.activation_bits))
    ranges = activation_ranges(graph, data.calibration(params.samples, params.seed), "mse", bits)
    weight_bits = {layer.name: int(wildcards.weight_bits) for layer in graph.layers}
    start = quantize(graph, ranges, bits, weight_bits, weight_range="mse")
    model, history = train_quantized(start, data, Recipe(**params.recipe), params.seed, params.torch_threads, log)
    save(model.to_onnx(), snakemake.output.model)
    history.insert(0, "weight_bits", int(wildcards.weight_bits))
    history.insert(1, "activation_bits", int(wildcards.activation_bits))
    write_csv(labelled(history, snakemake), snakemake.output.history)
