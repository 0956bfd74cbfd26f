"""How far a long job is, and how long the rest will take at the pace so far: a line in the log for each part done."""

import logging
import time

log = logging.getLogger(__name__)


class Progress:
    """Counts the parts of a job that are done, and logs each with the time left.

    total : number of parts; unit : what they are, in the plural; log : where to
    The pace is that of all parts since the object was made, so that parts may differ in length.

    >>> import sys
    >>> progress = Progress(2, "layers", logging.Logger("example"))
    >>> progress.log.addHandler(logging.StreamHandler(sys.stdout))
    >>> progress("conv1 has 18 bits")  # doctest: +ELLIPSIS
    1 of 2 layers: conv1 has 18 bits; about ... left
    >>> progress("fc has 16 bits")
    2 of 2 layers: fc has 16 bits
    """

    def __init__(self, total: int, unit: str, log: logging.Logger = log):
        self.log, self.total, self.unit = log, total, unit
        self.done, self.start = 0, time.perf_counter()

    def __call__(self, found: str = "", parts: int = 1) -> None:
        """Log that `parts` more are done; found : what they brought, for whoever follows the log."""
        self.done += parts
        text = f"{self.done:,} of {self.total:,} {self.unit}" + (f": {found}" if found else "")
        if self.done < self.total:
            seconds = time.perf_counter() - self.start
            text += f"; about {duration(seconds * (self.total - self.done) / self.done)} left"
        self.log.info("%s", text)


def duration(seconds: float) -> str:
    """A time as people say it.

    >>> duration(42.4), duration(600), duration(12000)
    ('42 s', '10 min', '3.3 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
