"""Map the networks onto systolic arrays: topology, cycle-level simulation, design space."""

# Energies, areas and leakage of the node.
TECHNOLOGY = Path(config["arch"]["technology"] or ROOT / "lib/arch/technology.csv").expanduser()
# A table of one's own may be replaced by one that is older than what was made of it, which only its content tells.
TECHNOLOGY_HASH = sha256_of(TECHNOLOGY)
# The operating point of designs outside the space: those that SCALE-Sim simulates, and the trends.
OPERATION = {key: config["arch"][key] for key in ("clock_mhz", "dram_gb_per_s")}


# A checkpoint, so that Snakemake looks at the file again once it is made: new weights leave its content as it was,
# and then no simulation runs again.
checkpoint topology:
    input:
        model=model_of,
        provenance=provenance_of,
    output:
        topology="results/arch/{workload}/topology.csv",
        coverage="results/arch/{workload}/coverage.csv",
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
        stamp=lambda wildcards: (
            stamp(NETWORK_FILES[wildcards.workload]) if wildcards.workload in NETWORK_FILES else None
        ),
    message:
        "Writing the layers of {wildcards.workload} as SCALE-Sim reads them, and the operators that these leave out"
    script:
        "../workflow_scripts/topology.py"


rule designs:
    input:
        topology="results/arch/{workload}/topology.csv",
        technology=TECHNOLOGY,
    output:
        designs="results/arch/{workload}/designs.parquet",
    log:
        "results/logs/arch/{workload}.designs.log",
    benchmark:
        "results/benchmarks/arch/{workload}.designs.tsv"
    conda:
        "../envs/arch.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=fingerprint("designs.py"),
        technology=TECHNOLOGY_HASH,
        space=config["arch"]["space"],
        node_nm=config["arch"]["node_nm"],
        batch=config["arch"]["batch"],
    message:
        "Costing every design of the space on {wildcards.workload}"
    script:
        "../workflow_scripts/designs.py"


# A checkpoint, so that SCALE-Sim's jobs for the designs on the front are known once the front is.
checkpoint pareto:
    input:
        designs="results/arch/{workload}/designs.parquet",
        provenance=provenance_of,
    output:
        pareto="results/arch/{workload}/pareto.csv",
        winners="results/arch/{workload}/winners.csv",
        contenders="results/arch/{workload}/contenders.csv",
    log:
        "results/logs/arch/{workload}.pareto.log",
    conda:
        "../envs/arch.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=fingerprint("pareto.py"),
        constraints=config["arch"]["constraints"],
        confirm=config["arch"]["confirm"],
    message:
        "Finding the Pareto front of {wildcards.workload}, and the winners under the configured constraints and any others"
    script:
        "../workflow_scripts/pareto.py"


rule design_study:
    input:
        topology="results/arch/{workload}/topology.csv",
        technology=TECHNOLOGY,
        designs="results/arch/{workload}/designs.parquet",
        winners="results/arch/{workload}/winners.csv",
        provenance=provenance_of,
    output:
        design_sensitivity="results/arch/{workload}/design_sensitivity.csv",
        bottlenecks="results/arch/{workload}/bottlenecks.csv",
        returns="results/arch/{workload}/returns.csv",
        trends="results/arch/{workload}/trends.csv",
    log:
        "results/logs/arch/{workload}.design_study.log",
    conda:
        "../envs/arch.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=fingerprint("design_study.py"),
        technology=TECHNOLOGY_HASH,
        node_nm=config["arch"]["node_nm"],
        batch=config["arch"]["batch"],
        operation=OPERATION,
    message:
        "Asking what limits the winners of {wildcards.workload}, and what one step or twice as much would buy"
    script:
        "../workflow_scripts/design_study.py"


# SCALE-Sim's reports.
REPORTS = ["COMPUTE_REPORT", "BANDWIDTH_REPORT", "DETAILED_ACCESS_REPORT"]


