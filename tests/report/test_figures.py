"""Every figure can be drawn, names its data sets, and is the same file each time."""

import inspect
import warnings

import networkx as nx
import pytest

from lib.report import dag
from lib.report.figures import FIGURES, draw
from lib.report.style import facets, save


def texts(figure) -> str:
    subfigures = [*figure.subfigs, figure]
    titles = [axes.get_title() for axes in figure.axes] + [part.get_suptitle() for part in subfigures]
    return "\n".join(titles)


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("workloads", [1, 3])
def test_figure_is_drawn_without_warnings_and_names_its_data_sets(name, workloads, tables, tmp_path):
    chosen = ["tiny_cnn_2d", "signal_cnn_1d", "resnet18"][:workloads]
    needed = inspect.signature(FIGURES[name]).parameters
    data = {key: tables[key][tables[key].workload.isin(chosen)] for key in needed}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = draw(name, **data)
        title = figure.get_suptitle()
        assert "?" in title
        for about in facets(data[next(iter(data))]):
            assert about in texts(figure)
        save(figure, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_the_same_table_gives_the_same_bytes(tables, tmp_path):
    for name in ("a", "b"):
        save(draw("training_curves", training=tables["training"]), tmp_path / f"{name}.png")
    content = (tmp_path / "a.png").read_bytes()
    assert content == (tmp_path / "b.png").read_bytes() and b"Software" not in content


def test_rule_graph_runs_from_left_to_right_and_leaves_out_what_is_implied(tmp_path):
    dot = """digraph snakemake_dag {
        0[label = "all", color = "0.1 0.6 0.85", style="rounded"];
        1[label = "report", color = "0"]; 2[label = "table"]; 3[label = "train"];
        1 -> 0  2 -> 1  3 -> 1  3 -> 2 }"""
    graph = dag.parse(dot)
    assert set(graph.edges) == {("table", "report"), ("train", "report"), ("train", "table")}
    place = dag.layout(nx.transitive_reduction(graph))
    assert place["train"][0] < place["table"][0] < place["report"][0]
    stages = {"train": "model", "table": "report", "report": "report"}
    figure = dag.draw(graph, stages, "CIFAR-10")
    assert "CIFAR-10" in figure.get_suptitle()
    save(figure, tmp_path / "dag.png")
