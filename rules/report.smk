"""Gather the tables of all workloads, draw the figures, write the documents."""

FIGURES = yaml.safe_load((ROOT / "rules/figures.yaml").read_text())
GALLERY = [
    "accuracy_per_scheme",
    "accuracy_vs_latency",
    "bit_widths",
    "low_bit",
    "bit_sensitivity",
    "mixed_precision",
    "accumulator_width",
    "accumulator_per_layer",
    "bit_growth",
    "requantization",
    "pairwise",
    "step_times",
    "pareto",
    "bottleneck_map",
    "joint",
    "dse_cycles",
    "roofline",
]
NOTES = ["fixed_point_note", "quantization_note"]
# A run of its own, on a model that was brought.
OWN_MODEL = "results/examples/own_model"
OWN_MODEL_TABLES = ["export_agreement", "accuracy", "exactness", "winners"]
# Pages of docs/ that are filled from a run, and what their commands look at besides tables.
DOCUMENTS = {
    "validation": [],
    "examples/choose_scheme": [],
    "examples/choose_accumulator": [f"results/quant/tiny_cnn_2d/{REFERENCE}.onnx", "results/data/images.npz"],
    "examples/rtl_vectors": "results/golden/tiny_cnn_2d/conv2",
    "examples/size_array": "results/arch/tiny_cnn_2d/designs.parquet",
    "examples/own_model": expand(f"{OWN_MODEL}/results/tables/{{table}}.csv", table=OWN_MODEL_TABLES),
}
SCRIPTS = sorted(ROOT.glob("workflow_scripts/*.py"))
STAGES = sorted(ROOT.glob("rules/*.smk"))
API_PAGES = ["index", "lib", *(path.parent.name for path in sorted(ROOT.glob("lib/*/__init__.py")))]
DATASETS = sorted({workload["dataset"] for workload in workloads().values()})
# What each table is gathered from.
TABLES = {
    "training": "results/model/{workload}.history.csv",
    "layers": "results/model/{workload}.layers.csv",
    "export_agreement": "results/model/{workload}.agreement.csv",
    "ranges": "results/quant/{workload}/ranges.csv",
    "histograms": "results/quant/{workload}/histograms.csv",
    "quant_errors": "results/quant/{workload}/errors.csv",
    "sensitivity": "results/quant/{workload}/sensitivity.csv",
    "calibration_study": "results/quant/{workload}/calibration_study.csv",
    "folding": "results/quant/{workload}/folding.csv",
    "low_bit": "results/quant/{workload}/low_bit.csv",
    "bit_widths": "results/quant/{workload}/bit_widths.csv",
    "bit_sensitivity": "results/quant/{workload}/bit_sensitivity.csv",
    "proxies": "results/quant/{workload}/proxies.csv",
    "mixed_precision": "results/quant/{workload}/mixed_precision.csv",
    "library": "results/quant/{workload}/library.csv",
    "accuracy": "results/bench/{workload}/accuracy.csv",
    "latency": "results/bench/{workload}/latency.csv",
    "paired": "results/bench/{workload}/paired.csv",
    "bit_growth": "results/fixedpoint/{workload}/bit_growth.csv",
    "overflow": "results/fixedpoint/{workload}/overflow.csv",
    "relief": "results/fixedpoint/{workload}/relief.csv",
    "requantization": "results/fixedpoint/{workload}/requantization.csv",
    "requantization_schemes": "results/fixedpoint/{workload}/requantization_schemes.csv",
    "requantization_accuracy": "results/fixedpoint/{workload}/requantization_accuracy.csv",
    "exactness": "results/fixedpoint/{workload}/exactness.csv",
    "golden": "results/fixedpoint/{workload}/golden.csv",
    "pairwise": "results/fixedpoint/{workload}/pairwise.csv",
    "vectors": "results/fixedpoint/{workload}/vectors.csv",
    "throughput": "results/fixedpoint/{workload}/throughput.csv",
    "step_times": "results/fixedpoint/{workload}/step_times.csv",
    "scalesim": "results/arch/{workload}/scalesim.csv",
    "validation": "results/arch/{workload}/validation.csv",
    "scalesim_findings": "results/arch/scalesim_findings.csv",
    "arch_speed": "results/arch/{workload}/arch_speed.csv",
    "coverage": "results/arch/{workload}/coverage.csv",
    "numerics": "results/fixedpoint/{workload}/numerics.csv",
    "joint": "results/arch/{workload}/joint.csv",
    "pareto": "results/arch/{workload}/pareto.csv",
    "winners": "results/arch/{workload}/winners.csv",
    "contenders": "results/arch/{workload}/contenders.csv",
    "design_sensitivity": "results/arch/{workload}/design_sensitivity.csv",
    "bottlenecks": "results/arch/{workload}/bottlenecks.csv",
    "returns": "results/arch/{workload}/returns.csv",
    "trends": "results/arch/{workload}/trends.csv",
    "mapping": "results/arch/{workload}/mapping.csv",
}
# Where all models were brought there are no learning curves.
FIGURES = {name: figure for name, figure in FIGURES.items() if TRAINED or name != "training_curves"}


