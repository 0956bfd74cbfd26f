"""Faults done to the workflow on tiny data, for real, and what came of them: nothing may be lost or silently wrong.

Each fault is followed by the same command without it, which must complete; then all its files are compared with those
of a run that nothing disturbed.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from lib.trust.running import Workflow

Row = dict[str, object]
KILLED = ("all processes", "Snakemake alone", "one job")
DAY = 86_400  # [s]


def last_error(messages: str) -> str:
    """What a person reads: the last line that begins with "error:" or "warning:", else the last with an exception.

    >>> last_error("Building DAG of jobs...\\nerror: images: no such file\\nExiting because a job failed")
    'error: images: no such file'
    """
    lines = [line.strip() for line in messages.splitlines()]
    ours = [line for line in lines if line.lower().startswith(("error:", "warning:"))]
    return (ours or [line for line in lines if re.search(r"\w(Error|Exception)\b", line)] or [""])[-1]


def row(fault: str, how: str, tries: int, failed: int, message: str, expected: dict[str, str], after: Workflow) -> Row:
    """A row of the table of faults.

    tries, failed : runs that met the fault, and those of them that ended with an error, as they should
    message : what they said; expected : `Workflow.results` of a run that nothing disturbed
    after : the workflow after it was completed
    Of its files that the undisturbed run has, too, `compared` counts all and `differing` those that are not the same.

    >>> from lib.examples import folder
    >>> after = Workflow(folder() / "run", Path("Snakefile"), Path("config.yaml"), ("all",))
    >>> (after.folder / "results").mkdir(parents=True)
    >>> _ = (after.folder / "results" / "accuracy.csv").write_text("accuracy\\n0.5\\n")
    >>> found = row("killed", "SIGKILL to one job", 1, 1, "", {"results/accuracy.csv": "another hash"}, after)
    >>> found["compared"], found["differing"], found["leftovers"]
    (1, 1, 0)
    """
    made = after.results()
    compared = [file for file in made if file in expected]
    leftovers = [path for path in (after.folder / "results").rglob(".*") if path.name != ".snakemake_timestamp"]
    return {
        "fault": fault,
        "how": how,
        "tries": tries,
        "failed": int(failed),
        "message": message.replace(str(after.folder.parent), "…"),
        "compared": len(compared),
        "differing": sum(made[file] != expected[file] for file in compared),
        "leftovers": len(leftovers),
    }


def completed(workflow: Workflow) -> None:
    """Run the workflow to its end; raises RuntimeError where that fails, which is what no fault may lead to.

    >>> completed(Workflow(Path("run"), Path("Snakefile"), Path("tiny.yaml"), ("all",)))  # doctest: +SKIP
    """
    code, messages = workflow.run()
    if code:
        raise RuntimeError(f"not finished by the same command again: {messages[-3000:]}")


def _kill(run: subprocess.Popen, what: str, rng: np.random.Generator) -> None:
    """SIGKILL to all processes of a run, to Snakemake alone, so that its jobs go on, or to one of its jobs."""
    if what == "all processes":
        os.killpg(run.pid, signal.SIGKILL)
    elif what == "Snakemake alone":
        os.kill(run.pid, signal.SIGKILL)
    else:
        while not (jobs := [process for process in session(run.pid) if process != run.pid]) and run.poll() is None:
            time.sleep(0.1)  # none has started yet
        with suppress(ProcessLookupError):
            os.kill(int(rng.choice(jobs or [run.pid])), signal.SIGKILL)


def session(leader: int) -> list[int]:
    """Numbers of the living processes in the session of process `leader`.

    >>> run = subprocess.Popen(["sleep", "60"], start_new_session=True)
    >>> session(run.pid) == [run.pid]
    True
    >>> run.kill()
    >>> _ = run.wait()
    >>> session(run.pid)
    []
    """
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, its_session = status.read_text().rpartition(")")[2].split()[:4]
        except OSError:  # it ended meanwhile
            continue
        if int(its_session) == leader and state != "Z":
            found.append(int(status.parent.name))
    return found


def killed(base: Workflow, expected: dict[str, str], times: int, longest: float, seed: int) -> Iterator[Row]:
    """Kill `times` runs at random moments, up to `longest` seconds from their start, one after the other.

    What a killed run has made stays; where a run comes to its end before it is killed, the next one begins anew.
    Raises RuntimeError where a run fails that was not killed.

    >>> for row in killed(whole, whole.results(), times=50, longest=10.0, seed=0):  # doctest: +SKIP
    ...     print(row["how"], row["tries"], row["failed"], row["differing"])
    """
    rng = np.random.default_rng(seed)
    workflow, counts = base.fresh("killed"), {what: [0, 0] for what in KILLED}
    while (done := sum(tries for tries, _ in counts.values())) < times:
        what = KILLED[done % len(KILLED)]
        run = workflow.start()
        try:
            messages, _ = run.communicate(timeout=rng.uniform(0, longest))
        except subprocess.TimeoutExpired:
            _kill(run, what, rng)
            if what == "Snakemake alone":
                run.wait()  # the pipe stays open as long as the jobs live
            else:
                run.communicate()
            counts[what][0] += 1
            counts[what][1] += run.returncode != 0
            continue
        if run.returncode:
            raise RuntimeError(f"failed without being killed: {messages[-3000:]}")
        yield row("killed", "never, a run between others", 1, 0, "", expected, workflow)
        workflow = base.fresh("killed")
    completed(workflow)
    for what, (tries, failed) in counts.items():
        yield row("killed", f"SIGKILL to {what} at random moments", tries, failed, "", expected, workflow)


def full_disk(base: Workflow, expected: dict[str, str], sizes_kb: list[int]) -> Iterator[Row]:
    """Run in a file system of so many kB that is then enlarged, in a mount namespace of its own.

    >>> rows = list(full_disk(whole, whole.results(), sizes_kb=[100, 400]))  # doctest: +SKIP
    """
    script = """
        set -e
        mount -t tmpfs -o size="$1"k tmpfs "$2"
        cd "$2"
        ln -s "$3"/pictures .
        shift 3
        "$@" > "$MESSAGES" 2>&1 && code=0 || code=$?
        echo $code > "$CODE"
        mount -o remount,size=4g "$PWD"
        "$@" > "$MESSAGES".again 2>&1
        cp -r results "$RESULTS"
    """
    for size in sizes_kb:
        workflow = base.fresh("full")
        places = {name: str(workflow.folder / name.lower()) for name in ("MESSAGES", "CODE", "RESULTS")}
        (workflow.folder / "mount").mkdir()
        arguments = [str(size), str(workflow.folder / "mount"), str(workflow.folder)]
        shell = ["unshare", "-rm", "bash", "-c", script, "bash", *arguments, *workflow.command()]
        environment = {key: value for key, value in os.environ.items() if key != "EDGEINT8_IMAGES"} | places
        done = subprocess.run(shell, env=environment, cwd=workflow.folder, capture_output=True, text=True)
        if done.returncode:
            again = Path(places["MESSAGES"] + ".again")
            said = again.read_text()[-3000:] if again.exists() else ""
            raise RuntimeError(f"not finished once there was room: {done.stderr}{said}")
        code, message = (Path(places[name]).read_text() for name in ("CODE", "MESSAGES"))
        yield row("full disk", f"tmpfs of {size:,} kB", 1, int(code) != 0, last_error(message), expected, workflow)


def read_only(base: Workflow, expected: dict[str, str]) -> Iterator[Row]:
    """Make one table again in results that are mounted read-only.

    >>> (row,) = read_only(whole, whole.results())  # doctest: +SKIP
    """
    workflow = base.copy("read_only")
    (table,) = (file for file in workflow.targets[:1])
    (workflow.folder / table).unlink()
    script = 'mount --bind results results && mount -o remount,ro,bind results && exec "$@"'
    code, messages = workflow.run(before=("unshare", "-rm", "bash", "-c", script, "bash"))
    completed(workflow)
    yield row("read-only results", "mounted read-only", 1, code != 0, last_error(messages), expected, workflow)


def truncated(base: Workflow, expected: dict[str, str], files: list[str]) -> Iterator[Row]:
    """Cut files that later jobs read in half, text at the end of a line, where it still looks sound.

    >>> (row,) = truncated(whole, whole.results(), ["results/data/images.npz"])  # doctest: +SKIP
    """
    for file in files:
        workflow = base.copy("truncated")
        path = workflow.folder / file
        data = path.read_bytes()
        lines = data.splitlines(keepends=True)
        path.write_bytes(b"".join(lines[: len(lines) // 2]) if path.suffix == ".csv" else data[: len(data) // 2])
        code, messages = workflow.run()
        path.write_bytes(data) if file.startswith("pictures") else path.unlink()
        completed(workflow)
        yield row("truncated input", file, 1, code != 0, last_error(messages), expected, workflow)


def skewed_clock(base: Workflow, expected: dict[str, str]) -> Iterator[Row]:
    """Files dated a day ahead or decades back; an input replaced by a file that is older than what was made of it.

    >>> rows = list(skewed_clock(whole, whole.results()))  # doctest: +SKIP
    """
    now = time.time()
    for how, moment in (("all results dated a day ahead", now + DAY), ("all results dated 1980", 10 * 365 * DAY)):
        workflow = base.copy("skewed")
        for path in (workflow.folder / "results").rglob("*"):
            os.utime(path, (moment, moment))
        code, messages = workflow.run()
        yield row("clock skew", how, 1, code != 0, last_error(messages), expected, workflow)
    workflow = base.copy("skewed")
    model = next(path for path in sorted((workflow.folder / "results" / "model").glob("*.onnx")))
    os.utime(model, (now + DAY, now + DAY))
    code, messages = workflow.run()
    yield row(
        "clock skew",
        "a model dated a day ahead",
        1,
        code != 0,
        last_error(messages),
        expected,
        workflow,
    )

    workflow = base.copy("skewed")
    first, second = (workflow.folder / "pictures/train/red" / name for name in ("0.png", "1.png"))
    shutil.copy(second, first)
    os.utime(first, (DAY, DAY))
    _, messages = workflow.run("-n")
    noticed = bool(re.search(r"^images +1$", messages, re.MULTILINE))
    how = "a picture replaced by one dated 1970: " + ("noticed" if noticed else "not noticed")
    yield row("clock skew", how, 1, 0, "", expected, base)


def at_once(base: Workflow, expected: dict[str, str]) -> Iterator[Row]:
    """Start a second run in the same folder while the first is at work.

    >>> (row,) = at_once(whole, whole.results())  # doctest: +SKIP
    """
    workflow = base.fresh("at_once")
    first = workflow.start()
    while first.poll() is None and not any((workflow.folder / ".snakemake").glob("locks/*")):
        time.sleep(0.1)
    code, messages = workflow.run()
    first.communicate()
    how = f"the second while the first is at work, which ends with exit code {first.returncode}"
    yield row("two runs at once", how, 1, code != 0, last_error(messages), expected, workflow)


def missing_tools(base: Workflow, expected: dict[str, str]) -> Iterator[Row]:
    """Run without any other program on the PATH: no git, no Timeloop, none of the shell's tools; then with them.

    >>> (row,) = missing_tools(whole, whole.results())  # doctest: +SKIP
    """
    workflow = base.fresh("no_tools")
    (workflow.folder / "bin").mkdir()
    (workflow.folder / "bin" / "bash").symlink_to(shutil.which("bash"))
    code, messages = workflow.run(PATH=str(workflow.folder / "bin"))
    completed(workflow)
    how = "nothing but bash on the PATH"
    yield row("missing tools", how, 1, code != 0, last_error(messages), expected, workflow)


def no_network(base: Workflow, expected: dict[str, str], images: Callable[[str], Path]) -> Iterator[Row]:
    """Run without a network: on images that are there, on none, and on none where only CIFAR-10 will do.

    images : writes the settings for a source of images without a path to a file

    >>> rows = list(no_network(whole, whole.results(), lambda source: Path(f"{source}.yaml")))  # doctest: +SKIP
    """
    without = ("unshare", "-rn")
    workflow = base.fresh("no_network")
    code, messages = workflow.run(before=without)
    yield row("no network", "images that are there", 1, code != 0, last_error(messages), expected, workflow)
    for source in ("auto", "cifar10"):
        workflow = replace(base.fresh("no_network"), configfile=images(source), targets=("results/data/images.npz",))
        code, messages = workflow.run(before=without)
        made = (workflow.folder / workflow.targets[0]).exists()
        how = f"images.source {source} and no images: {'generated ones' if made else 'nothing'} made"
        yield row("no network", how, 1, code != 0, last_error(messages), {}, workflow)
