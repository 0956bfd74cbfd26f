"""Round weights and activations to all combinations of widths; run each model on the whole test set, in integers."""

from dataclasses import asdict

import pandas as pd
from job import job, labelled

from lib.data import dataset
from lib.files import write_csv
from lib.fixedpoint import IntegerModel
from lib.fixedpoint.numerics import classes
from lib.graph import Graph
from lib.progress import Progress
from lib.quant.accuracy import beside_float32
from lib.quant.activations import load_finite, logits
from lib.quant.bit_widths import combinations, rounded
from lib.quant.low_bit import quantized_tensors
from lib.quant.ranges import observed

with job(snakemake) as log:
    params, data = snakemake.params, dataset.load(snakemake.input.data)
    x, labels = data.test()
    graph = load_finite(snakemake.input.model)
    seen = observed(graph, data.calibration(params.samples, params.seed), quantized_tensors(graph))
    calibration = f"percentile {params.percentile}" if params.calibration == "percentile" else params.calibration
    roundings = combinations(**params.widths)

    float32_right = logits(graph.model, x).argmax(axis=1) == labels
    rows, progress = [], Progress(len(roundings), "models", log)
    for rounding in roundings:
        engine = IntegerModel.from_graph(Graph(rounded(graph, seen, calibration, rounding).to_onnx()))
        found = beside_float32(classes(engine, x) == labels, float32_right)
        rows.append({"scheme": rounding.scheme} | asdict(rounding) | {"accumulator_bits": engine.bound_bits} | found)
        progress(f"{rounding.scheme}: {found['loss_points']:.2f} points lost")
    write_csv(labelled(pd.DataFrame(rows), snakemake), snakemake.output.bit_widths)