wildcard_constraints:
    table="|".join(TABLES),
    figure="|".join(FIGURES),


rule table:
    input:
        parts=lambda wildcards: expand(TABLES[wildcards.table], workload=gathered_over(wildcards.table)),
    output:
        table="results/tables/{table}.csv",
    log:
        "results/logs/report/table.{table}.log",
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=fingerprint("table.py"),
    message:
        "Gathering {output}"
    script:
        "../workflow_scripts/table.py"


rule figure:
    input:
        tables=lambda wildcards: expand("results/tables/{table}.csv", table=FIGURES[wildcards.figure]["tables"]),
    output:
        figure=report(
            "results/figures/{figure}.png",
            caption="../docs/figure.rst",
            category=lambda wildcards: FIGURES[wildcards.figure]["category"],
            labels={"figure": "{figure}"},
        ),
    log:
        "results/logs/report/figure.{figure}.log",
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=fingerprint("figure.py"),
        caption=lambda wildcards: FIGURES[wildcards.figure]["caption"],
    message:
        "Drawing {output}"
    script:
        "../workflow_scripts/figure.py"


rule dag:
    input:
        snakefile=ROOT / "Snakefile",
        stages=STAGES,
        provenance=expand("results/data/{dataset}.json", dataset=DATASETS),
    output:
        figure=report(
            "results/figures/dag.png", caption="../docs/figure.rst", category="Workflow", labels={"figure": "dag"}
        ),
    log:
        "results/logs/report/dag.log",
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=fingerprint("dag.py"),
        caption="The workflow's rules and the files between them, from the first data to the report; colours are stages.",
    message:
        "Drawing the workflow's rules"
    script:
        "../workflow_scripts/dag.py"


rule note:
    input:
        template=ROOT / "docs/{note}.md.j2",
        tables=expand("results/tables/{table}.csv", table=TABLES),
    output:
        note="results/{note}.md",
    log:
        "results/logs/report/{note}.log",
    wildcard_constraints:
        note="|".join(NOTES),
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=fingerprint("note.py"),
    message:
        "Filling the measured numbers into {output}"
    script:
        "../workflow_scripts/note.py"


rule report:
    input:
        template=ROOT / "lib/report/report.md.j2",
        tables=expand("results/tables/{table}.csv", table=TABLES),
        provenance=expand("results/data/{dataset}.json", dataset=DATASETS),
        machine="results/bench/machine.json",
        about="results/provenance.json",
        notes=expand("results/{note}.md", note=NOTES),
        # Shown but not read: they must exist.
        figures=ancient(expand("results/figures/{figure}.png", figure=[*FIGURES, "dag"])),
    output:
        report=timed("results/report.md"),
    log:
        "results/logs/report/report.log",
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=fingerprint("report.py"),
        captions={name: figure["caption"] for name, figure in FIGURES.items()},
        arch=config["arch"],
        calibration={key: config["quant"][key] for key in ("calibration_samples", "percentile")},
        benchmarks="results/benchmarks",
        subjects=[*workloads(), *DATASETS],
    message:
        "Writing {output}"
    script:
        "../workflow_scripts/report.py"


rule page:
    input:
        template=ROOT / "lib/report/report.html.j2",
        included=[ROOT / "lib/report" / name for name in ("page.css", "page.js", "explore.js")],
        report="results/report.md",
        tables=expand("results/tables/{table}.csv", table=TABLES),
        figures=expand("results/figures/{figure}.png", figure=[*FIGURES, "dag"]),
    output:
        page=timed("results/report.html"),
    log:
        "results/logs/report/page.log",
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=fingerprint("page.py"),
        arch=config["arch"],
    message:
        "Writing {output}, with figures and charts to explore inside"
    script:
        "../workflow_scripts/page.py"


rule api:
    input:
        template=ROOT / "lib/report/api.html.j2",
        sources=sorted(ROOT.glob("lib/**/*.py")),
    output:
        expand("results/api/{page}.html", page=API_PAGES),
    log:
        "results/logs/report/api.log",
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=fingerprint("api.py"),
    message:
        "Writing what lib offers, from its docstrings"
    script:
        "../workflow_scripts/api.py"


