"""The picture of the workflow's rules."""

import subprocess
import sys

DRAW = """
import networkx, sys
from lib.report import dag
rules = ["train", "quantize", "bench", "cost", "joint"]
graph = networkx.DiGraph(("export", rule) for rule in rules)
drawn = dag.draw(graph, {rule: rule for rule in graph}, "CIFAR-10").axes[0].texts
print([arrow.xy for arrow in drawn if not arrow.get_text()])
print(*set(rules), file=sys.stderr)
"""


def test_arrows_are_drawn_in_the_same_order_in_every_process():
    """Where they cross, the order shows in the pixels; sets of names are in another order in each process."""
    environments = [{"PYTHONHASHSEED": str(seed)} for seed in (1, 2)]
    runs = [subprocess.run([sys.executable, "-c", DRAW], env=e, check=True, capture_output=True) for e in environments]
    assert runs[0].stdout == runs[1].stdout and runs[0].stderr != runs[1].stderr
