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


rule relief:
    input:
        data=dataset_of,
        model=f"results/quant/{{workload}}/{REFERENCE}.onnx",
    output:
        relief="results/fixedpoint/{workload}/relief.csv",
    log:
        "results/logs/fixedpoint/{workload}.relief.log",
    benchmark:
        "results/benchmarks/fixedpoint/{workload}.relief.tsv"
    conda:
        "../envs/fixedpoint.yaml"
    threads: 2
    resources:
        mem_mb=1500,
        runtime=20,
    params:
        code=fingerprint("relief.py"),
        scheme=REFERENCE,
        widths=config["fixedpoint"]["accumulator_bits"],
        samples=config["fixedpoint"]["relief_samples"],
    message:
        "Trying what helps narrow accumulators of {wildcards.workload}: order, tiles, smaller weights (progress in {log})"
    script:
        "../workflow_scripts/relief.py"


rule numerics:
    input:
        data=dataset_of,
        model=f"results/quant/{{workload}}/{REFERENCE}.onnx",
    output:
        numerics="results/fixedpoint/{workload}/numerics.csv",
    log:
        "results/logs/fixedpoint/{workload}.numerics.log",
    benchmark:
        "results/benchmarks/fixedpoint/{workload}.numerics.tsv"
    conda:
        "../envs/fixedpoint.yaml"
    threads: 2
    resources:
        mem_mb=1500,
        runtime=20,
    params:
        code=fingerprint("numerics.py"),
        scheme=REFERENCE,
        numerics=config["fixedpoint"]["numerics"],
    message:
        "Measuring {wildcards.workload} with narrow accumulators and ways to requantize combined (progress in {log})"
    script:
        "../workflow_scripts/numerics.py"


rule exactness:
    input:
        data=dataset_of,
        weights=weights_of,
        float32="results/model/{workload}.onnx",
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
        runtime=120,
    params:
        code=fingerprint("exactness.py"),
        reference=REFERENCE,
        samples=config["fixedpoint"]["exactness_samples"],
        golden_samples=config["fixedpoint"]["golden_samples"],
    message:
        "Comparing every integer of {wildcards.workload}, under every scheme, with ONNX Runtime's (progress in {log})"
    script:
        "../workflow_scripts/exactness.py"


rule golden_vectors:
    input:
        data=dataset_of,
        model=f"results/quant/{{workload}}/{REFERENCE}.onnx",
        checker=ROOT / "lib/fixedpoint/check_vectors.c",  # a copy stands beside the vectors
    output:
        folder=directory("results/golden/{workload}/{layer}"),
    log:
        "results/logs/fixedpoint/{workload}.golden_vectors.{layer}.log",
    wildcard_constraints:
        layer="[^/]+",
    conda:
        "../envs/fixedpoint.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        code=fingerprint("golden_vectors.py"),
        scheme=REFERENCE,
        samples=config["fixedpoint"]["golden_vectors"],
    message:
        "Writing golden vectors of layer {wildcards.layer} of {wildcards.workload}"
    script:
        "../workflow_scripts/golden_vectors.py"


rule vectors:
    input:
        folders=golden_folders,
    output:
        vectors="results/fixedpoint/{workload}/vectors.csv",
    log:
        "results/logs/fixedpoint/{workload}.vectors.log",
    conda:
        "../envs/fixedpoint.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=fingerprint("vectors.py"),
    message:
        "Listing the golden vectors of {wildcards.workload}"
    script:
        "../workflow_scripts/vectors.py"


rule pairwise:
    input:
        data=dataset_of,
        model="results/model/{workload}.onnx",
        ranges="results/quant/{workload}/ranges.csv",
    output:
        pairwise="results/fixedpoint/{workload}/pairwise.csv",
    log:
        "results/logs/fixedpoint/{workload}.pairwise.log",
    benchmark:
        "results/benchmarks/fixedpoint/{workload}.pairwise.tsv"
    conda:
        "../envs/fixedpoint.yaml"
    threads: 2
    resources:
        mem_mb=1500,
        runtime=20,
    params:
        code=fingerprint("pairwise.py"),
        schemes=expand(
            "qoperator_uint8_{granularity}_{calibration}",
            granularity=config["quant"]["granularities"],
            calibration=config["quant"]["calibrations"],
        ),
        samples=config["fixedpoint"]["pairwise_samples"],
    message:
        "Running {wildcards.workload} as CPUs without VNNI do, whose additions saturate in 16 bits"
    script:
        "../workflow_scripts/pairwise.py"


rule requantization:
    input:
        data=dataset_of,
        model=f"results/quant/{{workload}}/{REFERENCE}.onnx",
        quantized=expand("results/quant/{{workload}}/{scheme}.onnx", scheme=SCHEMES),
    output:
        layers="results/fixedpoint/{workload}/requantization.csv",
        channels="results/fixedpoint/{workload}/requantization_channels.csv",
        schemes="results/fixedpoint/{workload}/requantization_schemes.csv",
        accuracy="results/fixedpoint/{workload}/requantization_accuracy.csv",
    log:
        "results/logs/fixedpoint/{workload}.requantization.log",
    benchmark:
        "results/benchmarks/fixedpoint/{workload}.requantization.tsv"
    conda:
        "../envs/fixedpoint.yaml"
    threads: 2
    resources:
        mem_mb=1500,
        runtime=20,
    params:
        code=fingerprint("requantization.py"),
        scheme=REFERENCE,
        widths=config["fixedpoint"]["multiplier_bits"],
    message:
        "Comparing fixed-point requantization of {wildcards.workload} with ONNX Runtime's (progress in {log})"
    script:
        "../workflow_scripts/requantization.py"


rule throughput:
    input:
        data=dataset_of,
        integer=f"results/quant/{{workload}}/{REFERENCE_INTEGER}.onnx",
        qdq=f"results/quant/{{workload}}/{REFERENCE_QDQ}.onnx",
        layers="results/model/{workload}.layers.csv",
    output:
        throughput=timed("results/fixedpoint/{workload}/throughput.csv"),
        steps=timed("results/fixedpoint/{workload}/step_times.csv"),
    log:
        "results/logs/fixedpoint/{workload}.throughput.log",
    benchmark:
        "results/benchmarks/fixedpoint/{workload}.throughput.tsv"
    conda:
        "../envs/fixedpoint.yaml"
    # All cores, so that nothing else runs while times are taken.
    threads: workflow.cores
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        code=fingerprint("throughput.py"),
        batch=config["bench"]["batch"],
        rounds=config["bench"]["rounds"],
        seed=config["seed"],
    message:
        "Timing the integer engine beside ONNX Runtime on {wildcards.workload}, alone on the machine"
    script:
        "../workflow_scripts/throughput.py"
