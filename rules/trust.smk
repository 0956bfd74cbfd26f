"""Note what a run was made of, and put the workflow itself to the test: two runs compared, faults survived."""

# Files that hold measured times: outputs marked as `timed`, and the tables and figures made from them.
TIMED = [pattern(output) for rule in workflow.rules for output in rule.output if is_flagged(output, "timed")]
TIMED_TABLES = {table for table, part in TABLES.items() if pattern(part) in TIMED}
TIMED += expand("results/tables/{table}.csv", table=sorted(TIMED_TABLES))
TIMED += expand(
    "results/figures/{figure}.png",
    figure=[name for name, figure in FIGURES.items() if TIMED_TABLES & set(figure["tables"])],
)


# Made again whenever a table is, so that the commit is that of the last change to the results: a commit that changes
# none of them makes nothing stale.
rule provenance:
    input:
        tables=expand("results/tables/{table}.csv", table=TABLES),
        data=expand("results/data/{dataset}.json", dataset=DATASETS),
        arrays=expand("results/data/{dataset}.npz", dataset=DATASETS),
        machine="results/bench/machine.json",
    output:
        provenance="results/provenance.json",
    log:
        "results/logs/trust/provenance.log",
    conda:
        "../envs/trust.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=fingerprint("provenance.py"),
        settings=config,
        root=str(ROOT),
    message:
        "Noting the versions, settings, data and git state of this run"
    script:
        "../workflow_scripts/provenance.py"


# Not part of `all`: it takes as long as everything before it.
rule reproducibility:
    input:
        first=made_first,
    output:
        table="results/tables/reproducibility.csv",
    log:
        "results/logs/trust/reproducibility.log",
    conda:
        "../envs/trust.yaml"
    # All cores, for the second run.
    threads: workflow.cores
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        code=fingerprint("reproducibility.py"),
        snakefile=str(ROOT / "Snakefile"),
        targets=config["trust"]["repeat"],
        timed=TIMED,
    message:
        "Making everything a second time, elsewhere, and comparing hashes (the second run's messages: see {log})"
    script:
        "../workflow_scripts/reproducibility.py"


# Not part of `all`: it runs the workflow on tiny data again and again, and changes a page of the repository.
rule faults:
    input:
        tiny=ROOT / "tests/tiny.yaml",
        template=ROOT / "docs/faults.md.j2",
    output:
        table="results/tables/faults.csv",
        page="docs/faults.md",
    log:
        "results/logs/trust/faults.log",
    conda:
        "../envs/trust.yaml"
    # All cores, for the runs.
    threads: workflow.cores
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        code=fingerprint("faults.py"),
        snakefile=str(ROOT / "Snakefile"),
        timed=TIMED,
        kills=config["trust"]["kills"],
        seed=config["seed"],
    message:
        "Killing, filling, cutting, misdating runs on tiny data (progress in {log})"
    script:
        "../workflow_scripts/faults.py"
