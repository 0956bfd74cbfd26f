"""Make or read the labelled data sets."""

from lib.data.source import stamp

IMAGES = config["datasets"]["images"]["path"] or os.environ.get("EDGEINT8_IMAGES")


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
        data="results/data/images.npz",
        provenance="results/data/images.json",
    log:
        "results/logs/data/images.log",
    benchmark:
        "results/benchmarks/data/images.tsv"
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=30,
    params:
        code=fingerprint("images.py"),
        seed=config["seed"],
        path=IMAGES,
        # The images are no input, because there may be none and a folder's time says little: this tells when they change.
        stamp=lambda wildcards: stamp(IMAGES),
        settings={key: value for key, value in config["datasets"]["images"].items() if key != "path"},
    message:
        "Preparing the images (where they come from: {output.provenance})"
    script:
        "../workflow_scripts/images.py"
