"""Feed damaged files to what reads them, guided by coverage: python tests/fuzz/fuzz.py FORMAT LIMIT FOLDER.

FORMAT is a module in tests/fuzz/formats, LIMIT a number of tries or, as in 60s, of seconds, FOLDER an empty one to work
in; libFuzzer's options may follow. A file that is neither read nor refused by InputError, takes longer than -timeout
seconds or more than -rss_limit_mb, or has something written elsewhere, a program started, a connection opened or an
object unpickled, is kept in the working directory, and the exit code is not 0.
"""

import importlib
import io
import itertools
import os
import random
import sys
import tarfile
import tempfile
import time
import zipfile
from contextlib import redirect_stderr
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import atheris  # noqa: E402

from lib.errors import InputError  # noqa: E402
from tests.fuzz.target import Target  # noqa: E402

LIMITS = ["-timeout=20", "-rss_limit_mb=4000", "-max_len=100000", "-print_final_stats=0", "-verbosity=0"]
# Modules with functions that numba compiles, from bytecode as it is.
COMPILED = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in sorted((ROOT / "lib").rglob("*.py"))
    if "numba" in path.read_text(encoding="utf-8")
]
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Events of Python's audit (PEP 578) that no reader of a file has a reason for.
FORBIDDEN = ("subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.", "pickle.find_class")
# Those that change the file at one of their arguments.
CHANGING = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "os.link", "os.chmod", "os.truncate")


class Escape(BaseException):
    """Something that no reader of a file may do; not an Exception, so that no reader takes it for damage."""


def guard(folder: Path):
    """An audit hook that lets files be changed inside `folder` and where nothing is kept alone."""

    def inside(path: object, beside: int = -1) -> bool:
        """Whether a path, relative to the open folder `beside` if that is one, is in the folder."""
        if not isinstance(path, str | bytes | os.PathLike):
            return True  # an open file's number
        base = os.readlink(f"/proc/self/fd/{beside}") if beside >= 0 else ""
        place = os.path.realpath(os.path.join(base, os.fsdecode(path)))
        return place == os.devnull or Path(place).is_relative_to(folder)

    def allowed(event: str, arguments: tuple) -> bool:
        if event == "open":
            return not isinstance(arguments[2], int) or not arguments[2] & WRITING or inside(arguments[0])
        if event in CHANGING:
            return all(inside(path, arguments[-1]) for path in arguments if not isinstance(path, int))
        return not event.startswith(FORBIDDEN)

    def hook(event: str, arguments: tuple) -> None:
        if not allowed(event, arguments) and not compiling():
            raise Escape(f"{event} {arguments}")

    return hook


def compiling() -> bool:
    """Whether numba is at its cache, whose files are its own: it unpickles and writes them."""
    frame = sys._getframe()
    while frame and frame.f_globals.get("__name__") != "numba.core.caching":
        frame = frame.f_back
    return frame is not None


def mutate(data: bytes, most: int, seed: int) -> bytes:
    """libFuzzer's mutation of the file, or of one member of a zip or tar, whose checksums then fit again."""
    rng = random.Random(seed)
    packed = None
    if rng.random() < 0.7:
        try:
            packed = through_zip(data, rng) if data[:2] == b"PK" else through_tar(data, rng)
        except Exception:  # damaged already
            packed = None
    return packed if packed and len(packed) <= most else atheris.Mutate(data, most)


def through_zip(data: bytes, rng: random.Random) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(list(members))
    # Headers decide most, and are short beside what follows.
    head = rng.choice((128, 1024, len(members[name])))
    members[name] = atheris.Mutate(members[name][:head], 2 * head) + members[name][head:]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def through_tar(data: bytes, rng: random.Random) -> bytes:
    """One member's content, or its header, of whose fields the checksum is then computed again."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = [(member, archive.extractfile(member).read()) for member in archive if member.isfile()]
    index = rng.randrange(len(members))
    file = io.BytesIO()
    for position, (member, content) in enumerate(members):
        if position == index and rng.random() < 0.5:
            content = atheris.Mutate(content, 2 * len(content))
            member.size = len(content)
        block = bytearray(member.tobuf())
        if position == index and len(block) == tarfile.BLOCKSIZE:
            block = bytearray(atheris.Mutate(bytes(block), len(block)).ljust(len(block), b"\0"))
            block[148:156] = b"%06o\0 " % tarfile.calc_chksums(bytes(block))[0]
        file.write(bytes(block) + content + bytes(-len(content) % tarfile.BLOCKSIZE))
    return file.getvalue() + bytes(2 * tarfile.BLOCKSIZE)


def load(name: str) -> Target:
    """A target, whose readers report to libFuzzer where they have been."""
    options = {"include": ["lib", "tarfile", "zipfile"], "exclude": COMPILED}
    with redirect_stderr(io.StringIO()), atheris.instrument_imports(**options):
        return importlib.import_module(f"tests.fuzz.formats.{name}").TARGET


def fuzz(name: str, limit: str, scratch: Path, options: list[str]) -> None:
    """Fuzz a target, and end the process. The file `scratch`/outcomes holds a letter for each try."""
    target = load(name)
    folder, seeds = scratch / "files", scratch / "seeds"
    folder.mkdir()
    seeds.mkdir()
    path = folder / target.name
    for index, seed in enumerate(target.seeds):
        for place in (seeds / str(index), path):
            place.write_bytes(seed)
        target.read(path)  # a proof that the seed is sound; what is imported late is here now
    tempfile.tempdir = str(folder)
    outcomes = open(scratch / "outcomes", "w", buffering=1)  # noqa: SIM115
    sys.addaudithook(guard(folder))

    begin, tries = time.monotonic(), itertools.count()

    def one(data: bytes) -> None:
        done = time.monotonic() - begin if limit.endswith("s") else next(tries)
        if done >= float(limit.removesuffix("s")):
            os._exit(0)  # libFuzzer's own exit waits for ever for threads of ONNX Runtime
        path.write_bytes(data)
        try:
            target.read(path)
        except InputError as error:
            assert "\n" not in str(error), error
            outcomes.write("refused\n")
        else:
            outcomes.write("read\n")

    kept = f"-artifact_prefix=fuzz-{name}-"
    atheris.Setup([sys.argv[0], *LIMITS, kept, *options, str(seeds)], one, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    fuzz(sys.argv[1], sys.argv[2], Path(sys.argv[3]).resolve(), sys.argv[4:])
