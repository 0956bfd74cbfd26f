"""Train the networks and export them to ONNX, or take ONNX files of one's own."""


rule train:
    input:
        data=dataset_of,
    output:
        weights="results/model/{workload}.pth",
        history="results/model/{workload}.history.csv",
    log:
        "results/logs/model/{workload}.train.log",
    benchmark:
        "results/benchmarks/model/{workload}.train.tsv"
    wildcard_constraints:
        workload=one_of(TRAINED),
    priority: 1  # everything waits for the longest job
    conda:
        "../envs/model.yaml"
    threads: busy_threads(2)
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        code=fingerprint("train.py"),
        seed=config["seed"],
        recipe=recipe_of,
        torch_threads=2,  # fixed: sums of another number of threads round differently
    message:
        "Training {wildcards.workload} (progress in {log})"
    script:
        "../workflow_scripts/train.py"


# A checkpoint, because its table of layers says which golden vectors there are.
checkpoint export:
    input:
        data=dataset_of,
        weights="results/model/{workload}.pth",
    output:
        model="results/model/{workload}.onnx",
        layers="results/model/{workload}.layers.csv",
        agreement="results/model/{workload}.agreement.csv",
    log:
        "results/logs/model/{workload}.export.log",
    wildcard_constraints:
        workload=one_of(TRAINED),
    conda:
        "../envs/model.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=10,
    params:
        code=fingerprint("export.py"),
    message:
        "Exporting {wildcards.workload} to ONNX and comparing it with PyTorch over the test set"
    script:
        "../workflow_scripts/export.py"


# A checkpoint like `export`, for models that are brought instead of trained.
checkpoint import_model:
    input:
        data=dataset_of,
        model=lambda wildcards: IMPORTED[wildcards.workload],
    output:
        model="results/model/{workload}.onnx",
        layers="results/model/{workload}.layers.csv",
        agreement="results/model/{workload}.agreement.csv",
    log:
        "results/logs/model/{workload}.import_model.log",
    wildcard_constraints:
        workload=one_of(IMPORTED),
    conda:
        "../envs/model.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=30,
    params:
        code=fingerprint("import_model.py"),
        # A file can be replaced by one that is older than what was made of it; Snakemake looks for newer ones.
        stamp=lambda wildcards: stamp(IMPORTED[wildcards.workload]),
    message:
        "Taking {input.model} as {wildcards.workload} and comparing the two over the test set"
    script:
        "../workflow_scripts/import_model.py"
