"""What every script shares: its messages go to the rule's log, and a mistake of the user ends in one line."""

import json
import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from lib.errors import InputError
from lib.trust import written


@contextmanager
def job(snakemake) -> Iterator[logging.Logger]:
    """Run the block with standard output, standard error and logging in the rule's log file.

    Inputs must still be what their rules wrote, and outputs are noted for those who read them (lib.trust.written).
    On failure the last line of the log says why in one line that begins with "error: ", behind the traceback unless it
    is an InputError; the exit code is 1. rules/messages.smk repeats it where the run ends.
    """
    reason = ""
    try:
        with open(snakemake.log[0], "w", buffering=1, encoding="utf-8") as log:
            logging.basicConfig(stream=log, level=logging.INFO, format="%(asctime)s %(message)s", force=True)
            try:
                with redirect_stdout(log), redirect_stderr(log):
                    written.check(snakemake.input)
                    yield logging.getLogger(snakemake.rule)
                    written.note(snakemake.output)
            except Exception as error:
                reason = " ".join(str(error).split())
                if not isinstance(error, InputError):
                    traceback.print_exc(file=log)
                    reason = f"{type(error).__name__}: {reason}"
                print(f"error: {reason}", file=log)
    except OSError as error:  # the log itself cannot be written, on a full disk for example
        reason = reason or error.strerror
    if reason:
        print(f"error: {snakemake.rule}: {reason} (see {snakemake.log[0]})", file=sys.stderr)
        sys.exit(1)


def labelled(table, snakemake):
    """A workload's table with the columns `workload` and `dataset` in front, as gathered tables have them.

    A rule with `provenance=provenance_of` among its inputs; "no data" for a network that has none.
    """
    names = [json.loads(Path(path).read_text(encoding="utf-8"))["name"] for path in snakemake.input.provenance]
    table.insert(0, "workload", snakemake.wildcards.workload)
    table.insert(1, "dataset", names[0] if names else "no data")
    return table
