"""The table of SCALE-Sim's mistakes is run, and each still is one."""

import pytest

from lib.arch.findings import DENSE, findings, reported


@pytest.fixture(scope="module")
def table():
    return findings().set_index("finding")


def test_every_finding_differs_from_what_is_right(table):
    assert table.index.is_unique and table.notna().all(axis=None)
    for row in table.itertuples():
        if not str(row.correct).startswith("at most"):
            assert row.scalesim != row.correct


def test_dram_is_read_more_than_the_array_reads(table):
    row = table.loc["DRAM read more than the array reads"]
    assert row.scalesim > int(row.correct.removeprefix("at most "))


def test_reads_ignore_the_bandwidth():
    slow, fast = (reported(DENSE, "8x8_ws_1kb", mode="USER", words_per_cycle=words) for words in (1, 1000))
    for quantity in ("Total Cycles", "Stall Cycles", "DRAM Filter Reads"):
        assert slow[quantity].equals(fast[quantity])


@pytest.mark.parametrize("finding", ["a layer of one cycle", "a buffer filled twice in a cycle"])
def test_errors_that_stop_scalesim_are_named(table, finding):
    assert table.loc[finding, "scalesim"] == "ZeroDivisionError: division by zero"


def test_failure_of_the_command_looks_like_success(table):
    assert table.loc["failure passed for success", "scalesim"] == 0
