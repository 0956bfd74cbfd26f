"""The report: complete, honest about the data."""

import re
from pathlib import Path

import pytest
import yaml
from jinja2 import UndefinedError

from lib.report import render
from lib.report.answers import answers
from lib.report.figures import FIGURES
from lib.report.tables import times

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "lib/report/report.md.j2"
DECLARED = yaml.safe_load((ROOT / "rules/figures.yaml").read_text())
SOURCE = {"source": "archive.tar.gz", "sha256": "c4a3", "synthetic": False, "train": 900, "test": 1000}


def test_every_figure_is_declared_with_the_tables_it_reads():
    declared = {name: figure["tables"] for name, figure in DECLARED.items()}
    parameters = {name: list(function.__annotations__)[:-1] for name, function in FIGURES.items()}
    assert declared == parameters


def test_report_is_complete(context, tables):
    text = render(TEMPLATE, context(tables))
    assert "{{" not in text and "{%" not in text and "nan" not in re.findall(r"\w+", text)
    assert set(re.findall(r"\(figures/(\w+)\.png\)", text)) == {*FIGURES, "dag"}
    for question in ("quantization strategy?", "overflow policy?", "bottleneck?"):
        assert question in text
    assert "tiny_cnn_2d on CIFAR-10" in text and "c4a3" in text and "not about CIFAR-10" not in text


def test_generated_images_are_announced_before_any_number(context, tables):
    name = "synthetic images, not CIFAR-10"
    text = render(TEMPLATE, context(tables, sources={"images": SOURCE | {"name": name, "synthetic": True}}))
    assert text.index("These numbers are not about CIFAR-10") < text.index("Why this quantization strategy?")


def test_a_fact_that_is_not_there_stops_the_report(context, tables):
    incomplete = context(tables)
    del incomplete["machine"]["cpu"]
    with pytest.raises(UndefinedError):
        render(TEMPLATE, incomplete)


@pytest.mark.parametrize("note", ["fixed_point_note", "quantization_note"])
def test_note_is_complete(note, tables):
    text = render(ROOT / f"docs/{note}.md.j2", {"tables": tables, "answers": answers(tables)})
    assert "{{" not in text and "{%" not in text and "nan" not in re.findall(r"\w+", text)


@pytest.mark.parametrize("name", ["measured", "gallery", "readme_measured", "readme_measured.zh", "validation"])
def test_what_a_full_run_measured_is_complete(context, name, tables, tmp_path):
    (tmp_path / "tiny_cnn_2d.train.tsv").write_text("s\th:m:s\tmax_rss\n300\t0:05:00\t900\n")
    run = {"times": times(tmp_path, ["tiny_cnn_2d"])}
    run |= {"sources": [SOURCE | {"name": "CIFAR-10"}], "elapsed_s": 900, "done_s": 2.5, "commit": "c0ffee"}
    text = render(ROOT / f"docs/{name}.md.j2", context(tables, **run, figures=list(FIGURES)))
    assert "{{" not in text and "{%" not in text and "nan" not in re.findall(r"\w+", text)
    assert "CIFAR-10" in text and (name == "validation" or re.search("15.0 (min|分钟)", text))


def test_times_are_summed_per_rule(tmp_path):
    for name, seconds in {"w1.train": 3, "w2.train": 4, "d.images": 1, "not_in_this_run.train": 9}.items():
        (tmp_path / f"{name}.tsv").write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:00:03\t{100 * seconds}\n")
    (tmp_path / "w1.short.tsv").write_text("s\th:m:s\tmax_rss\n0.1\t0:00:00\t-\n")
    found = times(tmp_path, ["w1", "w2", "d"]).set_index("rule")
    assert found.index.tolist() == ["train", "images", "short"]
    assert found.loc["train", ["jobs", "total_s", "longest_s", "peak_mb"]].tolist() == [2, 7, 4, 400]
