import numpy as np
import pytest

from lib.data import shapes


def make(count=200, size=32, seed=0):
    return shapes.shapes(count, size, np.random.default_rng(seed))


def test_shape_type_and_even_classes():
    images, labels = make(count=105, size=24)
    assert images.shape == (105, 3, 24, 24) and images.dtype == np.uint8
    assert sorted(np.bincount(labels)) == [10] * 5 + [11] * 5


def test_same_for_a_seed_and_different_for_another():
    assert np.array_equal(make()[0], make()[0])
    assert not np.array_equal(make()[0], make(seed=1)[0])


def test_ten_classes_in_alphabetical_order():
    assert len(shapes.CLASSES) == 10 and list(shapes.CLASSES) == sorted(shapes.CLASSES)


@pytest.mark.parametrize("name", shapes.CLASSES)
def test_every_shape_lies_within_about_the_unit_disk_and_fills_some_of_it(name):
    y, x = np.mgrid[-2:2:200j, -2:2:200j]
    inside = shapes.distance(name, x, y) < 0
    assert np.hypot(x, y)[inside].max() < 1.2
    assert 0.15 < inside.mean() * 16 / np.pi < 1


def test_a_polygon_is_as_far_away_as_its_sides():
    away = np.array([0.75, 2.0, 0.0])
    # The first side of a square stands at half a sector, 45 degrees.
    x, y = np.cos(np.pi / 4) * away, np.sin(np.pi / 4) * away
    assert np.allclose(shapes.polygon(x, y, 4, 0.75), [0, 1.25, -0.75])


def test_pictures_of_one_class_differ():
    images, labels = make()
    disks = images[labels == shapes.CLASSES.index("disk")]
    assert len(np.unique(disks.reshape(len(disks), -1), axis=0)) == len(disks)
