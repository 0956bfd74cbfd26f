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


# One job a calibration: quantizing takes less time than starting a job does.
rule quantize:
    input:
        model="results/model/{workload}.onnx",
        ranges="results/quant/{workload}/ranges.csv",
    output:
        models=expand("results/quant/{{workload}}/{graph}_{{calibration}}.onnx", graph=QUANTIZED_GRAPHS),
    log:
        "results/logs/quant/{workload}.{calibration}.log",
    benchmark:
        "results/benchmarks/quant/{workload}.quantize.{calibration}.tsv"
    wildcard_constraints:
        calibration="|".join(config["quant"]["calibrations"]),
    conda:
        "../envs/quant.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=fingerprint("quantize.py"),
    message:
        "Quantizing {wildcards.workload} with the ranges of {wildcards.calibration}"
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
        "Quantizing one layer of {wildcards.workload} at a time to find the sensitive ones (progress in {log})"
    script:
        "../workflow_scripts/sensitivity.py"


rule calibration_study:
    input:
        data=dataset_of,
        model="results/model/{workload}.onnx",
        provenance=provenance_of,
    output:
        study="results/quant/{workload}/calibration_study.csv",
    log:
        "results/logs/quant/{workload}.calibration_study.log",
    benchmark:
        "results/benchmarks/quant/{workload}.calibration_study.tsv"
    conda:
        "../envs/fixedpoint.yaml"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=fingerprint("calibration_study.py"),
        study=config["quant"]["calibration_study"] | {"seed": config["seed"]},
    message:
        "Calibrating {wildcards.workload} on many draws of samples (progress in {log})"
    script:
        "../workflow_scripts/calibration_study.py"


rule qat:
    input:
        data=dataset_of,
        model="results/model/{workload}.onnx",
        provenance=provenance_of,
    output:
        model="results/quant/{workload}/low_bit/w{weight_bits}a{activation_bits}_qat.onnx",
        history="results/quant/{workload}/low_bit/w{weight_bits}a{activation_bits}_qat.csv",
    log:
        "results/logs/quant/{workload}.w{weight_bits}a{activation_bits}_qat.log",
    benchmark:
        "results/benchmarks/quant/{workload}.w{weight_bits}a{activation_bits}_qat.tsv"
    wildcard_constraints:
        workload=one_of(TRAINED),
        weight_bits="[2-8]",
        activation_bits="[2-8]",
    conda:
        "../envs/quant.yaml"
    threads: busy_threads(2)
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        code=fingerprint("qat.py"),
        seed=config["seed"],
        samples=config["quant"]["low_bit"]["samples"],
        recipe=qat_recipe_of,
        torch_threads=2,  # fixed: sums of another number of threads round differently
    message:
        "Training {wildcards.workload} with {wildcards.weight_bits}-bit weights and {wildcards.activation_bits}-bit activations (progress in {log})"
    script:
        "../workflow_scripts/qat.py"


rule library:
    input:
        data=dataset_of,
        weights="results/model/{workload}.pth",
        provenance=provenance_of,
    output:
        library="results/quant/{workload}/library.csv",
    log:
        "results/logs/quant/{workload}.library.log",
    benchmark:
        "results/benchmarks/quant/{workload}.library.tsv"
    wildcard_constraints:
        workload=one_of(TRAINED),
    conda:
        "../envs/library.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=30,
    params:
        code=fingerprint("library.py"),
        seed=config["seed"],
        low_bit=config["quant"]["low_bit"],
        roundings=config["quant"]["library"],
    message:
        "Quantizing {wildcards.workload} with a public library, to compare (progress in {log})"
    script:
        "../workflow_scripts/library.py"


rule equalize:
    input:
        model=model_of,
    output:
        model="results/quant/{workload}/equalized.onnx",
    log:
        "results/logs/quant/{workload}.equalize.log",
    conda:
        "../envs/quant.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=fingerprint("equalize.py"),
    message:
        "Equalizing the ranges of channels across the layers of {wildcards.workload}"
    script:
        "../workflow_scripts/equalize.py"


