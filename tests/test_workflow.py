"""The whole workflow on tiny data: it completes, and rebuilds only what is stale."""

import os
import re
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
from tiny_workflow import ROOT, command, hashes, snakemake

NOT_PART_OF_ALL = {"gallery", "document", "own_model_example"}
NOT_PART_OF_ALL |= {"measure_scaling", "scaling", "whole_test_sets", "reproducibility", "faults"}


def planned(folder: Path, *targets: str) -> dict[str, int]:
    """Rules that a run, of everything by default, would execute, with their numbers of jobs."""
    text = snakemake(folder, "-n", *(targets or ["all"]))
    table = re.search(r"job +count\n[- ]+\n(.*?)\n\n", text, re.DOTALL)
    counts = dict(re.findall(r"^(\w+) +(\d+)$", table[1], re.MULTILINE)) if table else {}
    return {rule: int(count) for rule, count in counts.items() if rule not in ("all", "total")}


@contextmanager
def edited(file: Path, old: str, new: str):
    """`file` with `new` in place of `old`, for the length of the block."""
    text, status = file.read_text(), file.stat()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    yield
    file.write_text(text)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_run_writes_the_report_and_its_figures(finished):
    report = (finished / "results" / "report.md").read_text()
    figures = re.findall(r"\]\((figures/\w+\.png)\)", report)
    assert len(figures) >= 10
    assert all((finished / "results" / figure).stat().st_size > 5000 for figure in figures)
    page = (finished / "results" / "report.html").read_text()
    assert page.count("data:image/png;base64,") >= len(set(figures))


def test_nothing_half_written_is_left(finished):
    hidden = {file.name for file in (finished / "results").rglob(".*")}
    assert hidden <= {".snakemake_timestamp"}  # how Snakemake dates folders


def test_second_run_does_nothing(finished):
    assert planned(finished) == {}


def test_moved_run_is_up_to_date(finished, tmp_path):
    assert planned(shutil.copytree(finished, tmp_path / "moved")) == {}


def test_help_is_one_screen_of_targets_that_there_are(finished):
    shown = subprocess.run(command("help"), cwd=finished, capture_output=True, text=True, check=True).stdout
    assert shown == (ROOT / "docs" / "help.txt").read_text()
    assert len(shown.splitlines()) <= 40 and max(map(len, shown.splitlines())) <= 120
    targets = re.findall(r"^  ([a-z]\S+)  ", shown.partition("targets\n")[2].partition("\nalso")[0], re.MULTILINE)
    assert len(targets) > 10
    assert set(planned(finished, *(target for target in targets if target != "help"))) <= NOT_PART_OF_ALL


def test_plan_says_in_two_lines_what_a_job_does_and_why(finished):
    (finished / "results" / "figures" / "dag.png").rename(finished / "dag.png")
    with edited(finished / "lib" / "arch" / "findings.py", "\nfrom ", "\nCHANGED = True\nfrom "):
        plan = snakemake(finished, "-n", "results/figures/dag.png", "results/arch/scalesim_findings.csv")
    (finished / "dag.png").rename(finished / "results" / "figures" / "dag.png")
    assert "Drawing the workflow's rules\n    Missing output files: results/figures/dag.png\n" in plan
    assert "Running SCALE-Sim on small cases that it gets wrong\n    Code or data have changed\n" in plan
    assert plan.count("Job stats:") == 1


@pytest.mark.skipif(not shutil.which("cc"), reason="there is no C compiler called cc")
def test_pages_show_what_their_commands_print(finished):
    pages = ["choose_scheme", "choose_accumulator", "rtl_vectors", "size_array"]
    snakemake(finished, *(f"docs/examples/{page}.md" for page in pages))
    text = {page: (finished / "docs" / "examples" / f"{page}.md").read_text() for page in pages}
    shown = {page: re.findall(r"```text\n(.+?)\n```", content, re.DOTALL) for page, content in text.items()}
    assert all(len(outputs) >= 2 and "{{" not in text[page] for page, outputs in shown.items())
    accuracy = pd.read_csv(finished / "results" / "tables" / "accuracy.csv")
    assert all(scheme in shown["choose_scheme"][0] for scheme in accuracy.scheme)
    assert shown["choose_accumulator"][2].count(" of 60\n") + 1 == 4
    ours, changed, code = shown["rtl_vectors"][1].splitlines()
    assert ours.startswith("ok: ") and changed.startswith("FAILED: ") and code == "exit code 1"


