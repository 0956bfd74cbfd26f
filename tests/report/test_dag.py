"""The picture of the workflow's rules."""

import subprocess
import sys

DRAW = """
import networkx
from lib.report import dag
rules = ["train", "quantize", "bench", "cost", "joint"]
graph = networkx.DiGraph(("export", rule) for rule in rules)
drawn = dag.draw(graph, {rule: rule for rule in graph}, "CIFAR-10").axes[0].texts
print([arrow.xy for arrow in drawn if not arrow.get_text()])
"""


def test_arrows_are_drawn_in_the_same_order_in_every_process():
    """Where they cross, the order shows in the pixels; sets of names are in another order in each process."""
    environments = [{"PYTHONHASHSEED": str(seed)} for seed in range(3)]
    runs = [subprocess.run([sys.executable, "-c", DRAW], env=e, check=True, capture_output=True) for e in environments]
    assert len({run.stdout for run in runs}) == 1
