"""Time and peak memory of one call, in a process of its own: nothing measured before can lend it memory or warm it up.

`python -m lib.bench.process MODULE:FUNCTION SIZE SETTINGS` is that process.
"""

import json
import pkgutil
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

REPEATS, ENOUGH_S = 5, 1.0

Prepare = Callable[..., tuple[int, Callable[[], object]]]


class Measurement(NamedTuple):
    """What a call costs.

    size : how large its input really is
    seconds : wall-clock time; the least of up to REPEATS calls, as many as begin within ENOUGH_S
    peak_mb : most memory that the process or one that it started ever held, interpreter and input included
        [MB of 10^6 bytes]

    >>> found = Measurement(size=1000, seconds=0.25, peak_mb=91.5)
    >>> f"{1e6 * found.seconds / found.size:.0f} µs for each sample"
    '250 µs for each sample'
    """

    size: int
    seconds: float
    peak_mb: float


def measure(prepare: Prepare, size: int, **settings) -> Measurement:
    """Measure the call that prepare(size, **settings) returns, behind the size that its input really has.

    prepare : a function of a module, which the process imports
    settings : as JSON writes them
    Raises RuntimeError with the last line that the process wrote where it fails.

    >>> from lib.fixedpoint import scaling  # doctest: +SKIP
    >>> measure(scaling.run, 1000, model="quantized.onnx")  # doctest: +SKIP
    """
    name = f"{prepare.__module__}:{prepare.__qualname__}"
    command = [sys.executable, "-m", __name__, name, str(size), json.dumps(settings)]
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode:
        last = (ended.stderr.strip() or f"exit code {ended.returncode}").splitlines()[-1]
        raise RuntimeError(f"{name} with size {size}: {last}")
    return Measurement(**json.loads(ended.stdout.splitlines()[-1]))


def _timed(call: Callable[[], object]) -> float:
    """Seconds of a call; see `Measurement`."""
    seconds = []
    while len(seconds) < REPEATS and sum(seconds) < ENOUGH_S:
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _peak_mb() -> float:
    """Most memory that this process or one of its children ever held [MB of 10^6 bytes].

    Not this process's own ru_maxrss: the kernel starts that with what the parent held when it started the process.
    """
    own = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return max(int(own[1]), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) * 1024 / 1e6


if __name__ == "__main__":
    name, size, settings = sys.argv[1:]
    size, call = pkgutil.resolve_name(name)(int(size), **json.loads(settings))
    print(json.dumps({"size": size, "seconds": _timed(call), "peak_mb": _peak_mb()}))
