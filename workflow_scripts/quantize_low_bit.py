"""Round weights to the nearest of few integers and calibrate activations, at every width.

With minmax, weights keep their extremes and activations a percentile of their values; with mse, both have the ranges of
least squared error.
"""

from pathlib import Path

from job import job

from lib.data import dataset
from lib.quant.activations import load_finite
from lib.quant.low_bit import activation_bits, quantize, quantized_tensors
from lib.quant.ptq import save
from lib.quant.ranges import observed
from lib.quant.recipe import Recipe

with job(snakemake):
    params = snakemake.params
    graph = load_finite(snakemake.input.model)
    inputs = dataset.load(snakemake.input.data).calibration(params.samples, params.seed)
    seen = observed(graph, inputs, quantized_tensors(graph))
    for path in snakemake.output.models:
        recipe = Recipe.parse(Path(path).stem)
        calibration = f"percentile {params.percentile}" if recipe.weight_range == "minmax" else "mse"
        bits = activation_bits(graph, recipe.activation_bits)
        ranges = {tensor: seen[tensor].range(calibration, width) for tensor, width in bits.items()}
        weight_bits = {layer.name: recipe.weight_bits for layer in graph.layers}
        save(quantize(graph, ranges, bits, weight_bits, weight_range=recipe.weight_range).to_onnx(), path)
