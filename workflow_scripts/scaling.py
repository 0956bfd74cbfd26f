"""Measure how time and memory of the steps grow with designs, layers, samples and jobs, and fit their exponents.

Each measurement is a process of its own, one after the other. Samples are noise: no step's time depends on values.
"""

from tempfile import TemporaryDirectory

import pandas as pd
from job import job

from lib.arch import scaling as arch
from lib.bench import scaling as bench
from lib.bench.exponent import exponents
from lib.bench.process import measure
from lib.files import write_csv
from lib.fixedpoint import scaling as fixedpoint
from lib.quant import scaling as quant
from workflow_scripts import scaling_jobs as jobs

with job(snakemake) as log, TemporaryDirectory() as folder:
    files, given = snakemake.input, snakemake.params
    place = {"folder": folder}
    node = {"technology_csv": files.technology, "node_nm": given.node_nm, "axes": given.space}
    # By what grows: each step, the function that prepares it and what that needs. Later ones read earlier ones' files.
    steps = {
        "designs": {
            "cost and write designs": (arch.cost_designs, {"topology_csv": files.topology} | node | place),
            "front and winners": (arch.choose_designs, {"constraints": given.constraints} | place),
            "sensitivities and returns": (arch.study_designs, place),
        },
        "layers": {
            "read the ONNX graph": (arch.read_layers, place),
            "count cycles and accesses": (arch.count_layers, place),
            f"cost on {arch.DESIGNS:,} designs": (arch.cost_layers, node | place),
        },
        "images": {
            "calibrate": (quant.calibration, {"model": files.float32} | given.search),
            "run the integer engine": (fixedpoint.run, {"model": files.quantized}),
            "trace its tensors": (fixedpoint.trace, {"model": files.quantized}),
            "classify by ONNX Runtime": (bench.accuracy, {"model": files.quantized}),
        },
        "jobs": {
            "plan": (jobs.plan, {"cores": snakemake.threads} | place),
            "run": (jobs.run, {"cores": snakemake.threads} | place),
            "nothing to do": (jobs.nothing_to_do, {"cores": snakemake.threads} | place),
        },
    }
    rows = []
    for axis, sizes in given.sizes.items():
        for size in sorted(sizes):
            for step, (prepare, settings) in steps[axis].items():
                found = measure(prepare, size, **settings)
                log.info("%s, %d %s: %.3g s, %.0f MB", step, found.size, axis, found.seconds, found.peak_mb)
                rows.append({"axis": axis, "step": step} | found._asdict())
    write_csv(exponents(pd.DataFrame(rows)), snakemake.output.table)
