"""EdgeINT8-ArchKit: from training to a costed INT8 accelerator, every artifact a file."""

from pathlib import Path

from snakemake.utils import min_version

min_version("9.0")


configfile: Path(workflow.basedir) / "config.yaml"


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/model.smk"
include: "rules/quant.smk"
include: "rules/bench.smk"
include: "rules/fixedpoint.smk"
include: "rules/arch.smk"
include: "rules/report.smk"


rule all:
    default_target: True
    input:
        "results/report.md",
        "results/report.html",
        expand("results/figures/{figure}.png", figure=[*FIGURES, "dag"]),