rule scalesim:
    input:
        topology=lambda wildcards: checkpoints.topology.get(workload=wildcards.workload).output.topology,
    output:
        compute="results/arch/{workload}/scalesim/{design}/COMPUTE_REPORT.csv",
        bandwidth="results/arch/{workload}/scalesim/{design}/BANDWIDTH_REPORT.csv",
        access="results/arch/{workload}/scalesim/{design}/DETAILED_ACCESS_REPORT.csv",
        status="results/arch/{workload}/scalesim/{design}/status.json",
    log:
        "results/logs/arch/{workload}.scalesim.{design}.log",
    benchmark:
        "results/benchmarks/arch/{workload}.scalesim.{design}.tsv"
    conda:
        "../envs/arch.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=int(config["arch"]["scalesim_timeout_s"] // 60) + 5,
    params:
        code=fingerprint("scalesim.py"),
        timeout_s=config["arch"]["scalesim_timeout_s"],
    message:
        "Simulating {wildcards.workload} on {wildcards.design}"
    script:
        "../workflow_scripts/scalesim.py"


rule design_space:
    input:
        topology="results/arch/{workload}/topology.csv",
        status=expand("results/arch/{{workload}}/scalesim/{design}/status.json", design=DESIGNS),
        reports=expand("results/arch/{{workload}}/scalesim/{design}/{report}.csv", design=DESIGNS, report=REPORTS),
        technology=TECHNOLOGY,
        provenance=provenance_of,
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
        technology=TECHNOLOGY_HASH,
        operation=OPERATION,
        node_nm=config["arch"]["node_nm"],
    message:
        "Costing the designs of {wildcards.workload} that SCALE-Sim simulated"
    script:
        "../workflow_scripts/design_space.py"


rule validation:
    input:
        topology="results/arch/{workload}/topology.csv",
        status=lambda wildcards: simulations(wildcards, "status.json"),
        reports=lambda wildcards: [path for report in REPORTS for path in simulations(wildcards, f"{report}.csv")],
        technology=TECHNOLOGY,
        provenance=provenance_of,
    output:
        table="results/arch/{workload}/validation.csv",
    log:
        "results/logs/arch/{workload}.validation.log",
    conda:
        "../envs/arch.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=fingerprint("validation.py"),
        technology=TECHNOLOGY_HASH,
        operation=OPERATION,
        node_nm=config["arch"]["node_nm"],
        grid=DESIGNS,
    message:
        "Comparing SCALE-Sim with the closed form on all simulated designs of {wildcards.workload}"
    script:
        "../workflow_scripts/validation.py"


rule scalesim_findings:
    output:
        table="results/arch/scalesim_findings.csv",
    log:
        "results/logs/arch/scalesim_findings.log",
    conda:
        "../envs/arch.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=fingerprint("scalesim_findings.py"),
    message:
        "Running SCALE-Sim on small cases that it gets wrong"
    script:
        "../workflow_scripts/scalesim_findings.py"


