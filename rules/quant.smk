"""Find activation ranges, quantize by every scheme, and measure what each layer loses."""


rule calibrate:
    input:
        data=dataset_of,
        model="results/model/{workload}.onnx",
    output:
        ranges="results/quant/{workload}/ranges.csv",
        histograms="results/quant/{workload}/histograms.csv",
    log:
        "results/logs/quant/{workload}.calibrate.log",
    benchmark:
        "results/benchmarks/quant/{workload}.calibrate.tsv"
    conda:
        "../envs/quant.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        code=fingerprint("calibrate.py"),
        seed=config["seed"],
        samples=config["quant"]["calibration_samples"],
        search={key: config["quant"][key] for key in ("percentile", "entropy_bins")},
    message:
        "Finding the activation ranges of {wildcards.workload} by MinMax, Percentile and Entropy"
    script:
        "../workflow_scripts/calibrate.py"


rule quantize:
    input:
        model="results/model/{workload}.onnx",
        ranges="results/quant/{workload}/ranges.csv",
    output:
        model="results/quant/{workload}/{scheme}.onnx",
    log:
        "results/logs/quant/{workload}.{scheme}.log",
    benchmark:
        "results/benchmarks/quant/{workload}.quantize.{scheme}.tsv"
    conda:
        "../envs/quant.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=fingerprint("quantize.py"),
    message:
        "Quantizing {wildcards.workload} as {wildcards.scheme}"
    script:
        "../workflow_scripts/quantize.py"


rule quantization_errors:
    input:
        data=dataset_of,
        model="results/model/{workload}.onnx",
        ranges="results/quant/{workload}/ranges.csv",
    output:
        errors="results/quant/{workload}/errors.csv",
    log:
        "results/logs/quant/{workload}.errors.log",
    benchmark:
        "results/benchmarks/quant/{workload}.errors.tsv"
    conda:
        "../envs/quant.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        code=fingerprint("quantization_errors.py"),
        samples=config["quant"]["calibration_samples"],
        schemes=SCHEMES,
    message:
        "Measuring the quantization error of every layer of {wildcards.workload}"
    script:
        "../workflow_scripts/quantization_errors.py"


rule sensitivity:
    input:
        data=dataset_of,
        model="results/model/{workload}.onnx",
        ranges="results/quant/{workload}/ranges.csv",
    output:
        sensitivity="results/quant/{workload}/sensitivity.csv",
    log:
        "results/logs/quant/{workload}.sensitivity.log",
    benchmark:
        "results/benchmarks/quant/{workload}.sensitivity.tsv"
    conda:
        "../envs/quant.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=15,
    params:
        code=fingerprint("sensitivity.py"),
        scheme=REFERENCE,
    message:
        "Quantizing one layer of {wildcards.workload} at a time to find the sensitive ones"
    script:
        "../workflow_scripts/sensitivity.py"
