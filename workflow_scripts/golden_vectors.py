"""Write one layer's integers on the first test samples as files that a hardware or firmware team replays."""

from job import job

from lib.data import dataset
from lib.fixedpoint import IntegerModel
from lib.fixedpoint.vectors import write_vectors

with job(snakemake):
    data = dataset.load(snakemake.input.data)
    inputs, _ = data.test(snakemake.params.samples)
    about = {"workload": snakemake.wildcards.workload, "dataset": data.name, "scheme": snakemake.params.scheme}
    about["test_samples"] = list(range(len(inputs)))
    model = IntegerModel.from_onnx(snakemake.input.model)
    write_vectors(snakemake.output.folder, model, snakemake.wildcards.layer, inputs, about)