rule arch_speed:
    input:
        topology="results/arch/{workload}/topology.csv",
        status=expand("results/arch/{{workload}}/scalesim/{design}/status.json", design=DESIGNS),
        reports=expand("results/arch/{{workload}}/scalesim/{design}/{report}.csv", design=DESIGNS, report=REPORTS),
        technology=TECHNOLOGY,
        provenance=provenance_of,
    output:
        table=timed("results/arch/{workload}/arch_speed.csv"),
    log:
        "results/logs/arch/{workload}.arch_speed.log",
    benchmark:
        "results/benchmarks/arch/{workload}.arch_speed.tsv"
    conda:
        "../envs/arch.yaml"
    # All cores, so that nothing else runs while times are taken.
    threads: workflow.cores
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=fingerprint("arch_speed.py"),
        technology=TECHNOLOGY_HASH,
        space=config["arch"]["space"],
        node_nm=config["arch"]["node_nm"],
        rounds=max(1, config["bench"]["rounds"] // 40),  # of SCALE-Sim, which takes seconds
        seed=config["seed"],
    message:
        "Timing the closed form and the cost model beside SCALE-Sim on {wildcards.workload}, alone on the machine"
    script:
        "../workflow_scripts/arch_speed.py"


# Where the accuracy of quantized models is measured; the joint choice takes all of it (columns: lib/arch/joint.py).
ACCURACY_TABLES = [
    "results/bench/{workload}/accuracy.csv",
    "results/fixedpoint/{workload}/numerics.csv",
    "results/quant/{workload}/low_bit.csv",
]


rule joint:
    input:
        accuracy=ACCURACY_TABLES,
        topology="results/arch/{workload}/topology.csv",
        technology=TECHNOLOGY,
        provenance=provenance_of,
    output:
        joint="results/arch/{workload}/joint.csv",
    log:
        "results/logs/arch/{workload}.joint.log",
    benchmark:
        "results/benchmarks/arch/{workload}.joint.tsv"
    conda:
        "../envs/arch.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=fingerprint("joint.py"),
        technology=TECHNOLOGY_HASH,
        space=config["arch"]["space"],
        node_nm=config["arch"]["node_nm"],
        batch=config["arch"]["batch"],
        limits=config["arch"]["joint"],
    message:
        "Choosing numerics and hardware of {wildcards.workload} together"
    script:
        "../workflow_scripts/joint.py"


rule zigzag:
    input:
        topology="results/arch/{workload}/topology.csv",
        pareto="results/arch/{workload}/pareto.csv",
        winners="results/arch/{workload}/winners.csv",
        scalesim=simulated_alike,
        technology=TECHNOLOGY,
        provenance=provenance_of,
    output:
        table="results/arch/{workload}/zigzag.csv",
    log:
        "results/logs/arch/{workload}.zigzag.log",
    benchmark:
        "results/benchmarks/arch/{workload}.zigzag.tsv"
    conda:
        "../envs/zigzag.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        code=fingerprint("zigzag.py"),
        technology=TECHNOLOGY_HASH,
        node_nm=config["arch"]["node_nm"],
        batch=config["arch"]["batch"],
        factors=config["arch"]["mapping_factors"],
    message:
        "Searching mappings of {wildcards.workload} on the recommended design with ZigZag (progress in {log})"
    script:
        "../workflow_scripts/zigzag.py"


# Timeloop is neither on conda-forge nor on PyPI: build it as its documentation says, or take the project's container
# image, timeloopaccelergy/accelergy-timeloop-infrastructure, and have its `timeloop` and `timeloop-mapper` on the PATH.
rule timeloop:
    input:
        topology="results/arch/{workload}/topology.csv",
        pareto="results/arch/{workload}/pareto.csv",
        winners="results/arch/{workload}/winners.csv",
        scalesim=simulated_alike,
        technology=TECHNOLOGY,
        provenance=provenance_of,
    output:
        files=directory("results/arch/{workload}/timeloop"),
        table="results/arch/{workload}/timeloop.csv",
    log:
        "results/logs/arch/{workload}.timeloop.log",
    conda:
        "../envs/arch.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        code=fingerprint("timeloop.py"),
        technology=TECHNOLOGY_HASH,
        node_nm=config["arch"]["node_nm"],
        batch=config["arch"]["batch"],
    message:
        "Writing the layers of {wildcards.workload} on the recommended design for Timeloop, which searches if it is there"
    script:
        "../workflow_scripts/timeloop.py"


rule mapping:
    input:
        parts=["results/arch/{workload}/zigzag.csv", "results/arch/{workload}/timeloop.csv"],
    output:
        table="results/arch/{workload}/mapping.csv",
    log:
        "results/logs/arch/{workload}.mapping.log",
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=fingerprint("table.py"),
    message:
        "Gathering what the mapping tools found for {wildcards.workload}"
    script:
        "../workflow_scripts/table.py"
