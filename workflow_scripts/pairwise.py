"""Run the uint8 models as ONNX Runtime does on CPUs without VNNI, with weights of 8 bits and of 7 (reduce_range).

There pairs of products are added in 16 bits, where 255 · (w1 + w2) saturates beyond -32768 … 32767.
"""

import pandas as pd
from job import job

from lib.data import dataset
from lib.files import write_csv
from lib.fixedpoint import IntegerModel
from lib.fixedpoint.lowering import lower
from lib.fixedpoint.pairwise import pairwise_study
from lib.graph import Graph
from lib.quant.activations import load_finite
from lib.quant.ptq import quantize
from lib.quant.ranges import read_ranges
from lib.quant.scheme import Scheme

with job(snakemake) as log:
    data = dataset.load(snakemake.input.data)
    about = {"workload": snakemake.wildcards.workload, "dataset": data.name}
    ranges = read_ranges(snakemake.input.ranges)
    float_graph = load_finite(snakemake.input.model)
    x, labels = data.test(snakemake.params.samples)
    rows = []
    for scheme in map(Scheme.parse, snakemake.params.schemes):
        for reduce_range in (False, True):
            graph = Graph(quantize(float_graph, ranges[scheme.calibration], scheme, reduce_range=reduce_range))
            found = pairwise_study(IntegerModel(graph, lower(graph)), x, labels)
            log.info("%s, reduce_range %s: %s", scheme.name, reduce_range, found[0])
            rows += [about | {"scheme": scheme.name, "reduce_range": reduce_range} | row for row in found]
    write_csv(pd.DataFrame(rows), snakemake.output.pairwise)
