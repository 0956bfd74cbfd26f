import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lib.data import folder
from lib.errors import InputError

NONE = {"train": None, "test": None}


def save(path: Path, color=(10, 20, 30), mode="RGB", size=(8, 8)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, color).save(path)


@pytest.fixture
def pictures(tmp_path) -> Path:
    """Three classes with 4 training and 2 test images each; the red value says which image it is."""
    root = tmp_path / "pets"
    for label, name in enumerate(("dog", "cat", "newt")):
        for split, count in (("train", 4), ("test", 2)):
            for number in range(count):
                save(root / split / name / f"{number}.png", (10 * label + number, 100 + label, 7))
    return root


def packed(root: Path, name: str, prefix: str = "") -> Path:
    """The folder as a tar beside it, its files in reverse order."""
    path = root.with_name(name)
    with tarfile.open(path, f"w:{path.suffix[1:]}" if path.suffix != ".tar" else "w") as tar:
        for entry in sorted(root.rglob("*"), reverse=True):
            tar.add(entry, prefix + entry.relative_to(root).as_posix(), recursive=False)
    return path


def read(path: Path, size=8, limits=NONE):
    return folder.read(path, size, limits, np.random.default_rng(0))


def test_classes_and_files_in_alphabetical_order(pictures):
    train_x, train_y, test_x, test_y, classes = read(pictures)
    assert classes == ("cat", "dog", "newt")
    assert train_y.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2] and train_y.dtype == np.int64
    assert train_x[:, 0, 0, 0].tolist() == [10, 11, 12, 13, 0, 1, 2, 3, 20, 21, 22, 23]
    assert test_y.tolist() == [0, 0, 1, 1, 2, 2]
    assert test_x.shape == (6, 3, 8, 8) and test_x.dtype == np.uint8
    assert test_x[0, :, 3, 3].tolist() == [10, 101, 7]


@pytest.mark.parametrize(
    ("name", "prefix"), [("pets.tar", ""), ("pets.tar.gz", "./"), ("pets.tar.xz", "pets/"), ("pets.tar.bz2", "a/b/")]
)
def test_a_tar_reads_as_its_folder(pictures, name, prefix):
    for from_tar, from_folder in zip(read(packed(pictures, name, prefix)), read(pictures), strict=True):
        assert np.array_equal(from_tar, from_folder)


def test_limits_draw_evenly_and_the_same_again(pictures):
    limits = {"train": 6, "test": 3}
    train_x, train_y, _, test_y, _ = read(pictures, limits=limits)
    assert np.bincount(train_y).tolist() == [2, 2, 2] and test_y.tolist() == [0, 1, 2]
    assert np.array_equal(train_x, read(packed(pictures, "pets.tar.gz"), limits=limits)[0])


def test_other_sizes_are_resized(pictures):
    save(pictures / "train/cat/wide.jpeg", (10, 20, 30), size=(40, 20))
    train_x, *_ = read(pictures, size=16)
    assert train_x.shape == (13, 3, 16, 16)
    assert np.abs(train_x[4].astype(int) - np.array([10, 20, 30])[:, None, None]).max() <= 2


@pytest.mark.parametrize(
    ("mode", "color", "expected"),
    [
        ("L", 77, [77, 77, 77]),
        ("1", 1, [255, 255, 255]),
        ("LA", (77, 255), [77, 77, 77]),
        ("RGBA", (1, 2, 3, 255), [1, 2, 3]),
        ("RGBA", (1, 2, 3, 0), [255, 255, 255]),
        ("I;16", 77 * 256 + 5, [77, 77, 77]),
    ],
)
def test_grey_and_transparent_images_become_rgb(pictures, mode, color, expected):
    save(pictures / "train/cat/0.png", color, mode)
    assert read(pictures)[0][0, :, 2, 2].tolist() == expected


def test_palette_images_become_rgb(pictures):
    Image.new("RGB", (8, 8), (200, 100, 50)).quantize(4).save(pictures / "train/cat/0.png")
    assert read(pictures)[0][0, :, 2, 2].tolist() == [200, 100, 50]


