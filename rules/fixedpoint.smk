"""Run the quantized models with integers only: accumulator widths, overflow, and proof against ONNX Runtime."""


rule bit_growth:
    input:
        data=dataset_of,
        model=f"results/quant/{{workload}}/{REFERENCE}.onnx",
    output:
        bit_growth="results/fixedpoint/{workload}/bit_growth.csv",
    log:
        "results/logs/fixedpoint/{workload}.bit_growth.log",
    conda:
        "../envs/fixedpoint.yaml"
    threads: 2
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        code=fingerprint("bit_growth.py"),
        scheme=REFERENCE,
    message:
        "Measuring how wide the accumulators of {wildcards.workload} grow"
    script:
        "../workflow_scripts/bit_growth.py"


rule overflow:
    input:
        data=dataset_of,
        model=f"results/quant/{{workload}}/{REFERENCE}.onnx",
    output:
        overflow="results/fixedpoint/{workload}/overflow.csv",
    log:
        "results/logs/fixedpoint/{workload}.overflow.log",
    benchmark:
        "results/benchmarks/fixedpoint/{workload}.overflow.tsv"
    conda:
        "../envs/fixedpoint.yaml"
    threads: 2
    resources:
        mem_mb=1500,
        runtime=20,
    params:
        code=fingerprint("overflow.py"),
        scheme=REFERENCE,
        widths=config["fixedpoint"]["accumulator_bits"],
        samples=config["fixedpoint"]["overflow_samples"],
    message:
        "Running {wildcards.workload} with narrow accumulators that wrap or saturate (progress in {log})"
    script:
        "../workflow_scripts/overflow.py"


rule exactness:
    input:
        data=dataset_of,
        weights="results/model/{workload}.pth",
        quantized=expand("results/quant/{{workload}}/{scheme}.onnx", scheme=SCHEMES),
    output:
        exactness="results/fixedpoint/{workload}/exactness.csv",
        golden="results/fixedpoint/{workload}/golden.csv",
    log:
        "results/logs/fixedpoint/{workload}.exactness.log",
    benchmark:
        "results/benchmarks/fixedpoint/{workload}.exactness.tsv"
    conda:
        "../envs/fixedpoint.yaml"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        code=fingerprint("exactness.py"),
        reference=REFERENCE,
        samples=config["fixedpoint"]["golden_samples"],
    message:
        "Comparing every integer of {wildcards.workload}, under every scheme, with ONNX Runtime's"
    script:
        "../workflow_scripts/exactness.py"
