"""The configuration: checked before anything runs, and the files that it names."""

import importlib.util
import math
import textwrap
from pathlib import Path

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import best_match

from lib.errors import InputError

# JSON Schema's numbers cannot be NaN, YAML's can; and it takes 2.0 for an integer, which a count of epochs is not.
TYPES = Draft202012Validator.TYPE_CHECKER.redefine_many(
    {
        "integer": lambda _, value: isinstance(value, int) and not isinstance(value, bool),
        "number": lambda _, value: (
            (isinstance(value, int) and not isinstance(value, bool))
            or (isinstance(value, float) and math.isfinite(value))
        ),
    }
)
Validator = validators.extend(Draft202012Validator, type_checker=TYPES)
AXES = ("formats", "activations", "granularities", "calibrations")


def workloads(config: dict) -> dict[str, dict]:
    """The configured workloads; null, with which a file of one's own leaves out one of config.yaml, is none.

    >>> workloads({"workloads": {"cnn": {"dataset": "images"}, "resnet8": None}})
    {'cnn': {'dataset': 'images'}}
    """
    return {name: workload for name, workload in config["workloads"].items() if workload}


def conform(config: dict, schema: dict) -> None:
    """Raise InputError, naming the key, where the configuration breaks the schema.

    >>> conform({"seed": 1.5}, {"properties": {"seed": {"type": "integer"}}})
    Traceback (most recent call last):
    lib.errors.InputError: seed: 1.5 is not of type 'integer' (config.schema.yaml says what is allowed)
    """
    try:
        error = best_match(Validator(schema).iter_errors(config))
    except RecursionError:
        raise InputError("top level: a part of it contains itself") from None
    if error:
        where = ".".join(map(str, error.absolute_path)) or "top level"
        reason = textwrap.shorten(error.message, 300)
        raise InputError(f"{where}: {reason} (config.schema.yaml says what is allowed)")


def check(config: dict, schema: dict) -> None:
    """Raise InputError, naming the key, where the configuration breaks the schema or names what is not there.

    >>> import yaml
    >>> config, schema = (yaml.safe_load(Path(name).read_text()) for name in ("config.yaml", "config.schema.yaml"))
    >>> check(config, schema)
    >>> check(config | {"workloads": {"cnn": None}}, schema)
    Traceback (most recent call last):
    lib.errors.InputError: workloads: all are null; leave one
    """
    conform(config, schema)
    parts = zip(config["quant"]["reference"].split("_"), AXES, strict=True)
    if not all(part in config["quant"][axis] for part, axis in parts):
        raise InputError("quant.reference: not one of the schemes of the sweep; add its parts to quant")
    if not workloads(config):
        raise InputError("workloads: all are null; leave one")
    for name, workload in workloads(config).items():
        if workload["dataset"] not in config["datasets"]:
            found = f"no data set {workload['dataset']!r} under datasets; add it"
            raise InputError(f"workloads.{name}.dataset: {found}")
        if name in config["arch"]["networks"]:
            raise InputError(f"arch.networks.{name}: a workload has this name; choose another")
    if not _there(config["arch"]["technology"] or "."):
        raise InputError(f"arch.technology: {config['arch']['technology']}: no such file")
    for name, settings in config["datasets"].items():
        if name not in ("synthetic_signal", "images") and not _there(settings["path"]):
            raise InputError(f"datasets.{name}.path: {settings['path']}: no such file or folder")


def _there(path: str) -> bool:
    """Whether there is a file or folder at a path as people write it, ~ for the home folder included."""
    try:
        return Path(path).expanduser().exists()
    except (OSError, RuntimeError):  # a name too long for the file system, no such user
        return False


def onnx_file(key: str, place: str) -> str:
    """The ONNX file configured as `key`; `package:file` is a file inside an installed Python package.

    Raises InputError where the package or the file is missing. The package is found without running its code.

    >>> Path(onnx_file("arch.networks.light", "onnx:backend/test/data/light/light_resnet50.onnx")).name
    'light_resnet50.onnx'
    >>> onnx_file("arch.networks.light", "no_such_package:light.onnx")
    Traceback (most recent call last):
    lib.errors.InputError: arch.networks.light: no Python package no_such_package is installed
    """
    package, _, file = place.rpartition(":")
    if not package:
        path = Path(file).expanduser() if _there(file) else Path(file)
    elif not package.isidentifier() or Path(file).is_absolute() or ".." in Path(file).parts:
        raise InputError(f"{key}: {place}: not of the form package:file, the file inside the folder of the package")
    else:
        found = importlib.util.find_spec(package)
        if not found or not found.submodule_search_locations:
            raise InputError(f"{key}: no Python package {package} is installed")
        path = Path(found.submodule_search_locations[0], file)
    if not (_there(str(path)) and path.is_file()):
        raise InputError(f"{key}: {path}: no such file")
    return str(path)


def places(config: dict) -> list[tuple[dict, str]]:
    """Where the configuration may name a file or folder, or null: each place as a part of it and a key.

    >>> arch = {"networks": {"resnet18": "zigzag:inputs/workload/resnet18.onnx"}, "technology": None}
    >>> config = {"datasets": {"images": {"path": None}, "mine": {"path": "~/mine"}}, "workloads": {}, "arch": arch}
    >>> [part[key] for part, key in places(config)]
    ['~/mine', 'zigzag:inputs/workload/resnet18.onnx']
    """
    found = [(settings, "path") for settings in config["datasets"].values()]
    found += [(workload, "model") for workload in workloads(config).values()]
    found += [(config["arch"]["networks"], name) for name in config["arch"]["networks"]]
    return [(part, key) for part, key in [*found, (config["arch"], "technology")] if part.get(key)]


def from_anywhere(config: dict) -> dict:
    """The configuration with its paths made absolute, in place.

    >>> arch = {"networks": {"resnet18": "zigzag:inputs/workload/resnet18.onnx"}, "technology": "mine.csv"}
    >>> arch = from_anywhere({"datasets": {}, "workloads": {}, "arch": arch})["arch"]
    >>> arch["technology"] == str(Path.cwd() / "mine.csv"), arch["networks"]["resnet18"]
    (True, 'zigzag:inputs/workload/resnet18.onnx')
    """
    for part, key in places(config):
        if ":" not in part[key]:  # package:file is found from anywhere
            part[key] = str(Path(part[key]).expanduser().absolute())
    return config
