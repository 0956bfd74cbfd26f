"""The workflow's own graph: which rule feeds which."""

import re

import matplotlib.pyplot as plt
import networkx as nx
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from lib.report import style


def parse(dot: str) -> nx.DiGraph:
    """The rule graph that `snakemake --rulegraph` prints, its nodes named after the rules; `all` is left out.

    >>> sorted(parse('0[label = "b", color = "0"]; 1[label = "a"]; 1 -> 0').edges)
    [('a', 'b')]
    """
    names = dict(re.findall(r'(\d+)\s*\[\s*label = "(\w+)', dot))
    graph = nx.DiGraph()
    graph.add_nodes_from(names.values())
    graph.add_edges_from((names[start], names[end]) for start, end in re.findall(r"(\d+) -> (\d+)", dot))
    graph.remove_nodes_from(["all"])
    return graph


def layout(graph: nx.DiGraph) -> dict[str, tuple[float, float]]:
    """Place of each rule: as late as the rules that read from it allow, and near them (barycentres, Sugiyama 1981).

    >>> layout(nx.DiGraph([("train", "quantize"), ("quantize", "report"), ("train", "report")]))
    {'report': (0, 0.0), 'quantize': (-1, 0.0), 'train': (-2, 0.0)}
    """
    place: dict[str, tuple[float, float]] = {}
    for x, layer in enumerate(nx.topological_generations(graph.reverse())):
        after = {rule: [place[target][1] for target in graph.successors(rule)] for rule in sorted(layer)}
        order = sorted(after, key=lambda rule: sum(after[rule]) / max(1, len(after[rule])))
        for index, rule in enumerate(order):
            place[rule] = (-x, index - (len(order) - 1) / 2)
    return place


def draw(graph: nx.DiGraph, stages: dict[str, str], datasets: str) -> Figure:
    """Rules as boxes from left to right, coloured by stage; arrows implied by others are left out.

    stages : stage of each rule; datasets : what the workflow runs on, for the title

    >>> graph = nx.DiGraph([("train", "quantize"), ("quantize", "report"), ("train", "report")])
    >>> figure = draw(graph, {"train": "model", "quantize": "quant", "report": "report"}, "CIFAR-10")
    >>> sorted(text.get_text() for text in figure.axes[0].texts if text.get_text())
    ['quantize', 'report', 'train']
    >>> plt.close(figure)
    """
    style.apply()
    reduced = nx.transitive_reduction(graph)
    place = layout(reduced)
    colors = dict(zip(dict.fromkeys(stages.values()), style.sns.color_palette("pastel"), strict=False))
    first = min(x for x, _ in place.values())
    rows = 1 + 2 * max(abs(y) for _, y in place.values())
    figure, axes = plt.subplots(figsize=(1.5 * (1 - first), 0.75 * rows + 1.3))
    axes.set(xlim=(first - 0.45, 0.45), ylim=(-rows / 2 - 0.1, rows / 2 + 0.1))
    axes.axis("off")
    for start, end in sorted(reduced.edges):  # the reduction has them in another order in every process
        # A slight bend lifts an arrow over the boxes of the layers that it passes.
        bend = 0.0 if place[end][0] - place[start][0] == 1 else 0.18
        arrow = {"arrowstyle": "-|>", "color": "0.45", "linewidth": 1, "shrinkA": 28, "shrinkB": 30}
        axes.annotate("", place[end], place[start], arrowprops=arrow | {"connectionstyle": f"arc3,rad={bend}"})
    for rule, (x, y) in place.items():
        box = {"boxstyle": "round,pad=0.5", "facecolor": colors[stages[rule]], "edgecolor": "0.4"}
        axes.text(x, y, rule.replace("_", "\n"), ha="center", va="center", fontsize=9, bbox=box)
    used = dict.fromkeys(stages[rule] for rule in place)
    handles = [Patch(facecolor=color, edgecolor="0.4", label=stage) for stage, color in colors.items() if stage in used]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), title="stage")
    figure.suptitle(f"Which rule feeds which?\nrun on {datasets}")
    return figure
