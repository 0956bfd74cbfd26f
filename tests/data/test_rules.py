import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from lib.data import dataset

ROOT = Path(__file__).parents[2]


@pytest.fixture
def pets(tmp_path) -> Path:
    for split in ("train", "test"):
        for label, color in (("cat", "red"), ("dog", "blue")):
            (tmp_path / "pets" / split / label).mkdir(parents=True)
            Image.new("RGB", (32, 32), color).save(tmp_path / "pets" / split / label / "0.png")
    return tmp_path / "pets"


def snakemake(folder: Path, images: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    return subprocess.run(
        [*command, "--cores", "1", "results/data/images.npz", *arguments],
        env=os.environ | {"EDGEINT8_IMAGES": str(images)},
        capture_output=True,
        text=True,
    )


def test_images_are_made_once_and_again_when_they_change(tmp_path, pets):
    work = tmp_path / "work"
    first = snakemake(work, pets)
    assert first.returncode == 0, first.stderr
    made = dataset.load(work / "results/data/images.npz")
    record = json.loads((work / "results/data/images.json").read_text())
    assert made.name == record["name"] == "pets" and made.train_x[:, 0, 0, 0].tolist() == [255, 0]

    assert "Nothing to be done" in snakemake(work, pets, "--dry-run").stdout
    (pets / "train/cat/0.png").write_bytes((pets / "train/dog/0.png").read_bytes())
    assert "Code or data have changed" in snakemake(work, pets, "--dry-run").stdout
    assert "Settings have changed" in snakemake(work, pets.rename(tmp_path / "beasts"), "--dry-run").stdout


def test_a_mistake_ends_in_one_line_and_no_output(tmp_path, pets):
    failed = snakemake(tmp_path / "work", tmp_path / "gone")
    assert failed.returncode == 1
    assert f"error: images: {tmp_path / 'gone'}: no such file or folder" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert not (tmp_path / "work/results/data/images.npz").exists()
