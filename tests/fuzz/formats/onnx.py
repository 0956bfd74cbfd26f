"""A quantized model: the integer engine refuses it or computes ONNX Runtime's integers."""

from pathlib import Path

from lib.graph import load
from tests.fuzz import models
from tests.fuzz.target import Target


def read(path: Path) -> None:
    load(path)
    assert models.equal_to_onnxruntime(path) is not False, "other integers than ONNX Runtime's"


TARGET = Target("model.onnx", [models.model(kind) for kind in models.MODELS], read)
