"""What a run says about itself is true, and no path of the machine is in it."""

import json
import subprocess

import pytest
import yaml

from lib.trust.provenance import beside_lock, git_state, provenance, without_folders
from tests.test_walls import ROOT

ABOUT = {"name": "n", "source": "s", "sha256": None, "synthetic": True, "train": 1, "test": 1, "classes": ["a"]}


@pytest.fixture
def repository(tmp_path):
    def git(*arguments):
        subprocess.run(["git", "-C", tmp_path, "-c", "user.name=n", "-c", "user.email=e", *arguments], check=True)

    (tmp_path / "requirements.txt").write_text("pytest==0.1\n")
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "first")
    return tmp_path


def test_git_state_names_commit_and_changes(repository):
    clean = git_state(repository)
    assert len(clean["commit"]) == 40 and clean["dirty"] is False and clean["changed"] == []
    (repository / "new.py").touch()
    (repository / "requirements.txt").write_text("")
    assert git_state(repository) == clean | {"dirty": True, "changed": ["requirements.txt", "new.py"]}


def test_outside_a_repository_and_in_a_folder_of_another_one_no_commit_is_claimed(repository, tmp_path, monkeypatch):
    (repository / "copy").mkdir()
    unknown = {"commit": None, "dirty": None, "changed": None}
    assert git_state(repository / "copy") == unknown
    monkeypatch.setenv("PATH", "/nowhere")
    assert git_state(repository) == unknown


def test_provenance_is_complete_and_says_nothing_about_folders(repository, tmp_path):
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    (tmp_path / "images.tar").write_bytes(b"images")
    config["datasets"]["images"]["path"] = str(tmp_path / "images.tar")
    (tmp_path / "images.npz").write_bytes(b"arrays")
    found = provenance(config, repository, {"cpu": "c"}, {"images": ABOUT}, [tmp_path / "images.npz"])
    assert found["seed"] == config["seed"] and found["git"]["dirty"] and found["cpu_features"]
    assert found["lock"]["other_versions"].keys() == {"pytest"}
    assert found["files"].keys() == {"images.tar"} and len(found["data"]["images"]["arrays_sha256"]) == 64
    assert found["config"]["datasets"]["images"]["path"] == "images.tar" and str(tmp_path) not in json.dumps(found)
    assert without_folders(config)["quant"] == config["quant"]


def test_versions_of_the_lock_are_installed():
    assert beside_lock((ROOT / "requirements.txt").read_text()) == {}
