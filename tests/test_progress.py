"""What is left of a job is said at the pace so far."""

import logging

from lib.progress import Progress


def test_time_left_is_that_of_the_parts_to_come_at_the_pace_of_those_done(caplog):
    caplog.set_level(logging.INFO)
    progress = Progress(1000, "samples")
    progress.start -= 30  # as if begun half a minute ago
    progress(parts=250)
    progress.start -= 30
    progress("all wrong", parts=250)
    progress(parts=500)
    assert caplog.messages == [
        "250 of 1,000 samples; about 90 s left",
        "500 of 1,000 samples: all wrong; about 60 s left",
        "1,000 of 1,000 samples",
    ]
