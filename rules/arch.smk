"""Map the networks onto systolic arrays: topology, cycle-level simulation, design space."""


# A checkpoint, so that Snakemake looks at the file again once it is made: new weights leave its content as it was,
# and then no simulation runs again.
checkpoint topology:
    input:
        model="results/model/{workload}.onnx",
    output:
        topology="results/arch/{workload}/topology.csv",
    log:
        "results/logs/arch/{workload}.topology.log",
    conda:
        "../envs/arch.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=fingerprint("topology.py"),
    message:
        "Writing the layers of {wildcards.workload} as SCALE-Sim reads them"
    script:
        "../workflow_scripts/topology.py"


rule scalesim:
    input:
        topology=lambda wildcards: checkpoints.topology.get(workload=wildcards.workload).output.topology,
    output:
        compute="results/arch/{workload}/scalesim/{design}/COMPUTE_REPORT.csv",
        bandwidth="results/arch/{workload}/scalesim/{design}/BANDWIDTH_REPORT.csv",
        access="results/arch/{workload}/scalesim/{design}/DETAILED_ACCESS_REPORT.csv",
    log:
        "results/logs/arch/{workload}.scalesim.{design}.log",
    benchmark:
        "results/benchmarks/arch/{workload}.scalesim.{design}.tsv"
    conda:
        "../envs/arch.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        code=fingerprint("scalesim.py"),
    message:
        "Simulating {wildcards.workload} on {wildcards.design}"
    script:
        "../workflow_scripts/scalesim.py"


rule design_space:
    input:
        topology="results/arch/{workload}/topology.csv",
        compute=expand("results/arch/{{workload}}/scalesim/{design}/COMPUTE_REPORT.csv", design=DESIGNS),
        bandwidth=expand("results/arch/{{workload}}/scalesim/{design}/BANDWIDTH_REPORT.csv", design=DESIGNS),
        access=expand("results/arch/{{workload}}/scalesim/{design}/DETAILED_ACCESS_REPORT.csv", design=DESIGNS),
        energies=ROOT / "lib/arch/energy.csv",
        provenance=lambda wildcards: Path(dataset_of(wildcards)).with_suffix(".json"),
    output:
        table="results/arch/{workload}/scalesim.csv",
    log:
        "results/logs/arch/{workload}.design_space.log",
    conda:
        "../envs/arch.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=fingerprint("design_space.py"),
        operation={key: config["arch"][key] for key in ("clock_mhz", "dram_gb_per_s")},
    message:
        "Comparing SCALE-Sim with the closed form and costing all designs of {wildcards.workload}"
    script:
        "../workflow_scripts/design_space.py"
