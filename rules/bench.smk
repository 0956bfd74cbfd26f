"""Measure accuracy, latency and size of float32 and every quantized model."""


rule bench:
    input:
        data=dataset_of,
        float32="results/model/{workload}.onnx",
        quantized=expand("results/quant/{{workload}}/{scheme}.onnx", scheme=SCHEMES),
    output:
        accuracy="results/bench/{workload}/accuracy.csv",
        latency=timed("results/bench/{workload}/latency.csv"),
        predictions="results/bench/{workload}/predictions.npz",
    log:
        "results/logs/bench/{workload}.bench.log",
    benchmark:
        "results/benchmarks/bench/{workload}.bench.tsv"
    conda:
        "../envs/bench.yaml"
    # All cores, so that nothing else runs while times are taken.
    threads: workflow.cores
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        code=fingerprint("bench.py"),
        timing=config["bench"] | {"seed": config["seed"]},
    message:
        "Measuring {wildcards.workload}: float32 and all quantized models, side by side and alone on the machine (progress in {log})"
    script:
        "../workflow_scripts/bench.py"


rule paired:
    input:
        predictions="results/bench/{workload}/predictions.npz",
        provenance=provenance_of,
    output:
        paired="results/bench/{workload}/paired.csv",
    log:
        "results/logs/bench/{workload}.paired.log",
    conda:
        "../envs/bench.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=fingerprint("paired.py"),
    message:
        "Comparing the models of {wildcards.workload} in pairs on the same test samples"
    script:
        "../workflow_scripts/paired.py"


rule machine:
    output:
        facts="results/bench/machine.json",
    log:
        "results/logs/bench/machine.log",
    conda:
        "../envs/bench.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=fingerprint("machine.py"),
    message:
        "Noting the machine and the versions"
    script:
        "../workflow_scripts/machine.py"


# Not part of `all`: it takes minutes, and what it measures is the workflow itself.
rule measure_scaling:
    input:
        topology=f"results/arch/{WORKLOADS[-1]}/topology.csv",
        float32=f"results/model/{WORKLOADS[-1]}.onnx",
        quantized=f"results/quant/{WORKLOADS[-1]}/{REFERENCE_INTEGER}.onnx",
        technology=config["arch"]["technology"] or ROOT / "lib/arch/technology.csv",
    output:
        table="results/tables/scaling.csv",
    log:
        "results/logs/bench/scaling.log",
    conda:
        "../envs/scaling.yaml"
    # All cores, so that nothing else runs while times are taken.
    threads: workflow.cores
    resources:
        mem_mb=2500,
        runtime=30,
    params:
        code=fingerprint("scaling.py"),
        sizes=config["scaling"],
        space=config["arch"]["space"],
        constraints=config["arch"]["constraints"],
        node_nm=config["arch"]["node_nm"],
        search={key: config["quant"][key] for key in ("percentile", "entropy_bins")},
    message:
        "Measuring how time and memory grow with designs, layers, samples and jobs, alone on the machine"
    script:
        "../workflow_scripts/scaling.py"
