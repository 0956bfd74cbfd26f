"""Training: the data set in memory as one tensor, augmentation on the batch tensor, one-cycle schedules."""

import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from lib.data.dataset import Dataset
from lib.model.networks import build
from lib.model.optimizers import Muon, scale_free
from lib.progress import Progress

SHIFT = 4  # pixels of padding from which shifted crops are cut
EVALUATIONS = (
    20  # on the test set at most, evenly over the epochs: in a long training each would cost a tenth of its epoch
)


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    learning_rate : peak of SGD's one-cycle schedule (Smith and Topin, 2018), reached after a quarter of the steps
    filter_rate : the same of Muon, for `scale_free` filters, which have norm 1: how far a step turns them [radians]
    weight_decay : on weights of convolutions and linear layers that SGD trains only
    small_epochs : the first epochs, on crops of three quarters of an image's height and width, which cost half
        (progressive resizing, as in Tan and Le, "EfficientNetV2", ICML 2021)
    plain_epochs : the last epochs, on images as they are, which is what the network will be asked about (He et al.,
        "Data augmentation revisited: rethinking the distribution gap between clean and augmented data", 2019)

    >>> Recipe(epochs=30, batch=256, learning_rate=0.3, plain_epochs=3).small_epochs
    0
    """

    epochs: int
    batch: int
    learning_rate: float
    filter_rate: float = 0.02
    weight_decay: float = 5e-5
    small_epochs: int = 0
    plain_epochs: int = 0


def padded(images: Tensor) -> Tensor:
    """Images [N, C, H, W] with a border of zeros, as [N, H + 2·SHIFT, W + 2·SHIFT, C].

    >>> padded(torch.ones(2, 3, 32, 32)).shape
    torch.Size([2, 40, 40, 3])
    """
    return functional.pad(images.permute(0, 2, 3, 1), (0, 0, *(SHIFT,) * 4))


def augment(samples: Tensor, index: Tensor, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """A batch of random crops, half of them mirrored, each image with its own draw.

    samples : from `padded`; index : which of them [B]; size : height and width of the crops [pixels]
    Returns [B, C, *size] in channels-last memory.

    >>> samples = padded(torch.arange(1.0, 5).reshape(1, 1, 1, 4))  # an image of one row: 1 2 3 4
    >>> generator = torch.Generator().manual_seed(0)
    >>> augment(samples, torch.tensor([0, 0, 0]), (9, 8), generator)[:, 0].amax(1)
    tensor([[4., 3., 2., 1., 0., 0., 0., 0.],
            [0., 1., 2., 3., 4., 0., 0., 0.],
            [0., 0., 0., 0., 4., 3., 2., 1.]])
    """
    top, left = (
        torch.randint(0, whole - part + 1, (len(index), 1), generator=generator)
        for whole, part in zip(samples.shape[1:3], size, strict=True)
    )
    rows, columns = top + torch.arange(size[0]), left + torch.arange(size[1])
    mirrored = torch.rand(len(index), 1, generator=generator) < 0.5
    columns = torch.where(mirrored, columns.flip(1), columns)
    return samples[index[:, None, None], rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def plain(samples: Tensor, index: Tensor) -> Tensor:
    """The images themselves, without the border of `padded`.

    >>> images = torch.arange(8.0).reshape(2, 1, 2, 2)
    >>> plain(padded(images), torch.tensor([1])).tolist()
    [[[[4.0, 5.0], [6.0, 7.0]]]]
    """
    return samples[index, SHIFT:-SHIFT, SHIFT:-SHIFT].permute(0, 3, 1, 2)


def accuracy(network: nn.Module, x: Tensor, y: Tensor, batch: int = 200) -> float:
    """Share of samples classified correctly, 0 … 1.

    >>> accuracy(nn.Identity(), torch.tensor([[0.1, 0.9], [0.8, 0.2]]), torch.tensor([1, 1]))
    0.5
    """
    network.eval()
    with torch.inference_mode():
        classes = torch.cat([network(part).argmax(1) for part in x.split(batch)])
    return (classes == y).float().mean().item()


def _native_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware, so that mixed precision pays."""
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def _optimizers(network: nn.Module, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """SGD, and Muon for the filters whose scale is free, if there are any."""
    filters = scale_free(network)
    others = [parameter for parameter in network.parameters() if not any(parameter is one for one in filters)]
    groups = [
        {"params": [parameter for parameter in others if parameter.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [parameter for parameter in others if parameter.ndim <= 1]},
    ]
    sgd = torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=0.9, nesterov=True)
    return [sgd, Muon(filters, recipe.filter_rate)] if filters else [sgd]


def train(
    name: str, dataset: Dataset, recipe: Recipe, seed: int, threads: int, log: logging.Logger
) -> tuple[nn.Module, pd.DataFrame]:
    """Train the network `name` from freshly drawn weights: see `fit`.

    >>> from dataclasses import replace
    >>> from lib.examples import dataset
    >>> given = dataset()
    >>> signals = replace(given, train_x=given.train_x.reshape(32, 1, 64), test_x=given.test_x.reshape(32, 1, 64))
    >>> recipe = Recipe(epochs=1, batch=16, learning_rate=0.01)
    >>> network, history = train("signal_cnn_1d", signals, recipe, seed=0, threads=1, log=logging.getLogger())
    >>> network.fc.out_features, network.training, history["epoch"].tolist()
    (3, False, [1])
    """
    return fit(build(name, len(dataset.classes), seed), dataset, recipe, seed, threads, log)


def fit(
    network: nn.Module, dataset: Dataset, recipe: Recipe, seed: int, threads: int, log: logging.Logger
) -> tuple[nn.Module, pd.DataFrame]:
    """Train a network, in place; returns it in evaluation mode and one row per epoch.

    Deterministic for a seed and a number of threads on one kind of CPU. Products are in bfloat16 (autocast) where the
    CPU has it, weights and sums in float32; the columns are those of the table `training`.

    >>> from lib.examples import dataset
    >>> network, recipe = nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), Recipe(20, 16, 0.1, plain_epochs=20)
    >>> network, history = fit(network, dataset(), recipe, seed=0, threads=1, log=logging.getLogger())
    >>> float(history["test_accuracy"].iloc[-1])
    1.0
    """
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # nothing reads it, and filling costs time
    generator = torch.Generator().manual_seed(seed)
    samples, labels = torch.from_numpy(dataset.normalize(dataset.train_x)), torch.from_numpy(dataset.train_y)
    test_x, test_y = map(torch.from_numpy, dataset.test())
    images = samples.ndim == 4
    if images:
        samples, test_x = padded(samples), test_x.contiguous(memory_format=torch.channels_last)

    # The rise, a quarter of the schedule, needs more than one step.
    steps = max(8, recipe.epochs * -(-len(samples) // recipe.batch))
    optimizers = _optimizers(network, recipe)
    schedules = [
        torch.optim.lr_scheduler.OneCycleLR(optimizer, optimizer.defaults["lr"], total_steps=steps, pct_start=0.25)
        for optimizer in optimizers
    ]

    history = []
    progress = Progress(recipe.epochs, "epochs", log)
    for epoch in range(1, recipe.epochs + 1):
        network.train()
        losses, right = [], 0
        size = [side * 3 // 4 if epoch <= recipe.small_epochs else side for side in test_x.shape[2:]]
        augmented = epoch <= recipe.epochs - recipe.plain_epochs
        for index in torch.randperm(len(samples), generator=generator).split(recipe.batch):
            if not images:
                x = samples[index]
            else:
                x = augment(samples, index, size, generator) if augmented else plain(samples, index)
            y = labels[index]
            with torch.autocast("cpu", torch.bfloat16, enabled=_native_bfloat16()):
                logits = network(x)
                loss = functional.cross_entropy(logits.float(), y)
            network.zero_grad()
            loss.backward()
            for optimizer, schedule in zip(optimizers, schedules, strict=True):
                optimizer.step()
                schedule.step()
            losses.append(loss.item())
            right += (logits.argmax(1) == y).sum().item()
        evaluated = epoch * EVALUATIONS // recipe.epochs > (epoch - 1) * EVALUATIONS // recipe.epochs
        row = {
            "epoch": epoch,
            "learning_rate": schedules[0].get_last_lr()[0],
            "train_loss": float(np.mean(losses)),
            "train_accuracy": right / len(samples),
            "test_accuracy": accuracy(network, test_x, test_y) if evaluated else np.nan,
        }
        history.append(row)
        tested = f", test accuracy {100 * row['test_accuracy']:.2f} %" if evaluated else ""
        progress(f"loss {row['train_loss']:.4f}{tested}")
        if not np.isfinite(row["train_loss"]):
            raise FloatingPointError(f"training diverged in epoch {epoch}; lower the learning_rate")
    return network.eval(), pd.DataFrame(history)
