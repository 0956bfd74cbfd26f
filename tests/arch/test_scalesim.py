"""SCALE-Sim as a job: a path with spaces, damaged reports, and a simulator that stops, dies or hangs."""

import json
import multiprocessing
import shutil
import threading
import time

import pytest

from lib.arch import scalesim
from lib.arch.design import Design
from lib.arch.topology import Layer
from lib.errors import InputError

LAYERS = [Layer("conv", 10, 10, 3, 3, 8, 16, 1, 1), Layer("fc", 1, 1, 1, 1, 64, 10, 1, 1)]
SMALL = Design.parse("8x4_os_16-8-4kb")
# Some seconds of simulation.
LARGE = [Layer("large", 34, 34, 3, 3, 16, 32, 1, 1)]


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("name with spaces") / SMALL.name
    assert scalesim.run(LAYERS, SMALL, folder, timeout_s=60) == ""
    return folder


def assert_failed(folder, reason, layers):
    """The folder is complete, says why, holds no numbers, and is read as a failure."""
    assert sorted(path.name for path in folder.iterdir()) == sorted([*scalesim.REPORTS, scalesim.STATUS])
    assert json.loads((folder / scalesim.STATUS).read_text()) == {"reason": reason}
    for name in scalesim.REPORTS:
        assert len((folder / name).read_text().splitlines()) == 1
    assert scalesim.read_designs([folder], layers) == ({}, {Design.parse(folder.name): reason})


def test_run_leaves_its_reports_and_status_alone(reports):
    assert sorted(path.name for path in reports.iterdir()) == sorted([*scalesim.REPORTS, scalesim.STATUS])
    simulated, failed = scalesim.read_designs([reports], LAYERS)
    assert failed == {}
    assert simulated[SMALL].equals(scalesim.simulate(LAYERS, SMALL))


@pytest.mark.parametrize(
    ("layer", "design"),
    [
        # The single cycle of a single multiply-accumulate is numbered 0, by which SCALE-Sim divides.
        (Layer("one", 1, 1, 1, 1, 1, 1, 1, 1), "1x1_os_1kb"),
        # Two halves of the filter buffer pass in one cycle; SCALE-Sim divides by the cycles between them.
        (Layer("classifier", 1, 1, 1, 1, 2, 1000, 1, 1), "2x1000_ws_1kb"),
    ],
    ids=["1x1_os", "2x1000_ws"],
)
def test_simulator_that_stops_gives_its_reason(layer, design, tmp_path):
    layers = [Layer("before", 1, 1, 1, 1, 4, 4, 1, 1), layer]
    reason = scalesim.run(layers, Design.parse(design), tmp_path / design, timeout_s=60)
    assert reason.startswith("SCALE-Sim stopped (ZeroDivisionError: ")
    assert_failed(tmp_path / design, reason, layers)


def test_simulator_that_takes_too_long_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    folder = tmp_path / SMALL.name
    start = time.monotonic()
    reason = scalesim.run(LARGE, SMALL, folder, timeout_s=0.2)
    assert time.monotonic() - start < 5
    assert reason == "no result from SCALE-Sim after 0.2 s"
    assert_failed(folder, reason, LARGE)
    assert not multiprocessing.active_children()
    assert not list((tmp_path / "scratch").iterdir())


def test_simulator_that_is_killed_leaves_a_reason(tmp_path):
    def kill():
        while not (children := multiprocessing.active_children()):
            time.sleep(0.01)
        children[0].kill()

    killer = threading.Thread(target=kill)
    killer.start()
    reason = scalesim.run(LARGE, SMALL, tmp_path / SMALL.name, timeout_s=60)
    killer.join()
    assert reason == "SCALE-Sim died (exit code -9)"
    assert_failed(tmp_path / SMALL.name, reason, LARGE)


def test_later_success_replaces_a_failure(tmp_path):
    folder = tmp_path / SMALL.name
    assert scalesim.run(LAYERS, SMALL, folder, timeout_s=0.001)
    assert scalesim.run(LAYERS, SMALL, folder, timeout_s=60) == ""
    assert SMALL in scalesim.read_designs([folder], LAYERS)[0]


@pytest.mark.parametrize("name", [*scalesim.REPORTS, scalesim.STATUS])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut in a number", "cut after a line", "letters"])
def test_damaged_report_is_named(name, damage, reports, tmp_path):
    folder = shutil.copytree(reports, tmp_path / SMALL.name)
    report = folder / name
    text = report.read_text()
    if damage == "missing":
        report.unlink()
    elif damage == "empty":
        report.write_text("")
    elif damage == "cut in a number":
        report.write_text(text[:-4])
    elif damage == "cut after a line":
        report.write_text("".join(text.splitlines(keepends=True)[:-1]))
    else:
        report.write_text(text.replace("0", "x").replace('"', "'"))
    with pytest.raises(InputError, match=name):
        scalesim.read_designs([folder], LAYERS)


def test_folder_of_another_name_is_refused(reports, tmp_path):
    with pytest.raises(InputError, match="not of the form"):
        scalesim.read_designs([shutil.copytree(reports, tmp_path / "other")], LAYERS)