# Low-bit models: one job a technique makes all widths, because starting a job takes as long as most of its work.
rule quantize_low_bit:
    input:
        data=dataset_of,
        model=float_model_of,
    output:
        models=expand("results/quant/{{workload}}/low_bit/{widths}_{{chain}}.onnx", widths=LOW_BIT_WIDTHS),
    log:
        "results/logs/quant/{workload}.{chain}.log",
    benchmark:
        "results/benchmarks/quant/{workload}.quantize_low_bit.{chain}.tsv"
    wildcard_constraints:
        chain="(?:equalized_)?(?:minmax|mse)",
    conda:
        "../envs/quant.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=15,
    params:
        code=fingerprint("quantize_low_bit.py"),
        seed=config["seed"],
        samples=config["quant"]["low_bit"]["samples"],
        percentile=config["quant"]["percentile"],
    message:
        "Quantizing {wildcards.workload} to few bits: {wildcards.chain}"
    script:
        "../workflow_scripts/quantize_low_bit.py"


rule learn_rounding:
    input:
        data=dataset_of,
        model=float_model_of,
        quantized=expand("results/quant/{{workload}}/low_bit/{widths}_{{chain}}.onnx", widths=LOW_BIT_WIDTHS),
    output:
        models=expand("results/quant/{{workload}}/low_bit/{widths}_{{chain}}_learned.onnx", widths=LOW_BIT_WIDTHS),
    log:
        "results/logs/quant/{workload}.{chain}_learned.log",
    benchmark:
        "results/benchmarks/quant/{workload}.learn_rounding.{chain}.tsv"
    wildcard_constraints:
        chain="(?:equalized_)?(?:minmax|mse)",
    conda:
        "../envs/quant.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        code=fingerprint("learn_rounding.py"),
        seed=config["seed"],
        samples=config["quant"]["low_bit"]["samples"],
    message:
        "Learning how to round the weights of {wildcards.workload}, layer by layer (progress in {log})"
    script:
        "../workflow_scripts/learn_rounding.py"


rule correct_bias:
    input:
        data=dataset_of,
        model=float_model_of,
        quantized=expand("results/quant/{{workload}}/low_bit/{widths}_{{chain}}.onnx", widths=LOW_BIT_WIDTHS),
    output:
        models=expand("results/quant/{{workload}}/low_bit/{widths}_{{chain}}_corrected.onnx", widths=LOW_BIT_WIDTHS),
    log:
        "results/logs/quant/{workload}.{chain}_corrected.log",
    benchmark:
        "results/benchmarks/quant/{workload}.correct_bias.{chain}.tsv"
    wildcard_constraints:
        chain="(?:equalized_)?(?:minmax|mse)(?:_learned)?",
    conda:
        "../envs/quant.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=30,
    params:
        code=fingerprint("correct_bias.py"),
        seed=config["seed"],
        samples=config["quant"]["low_bit"]["samples"],
    message:
        "Correcting the biases of {wildcards.workload}: {wildcards.chain}"
    script:
        "../workflow_scripts/correct_bias.py"


rule folding:
    input:
        weights=weights_of,
        model=model_of,
        equalized="results/quant/{workload}/equalized.onnx",
        provenance=provenance_of,
    output:
        folding="results/quant/{workload}/folding.csv",
    log:
        "results/logs/quant/{workload}.folding.log",
    conda:
        "../envs/model.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=5,
    params:
        code=fingerprint("folding.py"),
    message:
        "Comparing the channels of {wildcards.workload} before and after batch-norm folding and equalization"
    script:
        "../workflow_scripts/folding.py"


