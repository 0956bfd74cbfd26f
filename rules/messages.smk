"""What the terminal says: `help`, a plan (-n) with a line or two for each job, and the last words of a run that failed."""

import atexit
import logging
import re
import sys

from snakemake.logging import logger
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.common import LogEvent

if "help" in sys.argv[1:]:  # the targets themselves are not known here yet
    print((Path(workflow.basedir) / "docs/help.txt").read_text(encoding="utf-8"), end="")
    sys.exit()

FAILED = {}  # logs of failed jobs, and their rules
SEEN = set()  # kinds of messages so far


def brief(reason: str) -> str:
    """Why a job runs, on one line: without what merely follows from other jobs, and with one file of each list."""
    causes = [cause for cause in reason.split("; ") if not cause.startswith("Input files updated by another job")]
    if not causes:
        return "What it reads is made by other jobs"
    causes = [re.sub(r"^([\w ]+ files): (.+)$", first_of_files, cause) for cause in causes]
    return "; ".join(re.sub(r"^Params have .* before: (.*) now: (.*)$", what_changed, cause) for cause in causes)


def first_of_files(match: re.Match) -> str:
    first, *others = sorted(match[2].split(", "))
    return f"{match[1]}: {first}" + (f" and {len(others)} more" if others else "")


def what_changed(match: re.Match) -> str:
    """Settings by their values; code, whose fingerprint (rules/common.smk) is one of Snakemake's params, by that word."""
    before, now = (re.sub(r"'[0-9a-f]{16}'(, )?", "", values).strip(" ,") for values in match.groups())
    return (
        f"Settings have changed from {before or 'none'} to {now or 'none'}"
        if before or now
        else "Code or data have changed"
    )


def readable(record: logging.LogRecord) -> bool:
    """A filter of Snakemake's messages: shortens the reasons of jobs, and keeps in mind which jobs failed.

    In a dry run, a job is its message and why it would run; what is said twice or of all jobs together is left out.
    """
    event = getattr(record, "event", None)
    if event == LogEvent.JOB_ERROR:
        FAILED.update(dict.fromkeys(record.log, record.rule_name))
    elif event == LogEvent.GROUP_ERROR:
        FAILED.update({log: job["rule_name"] for job in record.job_error_info for log in job["log"]})
    elif event == LogEvent.JOB_INFO:
        SEEN.add(event)
        record.reason = brief(record.reason)
        if workflow.dryrun and record.rule_msg:
            message = record.rule_msg.partition(" (progress in ")[0]
            record.msg, record.event = f"{message}\n    {record.reason}", None
            record.quietness = Quietness.RULES
    elif event == LogEvent.RUN_INFO and workflow.dryrun:
        return LogEvent.JOB_INFO in SEEN
    elif workflow.dryrun:
        return not str(record.msg).startswith(("Reasons:", "DAG of jobs will be updated"))
    return True


def last_words() -> None:
    """Why each failed job did, and where its log is, below all that Snakemake says about it."""
    for log, name in FAILED.items():
        text = Path(log).read_text(encoding="utf-8", errors="replace") if Path(log).is_file() else ""
        last = (text.strip().splitlines() or ["its log is empty"])[-1]
        if not last.startswith("error: "):
            last = f"it was stopped from outside, perhaps for want of memory; before that: {last}"
        print(f"error: {name}: {last.removeprefix('error: ')} (see {log})", file=sys.stderr)


logger.addFilter(readable)
