"""Write a network's layers as SCALE-Sim's topology CSV, and which operators they leave out.

Every layer is a matrix product [pixels, window] x [window, filters]; its MACs equal those of the ONNX graph.
"""

from job import job, labelled

from lib.arch import topology
from lib.arch.coverage import coverage
from lib.files import write_csv

with job(snakemake) as log:
    topology.write(topology.from_onnx(snakemake.input.model), snakemake.output.topology)
    table = coverage(snakemake.input.model)
    write_csv(labelled(table, snakemake), snakemake.output.coverage)
    left_out = table[(table.runs != "array") & (table.macs != 0)]
    log.info("Multiplications that are not on the array: %s", left_out.to_dict("records") or "none")
