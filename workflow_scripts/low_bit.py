"""Run every low-bit model on the whole test set, in integers, and compare it with float32 on the same samples."""

from dataclasses import asdict
from pathlib import Path

import pandas as pd
from job import job, labelled

from lib.data import dataset
from lib.files import write_csv
from lib.fixedpoint import IntegerModel
from lib.fixedpoint.numerics import classes
from lib.progress import Progress
from lib.quant.accuracy import beside_float32
from lib.quant.activations import load_finite, logits
from lib.quant.low_bit import read
from lib.quant.recipe import Recipe

with job(snakemake) as log:
    x, labels = dataset.load(snakemake.input.data).test()
    graph = load_finite(snakemake.input.model)
    float32_right = logits(graph.model, x).argmax(axis=1) == labels
    rows, progress = [], Progress(len(snakemake.input.quantized), "models", log)
    for path in snakemake.input.quantized:
        recipe = Path(path).stem
        engine = IntegerModel.from_onnx(path)
        found = beside_float32(classes(engine, x) == labels, float32_right)
        costs = {"accumulator_bits": engine.bound_bits, "size_kb": read(path, graph).size_kb}
        rows.append({"scheme": recipe} | asdict(Recipe.parse(recipe)) | found | costs)
        progress(f"{recipe}: {found['loss_points']:.2f} points lost")
    write_csv(labelled(pd.DataFrame(rows), snakemake), snakemake.output.low_bit)
