import hashlib
import io
import json
import os
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from lib.data import cifar, shapes, source
from lib.data.images import images
from lib.data.provenance import provenance
from lib.errors import InputError

CLASSES = ("airplane", "automobile", "bird")
NOWHERE = "http://127.0.0.1:9/cifar-10-binary.tar.gz"  # nothing listens on the discard port


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def official(tmp_path) -> SimpleNamespace:
    """A small archive in the official layout: five batches of 4 records, 6 test records, and its content."""
    rng = np.random.default_rng(0)
    path, x, y = tmp_path / "renamed.tgz", [], []
    with tarfile.open(path, "w:gz") as tar:

        def add(name: str, content: bytes) -> None:
            member = tarfile.TarInfo(f"{cifar.FOLDER}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))

        add("batches.meta.txt", "\n".join((*CLASSES, "")).encode())
        for name, count in (*((name, 4) for name in cifar.TRAIN), *((name, 6) for name in cifar.TEST)):
            labels = np.arange(count, dtype=np.uint8) % 3
            planes = rng.integers(0, 256, (count, 3, 32, 32), np.uint8)
            add(name, np.concatenate([labels[:, None], planes.reshape(count, -1)], 1).tobytes())
            x.append(planes)
            y.append(labels)
    content = path.read_bytes()
    return SimpleNamespace(
        path=path,
        content=content,
        x=np.concatenate(x),
        y=np.concatenate(y),
        release=cifar.Release(NOWHERE, len(content), hashlib.sha256(content).hexdigest()),
    )


@pytest.fixture
def pets(tmp_path) -> Path:
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            for number in range(3):
                file = tmp_path / "pets" / split / name / f"{number}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (8, 8), (number, 50, 90)).save(file)
    return tmp_path / "pets"


@pytest.fixture
def served(official):
    """A web server; yields (release at its address, function that sets what it sends and the length it announces)."""
    reply = {"content": official.content, "length": len(official.content)}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(reply["length"]))
            self.end_headers()
            self.wfile.write(reply["content"])

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/cifar-10-binary.tar.gz"
    yield cifar.Release(address, official.release.size, official.release.sha256), reply
    server.shutdown()
    server.server_close()


def get(path=None, source="auto", release=None, **more):
    return images(source, path and str(path), more.pop("size", 32), 1, release=release or cifar.CIFAR10, **more)


def test_the_binary_archive_is_recognised_by_its_content_and_read_as_documented(official):
    dataset, origin = get(official.path, release=official.release)
    assert dataset.name == "CIFAR-10" and dataset.classes == CLASSES
    assert np.array_equal(dataset.train_x, official.x[:20]) and np.array_equal(dataset.test_x, official.x[20:])
    assert np.array_equal(dataset.train_y, official.y[:20]) and dataset.train_y.dtype == np.int64
    assert origin == {"source": "renamed.tgz", "sha256": official.release.sha256, "synthetic": False}


def test_the_binary_archive_with_limits_and_another_size(official):
    dataset, _ = get(official.path, release=official.release, size=16, train=6, test=3)
    assert dataset.train_x.shape == (6, 3, 16, 16) and dataset.test_x.shape == (3, 3, 16, 16)
    assert np.bincount(dataset.train_y).tolist() == [2, 2, 2]


def test_a_truncated_binary_archive_says_how_much_is_missing(official, tmp_path):
    path = tmp_path / "cifar-10-binary.tar.gz"
    path.write_bytes(official.content[:-1000])
    size = official.release.size
    with pytest.raises(InputError, match=f"{path}: truncated, {size - 1000} of {size} bytes"):
        get(path, release=official.release)


def test_a_binary_archive_with_a_wrong_checksum_is_refused(official):
    content = bytearray(official.content)
    content[-1] ^= 1
    official.path.write_bytes(content)
    with pytest.raises(InputError, match=f"wrong checksum, sha256 {hashlib.sha256(content).hexdigest()}"):
        get(official.path, release=official.release)


def test_the_official_checksum_is_the_default(official):
    with pytest.raises(InputError, match="of 170052171 bytes"):
        get(official.path)


def test_a_folder_is_called_by_its_name_or_the_configured_one(pets):
    assert get(pets)[0].name == "pets"
    dataset, origin = get(pets, source="cifar10", name="Cats and dogs", size=12)
    assert dataset.name == "Cats and dogs" and dataset.train_x.shape == (6, 3, 12, 12)
    assert origin == {"source": "pets", "sha256": None, "synthetic": False}