# What follows is not part of `all`: it makes pages of the repository, with real figures and numbers.


rule own_model_example:
    input:
        settings=ROOT / "configs/own_model.yaml",
        files=[ROOT / "tests/data/own_model/digits.tar.xz", ROOT / "tests/data/own_model/mnist.onnx"],
    output:
        tables=expand(f"{OWN_MODEL}/results/tables/{{table}}.csv", table=OWN_MODEL_TABLES),
    log:
        "results/logs/report/own_model_example.log",
    conda:
        "../envs/report.yaml"
    threads: workflow.cores
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=[fingerprint(script.name) for script in SCRIPTS],  # what it runs is all rules
        snakefile=str(ROOT / "Snakefile"),
    message:
        "Running the workflow on a model and data that were brought (progress in {log})"
    script:
        "../workflow_scripts/own_model_example.py"


rule document:
    input:
        template=ROOT / "docs/{document}.md.j2",
        tables=expand("results/tables/{table}.csv", table=TABLES),
        provenance=expand("results/data/{dataset}.json", dataset=DATASETS),
        machine="results/bench/machine.json",
        shown=lambda wildcards: DOCUMENTS[wildcards.document],
    output:
        page="docs/{document}.md",
    log:
        "results/logs/report/{document}.log",
    wildcard_constraints:
        document="|".join(DOCUMENTS),
    conda:
        "../envs/fixedpoint.yaml"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=5,
    params:
        code=fingerprint("document.py"),
        own_settings=ROOT / "configs/own_model.yaml",
        own=OWN_MODEL,
    message:
        "Filling {output} with this run's numbers"
    script:
        "../workflow_scripts/document.py"


# Not part of `all`: it changes a page of the repository.
rule whole_test_sets:
    input:
        template=ROOT / "docs/whole_test_sets.md.j2",
        tables=expand(
            "results/tables/{table}.csv",
            table=["layers", "training", "exactness", "throughput", "low_bit", "library"],
        ),
        machine="results/bench/machine.json",
    output:
        page="docs/whole_test_sets.md",
    log:
        "results/logs/report/whole_test_sets.log",
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=fingerprint("whole_test_sets.py"),
        benchmarks="results/benchmarks",
        workloads=list(workloads()),
    message:
        "Filling {output} with what the default run leaves out"
    script:
        "../workflow_scripts/whole_test_sets.py"


rule gallery:
    input:
        readmes=ancient(["README.md", "README.zh.md"]),
        sections=[ROOT / "docs/readme_measured.md.j2", ROOT / "docs/readme_measured.zh.md.j2"],
        pages=[ROOT / "docs/gallery.md.j2", ROOT / "docs/measured.md.j2"],
        documents=expand("docs/{document}.md", document=DOCUMENTS),
        figures=expand("results/figures/{figure}.png", figure=GALLERY),
        tables=expand("results/tables/{table}.csv", table=TABLES),
        provenance=expand("results/data/{dataset}.json", dataset=DATASETS),
        machine="results/bench/machine.json",
        page="results/report.html",
    output:
        figures=expand("docs/gallery/{figure}.png", figure=GALLERY),
        pages=["docs/gallery/README.md", "docs/measured.md"],
    log:
        "results/logs/report/gallery.log",
    conda:
        "../envs/report.yaml"
    threads: workflow.cores
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=fingerprint("gallery.py"),
        captions={name: figure["caption"] for name, figure in FIGURES.items()},
        benchmarks="results/benchmarks",
        subjects=[*workloads(), *DATASETS],
        snakefile=ROOT / "Snakefile",
    message:
        "Refreshing docs/gallery, docs/measured.md and what the READMEs say was measured"
    script:
        "../workflow_scripts/gallery.py"


# Not part of `all`: it changes files of the repository, a page of docs and its figure.
rule scaling:
    input:
        template=ROOT / "docs/scaling.md.j2",
        table="results/tables/scaling.csv",
        machine="results/bench/machine.json",
    output:
        figure="results/figures/scaling.png",
        shown="docs/scaling.png",
        page="docs/scaling.md",
    log:
        "results/logs/report/scaling.log",
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=fingerprint("scaling_page.py"),
        workload=WORKLOADS[-1],
    message:
        "Drawing how time and memory grow, and refreshing docs/scaling.md"
    script:
        "../workflow_scripts/scaling_page.py"
