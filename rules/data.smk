"""Make or read the labelled data sets."""

from lib.data.source import stamp

# Where each data set is that is read, not generated; images are looked for where no path is given.
PATHS = {name: settings["path"] for name, settings in config["datasets"].items() if name != "synthetic_signal"}
PATHS["images"] = PATHS["images"] or os.environ.get("EDGEINT8_IMAGES")


rule synthetic_signal:
    output:
        data="results/data/synthetic_signal.npz",
        provenance="results/data/synthetic_signal.json",
    log:
        "results/logs/data/synthetic_signal.log",
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        code=fingerprint("synthetic_signal.py"),
        seed=config["seed"],
        train=config["datasets"]["synthetic_signal"]["train"],
        test=config["datasets"]["synthetic_signal"]["test"],
    message:
        "Generating the synthetic signals"
    script:
        "../workflow_scripts/synthetic_signal.py"


rule images:
    output:
        data="results/data/{dataset}.npz",
        provenance="results/data/{dataset}.json",
    log:
        "results/logs/data/{dataset}.log",
    benchmark:
        "results/benchmarks/data/{dataset}.images.tsv"
    wildcard_constraints:
        dataset=one_of(PATHS),
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=30,
    params:
        code=fingerprint("images.py"),
        seed=config["seed"],
        path=lambda wildcards: PATHS[wildcards.dataset],
        # The data are no input, because there may be none and a folder's time says little: this tells when they change.
        stamp=lambda wildcards: stamp(PATHS[wildcards.dataset]),
        settings=lambda wildcards: {
            key: value for key, value in config["datasets"][wildcards.dataset].items() if key != "path"
        },
    message:
        "Preparing the data set {wildcards.dataset} (where it comes from: {output.provenance})"
    script:
        "../workflow_scripts/images.py"
