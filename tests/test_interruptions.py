"""The workflow on tiny data is killed, runs out of space, reads damaged files: nothing is lost or silently wrong."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml
from tiny_workflow import ROOT

from lib.errors import InputError
from lib.trust import faults
from lib.trust.hashes import compare, require_same, results
from lib.trust.running import Workflow


def workflow(folder: Path, *targets: str) -> Workflow:
    """A finished run, to be copied and begun anew in folders beside it."""
    return Workflow(folder, ROOT / "Snakefile", ROOT / "tests" / "tiny.yaml", targets)


def survived(rows, refused: bool = True) -> list[dict]:
    """The rows of a fault: something was compared and nothing differs; every run that met it failed, or none."""
    rows = list(rows)
    assert rows and all(row["compared"] and not row["differing"] and not row["leftovers"] for row in rows), rows
    assert all(row["failed"] == (row["tries"] if refused else 0) for row in rows), rows
    return rows


def test_killed_run_is_finished_by_the_same_command_with_the_same_results(untouched):
    """Kill all processes, Snakemake alone and one job on the way; nothing half made may count as made."""
    base = workflow(untouched, "results/tables/quant_errors.csv", "results/tables/bit_growth.csv")
    rows = list(faults.killed(base, base.results(), 3, 10, seed=2))
    assert sum(row["tries"] for row in rows) >= 3 and all(row["compared"] > 10 for row in rows)
    assert not any(row["differing"] or row["leftovers"] for row in rows)


@pytest.mark.skipif(subprocess.run(["unshare", "-rmn", "true"]).returncode != 0, reason="needs user namespaces")
def test_full_disk_read_only_results_and_no_network_are_survived(untouched):
    base = workflow(untouched, "results/data/images.npz")
    expected = base.results()
    survived(faults.full_disk(base, expected, [100]))
    (row,) = survived(faults.read_only(base, expected))
    assert "protected" in row["message"].lower()


def test_table_cut_at_the_end_of_a_line_is_refused_by_name(untouched):
    base = workflow(untouched, "results/tables/quant_errors.csv")
    cut = "results/quant/tiny_cnn_2d/errors.csv"
    (row,) = survived(faults.truncated(base, base.results(), [cut]))
    assert row["message"].startswith(f"error: table: {cut}: not as the workflow wrote it")


def test_second_run_in_the_same_folder_is_refused_and_the_first_is_not_disturbed(untouched):
    base = workflow(untouched, "results/model/tiny_cnn_2d.onnx")
    (row,) = survived(faults.at_once(base, base.results()))
    assert "exit code 0" in row["how"]


def test_reproducibility_compares_with_a_second_run_and_names_a_changed_file(untouched, tmp_path):
    made, timed = "results/quant/tiny_cnn_2d/ranges.csv", "results/tables/throughput.csv"
    settings = yaml.safe_load((ROOT / "tests" / "tiny.yaml").read_text()) | {"trust": {"repeat": [timed]}}
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump(settings))
    run = replace(workflow(untouched, "reproducibility"), configfile=tmp_path / "settings.yaml").copy("repeated")
    code, messages = run.run()
    assert code == 0, messages[-4000:]
    table = pd.read_csv(run.folder / "results" / "tables" / "reproducibility.csv").set_index("file")
    assert table[~table["timed"]]["same"].all() and {"model", "table", "data"} <= set(table["kind"])
    parts = [f"results/fixedpoint/tiny_cnn_2d/{part}.csv" for part in ("step_times", "throughput")]
    assert sorted(table.index[table["timed"]]) == [*parts, timed]
    there = table["hash_there"][~table["timed"]].to_dict()
    with (run.folder / made).open("a") as file:
        file.write("changed\n")
    changed = compare(results(run.folder), there, [])
    with pytest.raises(InputError, match=f"1 of {len(there)} files differ between two runs, the first of them {made}"):
        require_same(changed)
