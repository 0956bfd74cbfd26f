"""Generate the synthetic signals: tones of 2, 5, 8, 11 or 14 Hz among interference and white noise.

x(t) = A·sin(2π(f + δ)t + φ) + B·sin(2πgt + ψ) + n(t), one second at 128 Hz; f is the class, all else is random.
"""

from job import job

from lib.data.provenance import provenance
from lib.data.signals import synthetic_signal
from lib.files import write_json

with job(snakemake):
    dataset = synthetic_signal(snakemake.params.train, snakemake.params.test, snakemake.params.seed)
    dataset.save(snakemake.output.data)
    write_json(
        provenance(dataset, source="generated", sha256=None, synthetic=True),
        snakemake.output.provenance,
    )
