"""Training learns, repeats itself for a seed, and augments each image by its own draw."""

import logging

import pandas as pd
import torch

from lib.model.train import Recipe, augment, padded, plain, train

LOG = logging.getLogger("test")
RECIPE = Recipe(epochs=16, batch=16, learning_rate=0.05)


def test_training_learns_and_is_the_same_for_the_same_seed(signal_model):
    first, history = train("signal_cnn_1d", signal_model.dataset, RECIPE, seed=1, threads=1, log=LOG)
    second, again = train("signal_cnn_1d", signal_model.dataset, RECIPE, seed=1, threads=1, log=LOG)
    assert history.test_accuracy.iloc[-1] > 0.5
    pd.testing.assert_frame_equal(history, again, check_exact=True)
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


def test_another_seed_trains_another_network(signal_model):
    one_epoch = Recipe(epochs=1, batch=64, learning_rate=0.05)
    networks = [train("signal_cnn_1d", signal_model.dataset, one_epoch, seed, 1, LOG)[0] for seed in (1, 2)]
    assert not torch.equal(networks[0].fc.weight, networks[1].fc.weight)


def test_augmentation_cuts_shifted_or_mirrored_windows_of_each_image():
    generator = torch.Generator().manual_seed(0)
    samples = padded(torch.randn(6, 3, 8, 8))
    index = torch.tensor([4, 0, 5, 4])
    for height, width in ((8, 8), (6, 5)):
        batch = augment(samples, index, (height, width), generator)
        assert batch.shape == (4, 3, height, width)
        for image, source in zip(batch, index, strict=True):
            # [tops, lefts, 3, height, width]: every window of the source
            windows = samples[source].unfold(0, height, 1).unfold(1, width, 1)
            same = ((windows == image).flatten(2).all(2)) | ((windows.flip(-1) == image).flatten(2).all(2))
            assert same.any()


def test_plain_images_are_those_before_padding():
    images = torch.randn(6, 3, 8, 8)
    index = torch.tensor([4, 0, 5, 4])
    assert torch.equal(plain(padded(images), index), images[index])


def test_two_copies_of_one_image_are_augmented_differently():
    generator = torch.Generator().manual_seed(0)
    samples = padded(torch.randn(1, 1, 32, 32))
    batch = augment(samples, torch.zeros(16, dtype=torch.long), (32, 32), generator)
    assert len({tuple(image.flatten().tolist()) for image in batch}) > 8