rule low_bit:
    input:
        data=dataset_of,
        model=model_of,
        quantized=low_bit_recipes,
        provenance=provenance_of,
    output:
        low_bit="results/quant/{workload}/low_bit.csv",
    log:
        "results/logs/quant/{workload}.low_bit.log",
    benchmark:
        "results/benchmarks/quant/{workload}.low_bit.tsv"
    conda:
        "../envs/fixedpoint.yaml"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=fingerprint("low_bit.py"),
    message:
        "Measuring the low-bit models of {wildcards.workload} on the whole test set (progress in {log})"
    script:
        "../workflow_scripts/low_bit.py"


rule bit_widths:
    input:
        data=dataset_of,
        model=model_of,
        provenance=provenance_of,
    output:
        bit_widths="results/quant/{workload}/bit_widths.csv",
    log:
        "results/logs/quant/{workload}.bit_widths.log",
    benchmark:
        "results/benchmarks/quant/{workload}.bit_widths.tsv"
    conda:
        "../envs/fixedpoint.yaml"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        code=fingerprint("bit_widths.py"),
        seed=config["seed"],
        samples=config["quant"]["calibration_samples"],
        widths={kind: config["quant"]["bit_widths"][kind] for kind in ("weights", "activations")},
        calibration=config["quant"]["bit_widths"]["calibration"],
        percentile=config["quant"]["percentile"],
    message:
        "Rounding {wildcards.workload} to every combination of bit widths (progress in {log})"
    script:
        "../workflow_scripts/bit_widths.py"


rule hessian:
    input:
        data=dataset_of,
        weights="results/model/{workload}.pth",
        model=model_of,
        provenance=provenance_of,
    output:
        hessian="results/quant/{workload}/hessian.csv",
    log:
        "results/logs/quant/{workload}.hessian.log",
    benchmark:
        "results/benchmarks/quant/{workload}.hessian.tsv"
    conda:
        "../envs/model.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=15,
    params:
        code=fingerprint("hessian.py"),
        seed=config["seed"],
        samples=config["quant"]["calibration_samples"],
    message:
        "Estimating how curved the loss of {wildcards.workload} is in the weights of each layer (progress in {log})"
    script:
        "../workflow_scripts/hessian.py"


rule bit_sensitivity:
    input:
        data=dataset_of,
        model=model_of,
        hessian=hessian_of,
        provenance=provenance_of,
    output:
        sensitivity="results/quant/{workload}/bit_sensitivity.csv",
        proxies="results/quant/{workload}/proxies.csv",
    log:
        "results/logs/quant/{workload}.bit_sensitivity.log",
    benchmark:
        "results/benchmarks/quant/{workload}.bit_sensitivity.tsv"
    conda:
        "../envs/fixedpoint.yaml"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        code=fingerprint("bit_sensitivity.py"),
        seed=config["seed"],
        samples=config["quant"]["calibration_samples"],
        bits=config["quant"]["mixed_precision"]["bits"],
    message:
        "Giving one layer of {wildcards.workload} few bits at a time (progress in {log})"
    script:
        "../workflow_scripts/bit_sensitivity.py"


rule mixed_precision:
    input:
        data=dataset_of,
        model=model_of,
        sensitivity="results/quant/{workload}/bit_sensitivity.csv",
        provenance=provenance_of,
    output:
        mixed="results/quant/{workload}/mixed_precision.csv",
    log:
        "results/logs/quant/{workload}.mixed_precision.log",
    benchmark:
        "results/benchmarks/quant/{workload}.mixed_precision.tsv"
    conda:
        "../envs/fixedpoint.yaml"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=fingerprint("mixed_precision.py"),
        seed=config["seed"],
        samples=config["quant"]["calibration_samples"],
        bits=config["quant"]["mixed_precision"]["bits"],
        limits=config["quant"]["mixed_precision"]["losses"],
    message:
        "Finding the cheapest bit width of each layer of {wildcards.workload} (progress in {log})"
    script:
        "../workflow_scripts/mixed_precision.py"