def test_hidden_and_foreign_files_are_passed_over(pictures):
    expected = read(pictures)
    for name in ("train/cat/.hidden.png", "train/cat/._0.png", "train/cat/notes.txt", "train/.cache/0.png", "NOTES"):
        (pictures / name).parent.mkdir(exist_ok=True)
        (pictures / name).write_bytes(b"no image")
    for again, before in zip(read(pictures), expected, strict=True):
        assert np.array_equal(again, before)


def fails(path: Path, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        read(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["", "pets.tar.gz"])
class TestMistakes:
    """Each in one line, the same for the folder and for its tar."""

    def check(self, root: Path, name: str, message: str) -> None:
        fails(packed(root, name) if name else root, message)

    def test_empty_class_folder(self, pictures, name):
        for file in (pictures / "test/cat").iterdir():
            file.unlink()
        self.check(pictures, name, "no images in test/cat/")

    def test_only_one_class(self, pictures, name):
        for split in ("train", "test"):
            for label in ("dog", "newt"):
                (pictures / split / label).rename(pictures / f"{split}-{label}")
        self.check(pictures, name, "only one class, 'cat'")

    def test_a_class_without_test_images(self, pictures, name):
        (pictures / "test/newt").rename(pictures / "newt")
        self.check(pictures, name, "class 'newt' is in train/ but not in test/")

    def test_a_class_without_training_images(self, pictures, name):
        save(pictures / "test/eel/0.png")
        self.check(pictures, name, "class 'eel' is in test/ but not in train/")

    def test_no_images(self, pictures, name):
        (pictures / "train").rename(pictures / "a")
        (pictures / "test").rename(pictures / "b")
        self.check(pictures, name, "no images; expected train/<class>")

    @pytest.mark.parametrize("content", [b"", b"text", None])
    def test_an_unreadable_image_is_named(self, pictures, name, content):
        image = pictures / "train/dog/2.png"
        image.write_bytes(image.read_bytes()[:-30] if content is None else content)
        self.check(pictures, name, "train/dog/2.png: not a readable PNG or JPEG")


@pytest.mark.parametrize("name", ["pets.tar", "pets.tar.gz", "pets.tar.xz"])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_a_truncated_tar_is_never_read_as_a_smaller_one(pictures, name, kept):
    path = packed(pictures, name)
    with tarfile.open(path) as tar:
        end = max(member.offset_data + member.size for member in tar) if name == "pets.tar" else path.stat().st_size
    path.write_bytes(path.read_bytes()[: int(kept * end)])
    fails(path, "truncated")


def test_a_plain_tar_cut_between_two_files_is_refused(pictures):
    path = packed(pictures, "pets.tar")
    with tarfile.open(path) as tar:
        offsets = [member.offset for member in tar]
    path.write_bytes(path.read_bytes()[: offsets[-2]])
    fails(path, "breaks off after")


def test_a_file_that_is_no_tar_is_refused(tmp_path):
    (tmp_path / "pets.zip").write_bytes(b"PK" * 1000)
    fails(tmp_path / "pets.zip", "not a tar archive")


def test_links_and_outside_paths_in_a_tar_touch_nothing(pictures, tmp_path):
    expected = read(pictures)
    path = packed(pictures, "pets.tar")
    secret = tmp_path / "secret.png"
    save(secret)
    with tarfile.open(path, "a") as tar:
        for name, kind in (("train/cat/soft.png", tarfile.SYMTYPE), ("train/cat/hard.png", tarfile.LNKTYPE)):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, str(secret)
            tar.addfile(link)
        outside = tarfile.TarInfo("../../escaped.png")
        outside.size = 4
        tar.addfile(outside, io.BytesIO(b"text"))
    before = sorted(tmp_path.parent.rglob("*"))
    for again, first in zip(read(path), expected, strict=True):
        assert np.array_equal(again, first)
    assert sorted(tmp_path.parent.rglob("*")) == before
