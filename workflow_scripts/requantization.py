"""Compare hardware's ways to requantize with ONNX Runtime's: for every accumulator value, and by test accuracy.

Every way is a monotone step function of the accumulator. Two of them are equal on an interval exactly where their
breakpoints are, and differ on the values between two breakpoints of one step. The reference scheme is studied in full,
the others with the widest multiplier.
"""

from pathlib import Path

import pandas as pd
from job import job

from lib.data import dataset
from lib.files import write_csv
from lib.fixedpoint import IntegerModel
from lib.fixedpoint.breakpoints import proof
from lib.fixedpoint.requantization import accuracies, fixed_point_modes, over_channels

with job(snakemake) as log:
    data = dataset.load(snakemake.input.data)
    subject = {"workload": snakemake.wildcards.workload, "dataset": data.name}
    about = subject | {"scheme": snakemake.params.scheme}
    widths = snakemake.params.widths
    inputs, labels = data.test()

    model, modes = IntegerModel.from_onnx(snakemake.input.model), fixed_point_modes(widths)
    channels = pd.DataFrame([about | row for row in proof(model, modes, inputs[:1])])
    channels = channels.astype({"first_differing": "Int64"})
    write_csv(channels, snakemake.output.channels)
    layers = over_channels(channels)
    write_csv(layers, snakemake.output.layers)

    rows = []
    for path in snakemake.input.quantized:
        scheme = subject | {"scheme": Path(path).stem}
        found = proof(IntegerModel.from_onnx(path), fixed_point_modes([max(widths)]), inputs[:1])
        rows += [scheme | row for row in found]
    schemes = over_channels(pd.DataFrame(rows).drop(columns="layer"))
    write_csv(schemes.drop(columns=["first_channel", "first_differing"]), snakemake.output.schemes)

    equal = set(modes) - set(layers[layers.differing > 0]["mode"])
    log.info("equal to ONNX Runtime everywhere: %s", sorted(equal) or "no mode")
    rows = accuracies(model, modes, equal, inputs, labels)
    write_csv(pd.DataFrame([about | row for row in rows]), snakemake.output.accuracy)