def test_a_path_that_does_not_exist_is_never_replaced_by_something_else(official):
    Path("data").mkdir()
    source.ARCHIVE.write_bytes(official.content)
    with pytest.raises(InputError, match=r"gone\.tar: no such file or folder"):
        get("gone.tar", release=official.release)


def test_a_copy_under_data_is_used_without_a_download(official):
    source.ARCHIVE.parent.mkdir()
    source.ARCHIVE.write_bytes(official.content)
    dataset, origin = get(release=official.release)
    assert dataset.name == "CIFAR-10" and origin["source"] == "cifar-10-binary.tar.gz"


def test_a_damaged_copy_under_data_is_an_error_even_for_auto(official):
    source.ARCHIVE.parent.mkdir()
    source.ARCHIVE.write_bytes(official.content[:100])
    with pytest.raises(InputError, match=f"{source.ARCHIVE}: truncated"):
        get(release=official.release)


def test_a_download_is_kept_under_data(official, served):
    release, _ = served
    dataset, _ = get(source="cifar10", release=release)
    assert dataset.name == "CIFAR-10" and np.array_equal(dataset.test_x, official.x[20:])
    assert source.ARCHIVE.read_bytes() == official.content


@pytest.mark.parametrize(
    ("fault", "message"), [("cut off", "truncated"), ("changed", "wrong checksum"), ("a page", "truncated")]
)
def test_a_bad_download_is_refused_and_leaves_nothing(official, served, fault, message):
    release, reply = served
    if fault == "cut off":
        reply["content"] = official.content[:-500]
    elif fault == "changed":
        reply["content"] = official.content[:-1] + b"?"
    else:
        reply.update(content=b"<html>please log in</html>", length=26)
    with pytest.raises(InputError, match=f"no CIFAR-10: {release.url}: {message}") as error:
        get(source="cifar10", release=release)
    assert "\n" not in str(error.value)
    assert list(source.ARCHIVE.parent.iterdir()) == []


def test_auto_falls_back_on_a_bad_download_and_says_why(served, caplog):
    release, reply = served
    reply["content"] = reply["content"][:-1] + b"?"
    dataset, _ = get(release=release, train=20, test=20)
    assert dataset.name == shapes.NAME and "wrong checksum" in caplog.text and not source.ARCHIVE.exists()


def test_cifar10_without_data_is_an_error(official):
    with pytest.raises(InputError, match=r"no CIFAR-10: .*download failed.*EDGEINT8_IMAGES"):
        get(source="cifar10", release=official.release)


def test_auto_without_data_warns_and_says_so_in_the_name(official, caplog):
    dataset, origin = get(release=official.release, train=40, test=20)
    assert dataset.name == "synthetic images, not CIFAR-10"
    assert dataset.classes == shapes.CLASSES and dataset.train_x.shape == (40, 3, 32, 32) and len(dataset.test_x) == 20
    assert origin == {"source": "generated", "sha256": None, "synthetic": True}
    assert not np.array_equal(dataset.train_x[:20], dataset.test_x)
    (warning,) = caplog.records
    assert warning.levelname == "WARNING" and "SYNTHETIC IMAGES, NOT CIFAR-10" in warning.getMessage()


def test_provenance_names_no_folder_of_this_machine(pets, tmp_path):
    dataset, origin = get(pets)
    record = provenance(dataset, **origin)
    assert str(tmp_path) not in json.dumps(record)
    assert record["train_per_class"] == {"cat": 3, "dog": 3} and record["shape"] == [3, 32, 32]


class TestStamp:
    def test_changes_with_a_file_and_with_any_image_of_a_folder(self, pets, official):
        for path, changed in ((official.path, official.path), (pets, pets / "test/dog/1.png")):
            before = source.stamp(str(path))
            assert before == source.stamp(str(path))
            os.utime(changed, (1, 1))
            assert before != source.stamp(str(path))

    def test_changes_with_a_new_image(self, pets):
        before = source.stamp(str(pets))
        (pets / "train/cat/new.png").write_bytes((pets / "train/cat/0.png").read_bytes())
        assert before != source.stamp(str(pets))

    def test_without_a_path_sees_an_archive_put_under_data_but_not_the_download(self, official, served):
        assert source.stamp(None) is None and source.stamp("gone") is None
        get(release=served[0])
        assert source.ARCHIVE.exists() and source.stamp(None) is None
        os.utime(source.ARCHIVE)
        assert source.stamp(None) is not None
