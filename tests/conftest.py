"""Small trained models, data sets and a finished run of the workflow, which several tests share."""

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

# As many processes test as there are cores: BLAS threads of their own would get in each other's way.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
# Hundreds of jobs import the same modules.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

import numpy as np
import pytest
import torch
from filelock import FileLock
from tiny_workflow import checkout, snakemake
from torch.nn import functional

from lib.data.dataset import Dataset
from lib.model.export import to_onnx
from lib.model.networks import build

torch.set_num_threads(1)


def learnable(shape: tuple[int, ...], classes: int, samples: int = 256) -> Dataset:
    """Waves of one frequency a class under noise, in the stored form of real data: uint8 images or float32 signals."""
    rng = np.random.default_rng(0)
    phase = 2 * np.pi * np.arange(shape[-1]) / shape[-1]
    patterns = np.sin((2 * np.arange(classes)[:, None] + 1) * phase).reshape(-1, *(1,) * (len(shape) - 1), shape[-1])
    labels = np.arange(2 * samples, dtype=np.int64) % classes
    values = patterns[labels] + rng.normal(size=(2 * samples, *shape))
    images = len(shape) == 3
    values = np.clip(128 + 40 * values, 0, 255).astype(np.uint8) if images else values.astype(np.float32)
    axes = (0, *range(2, values.ndim))
    return Dataset(
        train_x=values[:samples],
        train_y=labels[:samples],
        test_x=values[samples:],
        test_y=labels[samples:],
        mean=values.mean(axes, dtype=np.float64).astype(np.float32),
        std=values.std(axes, dtype=np.float64).astype(np.float32),
        classes=tuple(f"class{index}" for index in range(classes)),
        name="waves in noise",
    )


def train(network: torch.nn.Module, dataset: Dataset) -> None:
    """A few steps, so that weights and batch statistics are not the initial ones."""
    inputs = torch.from_numpy(dataset.normalize(dataset.train_x))
    labels = torch.from_numpy(dataset.train_y)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for step in range(8):
        batch = slice(step % 4 * 64, (step % 4 + 1) * 64)
        loss = functional.cross_entropy(network(inputs[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@pytest.fixture(scope="session")
def shared(tmp_path_factory, worker_id) -> Path:
    """A folder for what the processes of the tests make once for all of them, under a lock."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


def trained(name: str, dataset: Dataset, folder: Path) -> SimpleNamespace:
    """A network after a few steps of training, as a file and as a module."""
    path, weights = folder / f"{name}.onnx", folder / f"{name}.pt"
    network = build(name, len(dataset.classes), seed=0)
    with FileLock(f"{path}.lock"):
        if not path.exists():
            train(network, dataset)
            torch.save(network.state_dict(), weights)
            to_onnx(network, path)
    network.load_state_dict(torch.load(weights, weights_only=True))
    return SimpleNamespace(path=path, dataset=dataset, network=network.eval())


@pytest.fixture(scope="session")
def signal_model(shared):
    return trained("signal_cnn_1d", learnable((1, 128), 5), shared)


@pytest.fixture(scope="session")
def tiny_model(shared):
    return trained("tiny_cnn_2d", learnable((3, 32, 32), 10), shared)


@pytest.fixture(scope="session")
def resnet_model(shared):
    return trained("resnet8", learnable((3, 32, 32), 10), shared)


@pytest.fixture(scope="session")
def dscnn_model(shared):
    return trained("ds_cnn", learnable((3, 32, 32), 10), shared)


@pytest.fixture(scope="session")
def finished(shared) -> Path:
    """A checkout whose workflow has run; the processes of the tests share one, so they leave its tables as they are."""
    folder = shared / "finished"
    with FileLock(f"{folder}.lock"):
        if not folder.with_name("untouched").exists():
            snakemake(checkout(folder), "all")
            shutil.copytree(folder, folder.with_name("untouched"))
    return folder


@pytest.fixture(scope="session")
def untouched(finished) -> Path:
    """What was in it before any test changed a setting or a line of code there."""
    return finished.with_name("untouched")


def pytest_collection_modifyitems(items):
    """The whole workflow first, it takes longest; what needs its results once that is done; nothing long at the end."""
    first = [item for item in items if item.path.name == "test_workflow.py"]
    later = [item for item in items if item.path.name == "test_interruptions.py"]
    others = [item for item in items if item not in first and item not in later]
    place = 3 * len(others) // 4
    items[:] = first + others[:place] + later + others[place:]
