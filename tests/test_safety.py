"""Nothing that is read can run code: calls that unpickle, evaluate, extract or start a shell are forbidden."""

import ast
import re
import subprocess
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYTHON = [path for folder in ("lib", "workflow_scripts") for path in sorted((ROOT / folder).rglob("*.py"))]
RULES = [ROOT / "Snakefile", *sorted((ROOT / "rules").glob("*.smk"))]

MODULES = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "imp", "runpy", "pty"}
CALLS = {"eval", "exec", "compile", "__import__", "import_module", "system", "popen", "read_pickle", "from_string"}
CALLS |= {"extract", "extractall", "unpack_archive", "unsafe_load", "full_load", "unsafe_load_all", "full_load_all"}
HARMLESS = {"re.compile", "platform.system"}
# What may be called with this argument alone.
NEEDED = {
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
}
BANNED_ARGUMENTS = {("shell", True), ("allow_pickle", True), ("weights_only", False), ("engine", "python-fwf")}


def dotted(node: ast.expr) -> str:
    """The name that is called, as far as it is a name: np.load, self.reader.load, load."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def dangers(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from (f"line {node.lineno}: imports {name}" for name in names if name.split(".")[0] in MODULES)
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func)
        given = {keyword.arg: getattr(keyword.value, "value", ...) for keyword in node.keywords}
        # A network's eval() takes no argument, pandas' takes an expression that is written here.
        method = name.endswith(".eval") and all(isinstance(argument, ast.Constant) for argument in node.args)
        if name.rpartition(".")[2] in CALLS and name not in HARMLESS and not method:
            yield f"line {node.lineno}: calls {name}"
        if name in NEEDED and given.get(NEEDED[name][0]) is not NEEDED[name][1]:
            yield f"line {node.lineno}: calls {name} without {NEEDED[name][0]}={NEEDED[name][1]}"
        if name == "yaml.load" or BANNED_ARGUMENTS & {(key, value) for key, value in given.items() if key}:
            yield f"line {node.lineno}: calls {name} with {given}"


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_call_runs_what_was_read(path):
    assert list(dangers(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text, Loader=yaml.Loader)",
        "eval(text)",
        "table.eval(text)",
        "archive.extractall()",
        "subprocess.run(command, shell=True)",
        "os.system(command)",
        "importlib.import_module(name)",
        "jinja2.Environment().from_string(text)",
    ],
)
def test_the_check_sees_what_it_is_for(source):
    assert list(dangers(source))


def test_harmless_calls_pass():
    assert not list(dangers("network.eval(); re.compile(x); table.eval('a / b'); np.load(path, allow_pickle=False)"))


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_rules_run_no_shell_and_evaluate_nothing(path):
    with open(path, "rb") as file:
        tokens = [token.string for token in tokenize.tokenize(file.readline) if token.type == tokenize.NAME]
    assert not (MODULES | CALLS | {"shell", "subprocess"}) & set(tokens)
    assert not re.search(r"^\s*(shell|run):", path.read_text(), re.MULTILINE)


@pytest.mark.parametrize("argument", ["--configfile {}", "--configfile={}"])
@pytest.mark.parametrize("name", ["mine.yaml", "mine.py"])  # Snakemake asks for no ending
def test_a_configuration_that_would_run_code_is_refused(argument, name, tmp_path):
    """Snakemake evaluates expressions in a YAML file that asks for it, before any file of this project is read."""
    (tmp_path / name).write_text("__use_yte__: true\nseed: ?print('ran')\n")
    command = [ROOT / "run", "echo", *argument.format(tmp_path / name).split()]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2 and "__use_yte__" in result.stderr and not result.stdout


def test_a_test_that_mentions_such_a_configuration_can_be_named():
    command = [ROOT / "run", "pytest", "-n", "0", "--collect-only", "-k", "no such test", Path(__file__)]
    assert "error" not in subprocess.run(command, capture_output=True, text=True).stderr


@pytest.mark.parametrize("place", ["evil.sub:a.onnx", "evil:../a.onnx", "evil:/a.onnx", "no_such_package:a.onnx"])
def test_no_package_is_imported_and_none_left_for_a_configured_file(place, tmp_path, monkeypatch):
    from lib.config import onnx_file
    from lib.errors import InputError

    (tmp_path / "evil" / "sub").mkdir(parents=True)
    (tmp_path / "evil" / "__init__.py").write_text("raise SystemExit('ran')")
    (tmp_path / "a.onnx").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match="key: "):
        onnx_file("key", place)
