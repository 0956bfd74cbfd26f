"""Write a workload's layers as SCALE-Sim's topology CSV.

Every layer is a matrix product [pixels, window] x [window, filters]; its MACs equal those of the ONNX graph.
"""

from job import job

from lib.arch import topology

with job(snakemake):
    topology.write(topology.from_onnx(snakemake.input.model), snakemake.output.topology)
