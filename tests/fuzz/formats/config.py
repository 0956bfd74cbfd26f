"""A configuration in YAML, on top of config.yaml as Snakemake lays it."""

from pathlib import Path

import yaml
from snakemake.common.configfile import load_configfile
from snakemake.exceptions import WorkflowError
from snakemake.utils import update_config

from lib.config import check, from_anywhere, places
from lib.errors import InputError
from tests.fuzz.target import Target

ROOT = Path(__file__).parents[3]
SCHEMA = yaml.safe_load((ROOT / "config.schema.yaml").read_text())


def read(path: Path) -> None:
    text = path.read_bytes()
    if b"__use_yte__" in text:
        return  # ./run refuses it
    try:
        given = load_configfile(path)
    except (WorkflowError, UnicodeDecodeError, RecursionError, yaml.YAMLError) as error:
        raise InputError("not YAML") from error  # Snakemake's own refusal
    config = load_configfile(ROOT / "config.yaml")
    update_config(config, given)
    check(config, SCHEMA)
    assert all(isinstance(part[key], str) for part, key in places(from_anywhere(config)))


FILES = ("tests/tiny.yaml", "configs/resnet8.yaml", "configs/networks.yaml", "config.yaml")
SEEDS = [(ROOT / file).read_bytes().replace(b"path: pictures", b"path: null") for file in FILES]
TARGET = Target("mine.yaml", SEEDS, read)
