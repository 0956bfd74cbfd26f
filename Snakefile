"""EdgeINT8-ArchKit: from training to a costed INT8 accelerator, every artifact a file."""

from pathlib import Path

from snakemake.utils import min_version

min_version("9.0")


configfile: Path(workflow.basedir) / "config.yaml"


include: "rules/messages.smk"
include: "rules/common.smk"


# With --sdm apptainer the jobs of all rules below run in this image; docs/container.md.
if config["container"]:

    container: config["container"]


include: "rules/data.smk"
include: "rules/model.smk"
include: "rules/quant.smk"
include: "rules/bench.smk"
include: "rules/fixedpoint.smk"
include: "rules/arch.smk"
include: "rules/report.smk"
include: "rules/trust.smk"


onstart:
    # Snakemake 9 looks for jobs to start once a second again for every job that was ever started, in the end hundreds of
    # times a second, which takes half a core. On one machine nothing has to be started slowly.
    if not workflow.nodes:
        workflow.scheduler.job_rate_limiter = None


onerror:
    atexit.register(last_words)  # behind what Snakemake still says


rule all:
    default_target: True
    input:
        "results/report.md",
        "results/report.html",
        "results/provenance.json",
        expand("results/figures/{figure}.png", figure=[*FIGURES, "dag"]),
        "results/api/index.html",
    message:
        "Everything is made: open results/report.html"
