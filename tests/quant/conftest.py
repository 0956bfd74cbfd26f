"""The float graphs, their calibration inputs and ranges."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from lib.files import write_csv
from lib.quant.activations import BATCH, load_finite
from lib.quant.ranges import observe, read_ranges


@pytest.fixture(scope="session")
def calibrations(tmp_path_factory) -> Callable:
    """What `calibrated` is, by network; made once, though every file of tests goes through all networks anew."""
    made = {}

    def calibration(name: str, model: SimpleNamespace) -> SimpleNamespace:
        if name not in made:
            graph = load_finite(model.path)
            inputs = model.dataset.calibration(2 * BATCH, seed=1)
            table, histograms = observe(graph, inputs, percentile=99.9, entropy_bins=128)
            path = tmp_path_factory.mktemp("ranges") / "ranges.csv"
            write_csv(table, path)
            made[name] = SimpleNamespace(
                path=model.path,
                dataset=model.dataset,
                graph=graph,
                inputs=inputs,
                percentile=99.9,
                histograms=histograms,
                ranges=read_ranges(path),
            )
        return made[name]

    return calibration


@pytest.fixture(scope="session", params=["signal", "tiny", "resnet", "dscnn"])
def calibrated(request, calibrations):
    """A float model, calibration inputs of two batches, and the tables that the workflow makes of them."""
    return calibrations(request.param, request.getfixturevalue(f"{request.param}_model"))


class Reader:
    """Inputs as onnxruntime.quantization reads them."""

    def __init__(self, inputs):
        self.batches = iter([inputs[start : start + BATCH] for start in range(0, len(inputs), BATCH)])

    def get_next(self):
        batch = next(self.batches, None)
        return None if batch is None else {"input": batch}


@pytest.fixture
def reader(calibrated):
    return Reader(calibrated.inputs)