def test_other_bandwidth_repeats_no_simulation_and_no_training(finished):
    with edited(finished / "config.yaml", "dram_gb_per_s: 1.0", "dram_gb_per_s: 2.0"):
        plan = planned(finished)
    assert plan and not {"train", "export", "quantize", "scalesim", "bench"} & plan.keys()


def test_changed_architecture_code_trains_nothing(finished):
    with edited(finished / "lib" / "arch" / "cost.py", "\nfrom ", "\nCHANGED = True\nfrom "):
        plan = planned(finished)
    assert plan and not {"train", "export", "quantize", "bench", "overflow", "scalesim"} & plan.keys()


def test_changed_training_code_trains_again(finished):
    with edited(finished / "lib" / "model" / "train.py", "\nimport ", "\nCHANGED = True\nimport "):
        assert planned(finished)["train"] == 1


def test_changed_comments_and_docstrings_repeat_nothing_but_their_pages(finished):
    with edited(finished / "lib" / "model" / "train.py", '"""', '# Changed.\n"""Changed. '):
        assert planned(finished) == {"api": 1}


def test_other_epochs_of_one_workload_leave_the_other_alone(finished):
    targets = [f"results/quant/{workload}/ranges.csv" for workload in ("signal_cnn_1d", "tiny_cnn_2d")]
    with edited(finished / "tiny.yaml", "signal_cnn_1d: null", "signal_cnn_1d: {epochs: 1}"):
        snakemake(finished, *targets)
        with edited(finished / "tiny.yaml", "{epochs: 1, batch: 32}", "{epochs: 2, batch: 32}"):
            assert planned(finished, *targets) == {"train": 1, "export": 1, "calibrate": 1}


def test_deleted_figure_is_redrawn_alone(finished):
    before = hashes(finished, "figures/*", "tables/*", "report.*")
    (finished / "results" / "figures" / "dse_cycles.png").unlink()
    # The documents that show it are put together again.
    assert planned(finished) == {"figure": 1, "report": 1, "page": 1}
    snakemake(finished, "all")
    assert hashes(finished, "figures/*", "tables/*", "report.*") == before


def test_design_that_scalesim_fails_on_is_marked_and_the_rest_goes_on(finished, tmp_path):
    folder = shutil.copytree(finished, tmp_path / "copy")
    simulation = "results/arch/tiny_cnn_2d/scalesim/32x32_ws_16kb"
    with edited(folder / "config.yaml", "scalesim_timeout_s: 600", "scalesim_timeout_s: 0.01"):
        output = snakemake(folder, f"{simulation}/status.json")
    assert "warning: scalesim: design 32x32_ws_16kb failed: no result from SCALE-Sim after 0.01 s" in output
    # With the default triggers the setting restored would repeat the simulation.
    snakemake(folder, "results/report.md", "--rerun-triggers", "mtime")
    for name in ("scalesim", "validation"):
        table = pd.read_csv(folder / "results" / "tables" / f"{name}.csv").set_index(["workload", "design"])
        failed = table["reason"] == "no result from SCALE-Sim after 0.01 s"
        assert table.index[failed].tolist() == [("tiny_cnn_2d", "32x32_ws_16kb")]
        assert table[~failed]["reason"].isna().all() and len(table) > 2


def test_dag_is_plain_graphviz_on_standard_output(finished):
    result = subprocess.run(command("all", "--dag"), cwd=finished, capture_output=True, text=True, check=True)
    assert result.stdout.startswith("digraph")
