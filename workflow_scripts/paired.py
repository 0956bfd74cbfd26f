"""Compare the most accurate scheme with every other, and float32 with every scheme, sample by sample.

McNemar's exact test looks only at the test samples that one of two models classifies correctly and the other does not,
and so tells apart what intervals of two accuracies cannot; its p-values are corrected for their number (Holm).
"""

from job import job, labelled

from lib.bench.paired import comparisons
from lib.files import read_arrays, write_csv

with job(snakemake):
    predictions = read_arrays(snakemake.input.predictions)
    write_csv(labelled(comparisons(predictions.pop("labels"), predictions), snakemake), snakemake.output.paired)
