"""What all rules share: the checked configuration, names that follow from it, and code fingerprints."""

import ast
import atexit
import csv
import fcntl
import hashlib
import json
import os
import re
import shutil
import sys
from contextlib import contextmanager, suppress
from functools import cache
from itertools import product
from pathlib import Path

from snakemake.io import flag, is_flagged
import yaml

from lib import config as settings
from lib.data.archive import sha256_of
from lib.errors import InputError
from lib.files import write_json

# As seen from the working directory: what was made stays up to date where both are moved together.
ROOT = Path(os.path.relpath(workflow.basedir))

# Scripts import lib wherever the working directory is and whichever environment runs them.
os.environ.update(PYTHONPATH=workflow.basedir)


def release_stale_lock():
    """Let a run start after one that was killed; Snakemake's own lock outlives its process, a file lock does not.

    Every living run holds the file lock shared; who gets it exclusively is alone, so any lock of Snakemake's is stale.
    Returns the open file: the lock lasts as long as it does.
    """
    Path(".snakemake").mkdir(exist_ok=True)
    alive = open(".snakemake/alive", "w")
    try:
        fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(".snakemake/locks", ignore_errors=True)
    except BlockingIOError:
        pass
    fcntl.flock(alive, fcntl.LOCK_SH)
    return alive


@contextmanager
def checked():
    """End with one line where the block finds a mistake in the configuration."""
    try:
        yield
    except InputError as error:
        sys.exit(f"error: configuration: {error}")


def workloads() -> dict[str, dict]:
    """The configured workloads that are not null."""
    return settings.workloads(config)


def timed(path: str):
    """An output that holds measured times and so differs from run to run, as `snakemake reproducibility` must know."""
    return flag(path, "timed")


def pattern(path: str) -> str:
    """A path with an asterisk for each wildcard, with its constraint where it has one."""
    return re.sub(r"\{[^}]+\}", "*", path)


def one_of(names) -> str:
    """A wildcard constraint that matches these names alone, even if there are none."""
    return "|".join(names) or "(?!)"


def scheme_names() -> list[str]:
    """Names of the sweep's schemes: format, activation type, weight granularity, calibration."""
    axes = ("formats", "activations", "granularities", "calibrations")
    return ["_".join(parts) for parts in product(*(config["quant"][axis] for axis in axes))]


def design_names() -> list[str]:
    """Names of the configured accelerator designs: array, dataflow, buffer size."""
    arch = config["arch"]
    return [f"{a}_{d}_{s}kb" for a, d, s in product(arch["arrays"], arch["dataflows"], arch["sram_kb"])]


def dataset_of(wildcards) -> str:
    """The data set file of a workload."""
    return f"results/data/{config['workloads'][wildcards.workload]['dataset']}.npz"


def provenance_of(wildcards) -> list[str]:
    """The provenance of a workload's data set, for rules whose tables name it; nothing for a network without data.

    As the input `provenance`, it is what `labelled` in workflow_scripts/job.py takes the data set's name from.
    """
    known = wildcards.workload in workloads()
    return [str(Path(dataset_of(wildcards)).with_suffix(".json"))] if known else []


def model_of(wildcards) -> str:
    """The float ONNX file of a network: a workload's is exported, another's is configured."""
    return NETWORK_FILES.get(wildcards.workload, f"results/model/{wildcards.workload}.onnx")


