"""Every public function and class of lib shows by an example that runs what it gives."""

import ast
import doctest
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
FIGURES = ROOT / "lib" / "report" / "figures"  # they draw the workflow's own tables
# What cannot run here or in a moment: an external tool, a whole run's tables, many simulations, a process that imports
# a stage, whole runs of the workflow.
NOT_RUN = {
    "lib/arch/findings.py: findings",
    "lib/arch/timeloop_mapper.py: search",
    "lib/bench/process.py: measure",
    "lib/report/answers.py: answers",
    "lib/report/api.py: pages",
    "lib/report/architecture.py: architectures",
    "lib/report/page.py: page",
    "lib/report/quantization.py: study",
    "lib/trust/faults.py: at_once",
    "lib/trust/faults.py: completed",
    "lib/trust/faults.py: full_disk",
    "lib/trust/faults.py: killed",
    "lib/trust/faults.py: missing_tools",
    "lib/trust/faults.py: no_network",
    "lib/trust/faults.py: read_only",
    "lib/trust/faults.py: skewed_clock",
    "lib/trust/faults.py: truncated",
}


def public() -> Iterator[tuple[str, list[doctest.Example]]]:
    """Name and examples of each public function or class; a class's methods have their part in its examples."""
    parser = doctest.DocTestParser()
    for path in sorted((ROOT / "lib").rglob("*.py")):
        if FIGURES in path.parents:
            continue
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                inside = node.body if isinstance(node, ast.ClassDef) else []
                described = [node, *(member for member in inside if isinstance(member, ast.FunctionDef))]
                texts = [ast.get_docstring(each) or "" for each in described]
                examples = [example for text in texts for example in parser.get_examples(text)]
                yield f"{path.relative_to(ROOT)}: {node.name}", examples


def test_every_public_function_has_an_example_that_runs():
    runs = {name for name, found in public() for each in found if each.want and doctest.SKIP not in each.options}
    assert not [name for name, _ in public() if name not in runs | NOT_RUN]


def test_what_is_not_run_is_shown_all_the_same():
    assert {name for name, found in public() if any(doctest.SKIP in each.options for each in found)} <= NOT_RUN
    assert {name for name, found in public() if found} >= NOT_RUN
