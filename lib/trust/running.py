"""The workflow run again in working directories of its own, on tiny data."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
from PIL import Image

from lib.trust import hashes


@dataclass(frozen=True)
class Workflow:
    """The workflow in a working directory: what to make there, with which settings.

    timed : patterns of files with measured times, which are not compared

    >>> workflow = Workflow(Path("run"), Path("Snakefile"), Path("config.yaml"), ("all",), cores=4)
    >>> print(*workflow.command("--dry-run")[1:])
    -m snakemake --snakefile Snakefile --configfile config.yaml --cores 4 --dry-run -- all
    """

    folder: Path
    snakefile: Path
    configfile: Path
    targets: tuple[str, ...]
    timed: tuple[str, ...] = ()
    cores: int = 2

    def command(self, *options: str) -> list[str]:
        where = ["--snakefile", str(self.snakefile), "--configfile", str(self.configfile), "--cores", str(self.cores)]
        return [sys.executable, "-m", "snakemake", *where, *options, "--", *self.targets]

    def start(self, *options: str, before: tuple[str, ...] = (), **changes: str) -> subprocess.Popen:
        """Begin a run in a session of its own; `before` it a command that runs it, `changes` to the environment."""
        environment = {key: value for key, value in os.environ.items() if key != "EDGEINT8_IMAGES"} | changes
        ends = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL, "text": True}
        command = [*before, *self.command(*options)]
        return subprocess.Popen(command, cwd=self.folder, env=environment, start_new_session=True, **ends)

    def run(self, *options: str, before: tuple[str, ...] = (), **changes: str) -> tuple[int, str]:
        """Exit code and messages of a run."""
        run = self.start(*options, before=before, **changes)
        messages, _ = run.communicate()
        return run.returncode, messages

    def results(self) -> dict[str, str]:
        """Hashes of all results, but those with measured times in them."""
        found = hashes.results(self.folder)
        return {file: sha256 for file, sha256 in found.items() if not any(fnmatch(file, p) for p in self.timed)}

    def copy(self, name: str) -> "Workflow":
        """The same in a copy of the working directory, beside it."""
        folder = self.folder.with_name(name)
        shutil.rmtree(folder, ignore_errors=True)
        return replace(self, folder=shutil.copytree(self.folder, folder))

    def fresh(self, name: str) -> "Workflow":
        """The same with nothing made yet."""
        folder = self.folder.with_name(name)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.folder / "pictures", folder / "pictures")
        return replace(self, folder=folder)


def pictures(folder: Path) -> None:
    """A small set of pictures, three classes that differ in colour, as the folder `pictures` in `folder`.

    >>> from lib.examples import folder
    >>> pictures(folder() / "coloured")
    >>> len(list((folder() / "coloured").rglob("*.png")))  # 40 to train and 20 to test in each of three classes
    180
    """
    rng = np.random.default_rng(0)
    for split, samples in (("train", 40), ("test", 20)):
        for channel, name in enumerate(("red", "green", "blue")):
            target = folder / "pictures" / split / name
            target.mkdir(parents=True)
            for index in range(samples):
                pixels = rng.integers(0, 200, (16, 16, 3), dtype=np.uint8)
                pixels[..., channel] += 55
                Image.fromarray(pixels).save(target / f"{index}.png")