def busy_threads(count: int) -> int:
    """Snakemake's threads of a job that keeps `count` real cores busy: more where --cores promises more than there are.

    Such a job's threads wait for each other all the time; beside others on the same cores it takes several times as long.
    """
    return max(count, -(-count * workflow.cores // os.cpu_count()))


def recipe_of(wildcards) -> dict:
    """How a workload is trained."""
    return {key: value for key, value in config["workloads"][wildcards.workload].items() if key != "dataset"}


def qat_recipe_of(wildcards) -> dict:
    """How a workload is trained further with quantized weights and activations."""
    recipe = {key: config["quant"]["qat"][key] for key in ("epochs", "learning_rate")}
    return recipe | {"batch": config["workloads"][wildcards.workload]["batch"]}


def low_bit_recipes(wildcards) -> list[str]:
    """A workload's low-bit models: by post-training quantization at every width, and trained ones."""
    names = expand("{widths}_{chain}", widths=LOW_BIT_WIDTHS, chain=LOW_BIT_CHAINS)
    if wildcards.workload in TRAINED:
        names += expand("{widths}_qat", widths=config["quant"]["qat"]["widths"])
    return expand(f"results/quant/{wildcards.workload}/low_bit/{{name}}.onnx", name=names)


def weights_of(wildcards) -> list[str]:
    """The trained weights of a workload in PyTorch; none where the network was brought as ONNX."""
    return [f"results/model/{wildcards.workload}.pth"] if wildcards.workload in TRAINED else []


def hessian_of(wildcards) -> list[str]:
    """The Hessian traces of a workload; none where the network was brought as ONNX and PyTorch does not have it."""
    return [f"results/quant/{wildcards.workload}/hessian.csv"] if wildcards.workload in TRAINED else []


def float_model_of(wildcards) -> str:
    """What the low-bit models of a chain of techniques are made from: the float model, equalized or not."""
    equalized = wildcards.chain.startswith("equalized")
    return f"results/quant/{wildcards.workload}/equalized.onnx" if equalized else model_of(wildcards)


def golden_folders(wildcards) -> list[str]:
    """One folder of golden vectors a layer; which layers there are is known once the network is there."""
    made = checkpoints.import_model if wildcards.workload in IMPORTED else checkpoints.export
    with open(made.get(workload=wildcards.workload).output.layers, encoding="utf-8", newline="") as table:
        return [f"results/golden/{wildcards.workload}/{row['layer']}" for row in csv.DictReader(table)]


def confirmed_designs(wildcards) -> list[str]:
    """Names of the designs on a workload's Pareto front that SCALE-Sim simulates too, known once the front is."""
    front = checkpoints.pareto.get(workload=wildcards.workload).output.pareto
    with open(front, encoding="utf-8", newline="") as table:
        return [row["design"] for row in csv.DictReader(table) if row["confirm"] == "1"]


def simulations(wildcards, file: str) -> list[str]:
    """A file of each simulation of a workload: of the grid, and of designs on the Pareto front."""
    designs = dict.fromkeys([*DESIGNS, *confirmed_designs(wildcards)])
    return expand(f"results/arch/{wildcards.workload}/scalesim/{{design}}/{file}", design=designs)


def simulated_alike(wildcards) -> list[str]:
    """SCALE-Sim's simulations of a network on the recommended array and dataflow: its cycles depend on no more."""
    if wildcards.workload not in WORKLOADS and not config["arch"]["simulate_networks"]:
        return []
    winners = checkpoints.pareto.get(workload=wildcards.workload).output.winners
    with open(winners, encoding="utf-8", newline="") as table:
        array = next((row["design"].rsplit("_", 1)[0] for row in csv.DictReader(table) if row["design"]), None)
    return [
        status for status in simulations(wildcards, "status.json") if Path(status).parent.name.startswith(f"{array}_")
    ]


def gathered_over(table: str) -> list[str]:
    """Whose parts a table consists of: networks without data have what the architecture stage computes alone.

    Models that were brought have no learning curve, and no network in PyTorch for the library to quantize.
    """
    if table in ("training", "library"):
        return TRAINED
    simulations = [] if config["arch"]["simulate_networks"] else ["scalesim", "validation", "arch_speed"]
    needs_more = not TABLES[table].startswith("results/arch/") or table in ("joint", *simulations)
    return WORKLOADS if needs_more else NETWORKS


def made_first(wildcards) -> list[str]:
    """What is compared with a second run of it."""
    targets = config["trust"]["repeat"]
    return [str(path) for target in targets for path in (rules.all.input if target == "all" else [target])]


@cache
def fingerprint(script: str) -> str:
    """Hash of all project code that `script` can run: the modules it imports, and theirs.

    Snakemake sees a changed script but not a changed module behind it; as a parameter, this hash makes it see both.
    Comments and docstrings do not count.
    """
    files, open_ = set(), [ROOT / "workflow_scripts" / script]
    while open_:
        file = open_.pop()
        if file not in files:
            files.add(file)
            open_ += [path for module in parsed(file)[1] for path in project_files(module)]
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update((file.relative_to(ROOT).as_posix() + parsed(file)[0]).encode())
    return digest.hexdigest()[:16]


@cache
def parsed(file: Path) -> list:
    """Hash of the Python file's statements without its docstrings, and the project's modules that it imports."""
    source = file.read_bytes()
    content = hashlib.sha256(source).hexdigest()
    found = PARSED_BEFORE.get(content)
    if found is None:
        tree = ast.parse(source)
        modules = sorted(imported(tree))
        documented = [tree]
        for node in documented:  # grows on the way
            documented += [part for part in node.body if isinstance(part, (ast.ClassDef, ast.FunctionDef))]
            if ast.get_docstring(node, clean=False):
                del node.body[0]
        found = [hashlib.sha256(ast.dump(tree).encode()).hexdigest(), modules]
    PARSED[content] = found
    return found


def imported(tree: ast.Module) -> set[str]:
    """Names of the modules that a module imports, and of what it imports from them, which may be modules."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.update([node.module, *(f"{node.module}.{alias.name}" for alias in node.names)])
    return {name for name in names if name.split(".")[0] in ("lib", "workflow_scripts")}


@cache
def project_files(module: str) -> list[Path]:
    """The project's own files that the import of a module reads, package __init__ files included."""
    parts = module.split(".")
    stems = [ROOT.joinpath(*parts[:depth]) for depth in range(1, len(parts) + 1)]
    return [path for stem in stems for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()]


def parsed_before(path: Path) -> dict[str, list]:
    """What `parsed` found in an earlier run; where it finds more in this one, that is written when the run ends."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}

    def keep():
        if not PARSED.keys() <= known.keys():
            with suppress(OSError):  # a full disk or a read-only folder: the next run parses again
                write_json(PARSED, path)

    if workflow.is_main_process:
        atexit.register(keep)
    return known


# By the hash of a file's content. Parsing everything takes half a second.
PARSED, PARSED_BEFORE = {}, parsed_before(Path(f".snakemake/parsed.{sys.implementation.cache_tag}.json").absolute())


with checked():
    settings.check(config, yaml.safe_load((ROOT / "config.schema.yaml").read_text()))
    if "apptainer" in map(str, workflow.deployment_settings.deployment_method) and not config["container"]:
        raise InputError("container: --sdm apptainer needs an image; see docs/container.md")
    # Models that are brought instead of trained, and networks without data that the architecture stage costs.
    IMPORTED = {
        name: settings.onnx_file(f"workloads.{name}.model", workload["model"])
        for name, workload in workloads().items()
        if "model" in workload
    }
    NETWORK_FILES = {
        name: settings.onnx_file(f"arch.networks.{name}", place) for name, place in config["arch"]["networks"].items()
    }
if workflow.is_main_process:
    ALIVE = release_stale_lock()

WORKLOADS = list(workloads())
TRAINED = [name for name, workload in workloads().items() if "model" not in workload]
NETWORKS = [*WORKLOADS, *NETWORK_FILES]
SCHEMES = scheme_names()
DESIGNS = design_names()
REFERENCE = config["quant"]["reference"]
# The reference scheme in both graph formats.
REFERENCE_QDQ, REFERENCE_INTEGER = ("_".join([graph, *REFERENCE.split("_")[1:]]) for graph in ("qdq", "qoperator"))
# Techniques of post-training quantization, alone and together; each is made from the one named by all but its last word.
# Learned rounding fits the biases, too: correcting them after it changes nothing.
LOW_BIT_CHAINS = [
    "minmax",
    "mse",
    "mse_corrected",
    "mse_learned",
    "equalized_mse",
    "equalized_mse_learned",
]
LOW_BIT_WIDTHS = config["quant"]["low_bit"]["widths"]
# What is made with the ranges of each calibration: graph format, activation type, weight granularity.
QUANTIZED_GRAPHS = sorted({scheme.rpartition("_")[0] for scheme in [*SCHEMES, REFERENCE_QDQ, REFERENCE_INTEGER]})


wildcard_constraints:
    workload="|".join(NETWORKS),
    dataset="|".join(config["datasets"]),
    scheme="|".join({*SCHEMES, REFERENCE_QDQ, REFERENCE_INTEGER}),
    design=r"[1-9]\d*x[1-9]\d*_(?:os|ws|is)_[1-9]\d*(?:-[1-9]\d*-[1-9]\d*)?kb",
