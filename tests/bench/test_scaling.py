"""Costs are measured in processes of their own, and exponents are those of the power laws behind them."""

import importlib
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lib import examples
from lib.arch import scaling as arch
from lib.arch import space, topology
from lib.bench import scaling as bench
from lib.bench.exponent import exponents
from lib.bench.process import measure
from lib.fixedpoint import scaling as fixedpoint
from lib.quant import scaling as quant
from lib.report.figures.scaling import scaling
from lib.report.render import render
from lib.report.style import save

ROOT = Path(__file__).parents[2]
SIZES = yaml.safe_load((ROOT / "tests/tiny.yaml").read_text())["scaling"]
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())["arch"]
STEPS = """
import time


def hold(size, text):
    return 2 * size, lambda: text * size


def pause(size):
    return size, lambda: time.sleep(size / 1000)


def tick(size):
    now = [0.0]
    time.perf_counter = lambda: now[0]

    def call():
        now[0] += size

    now[0] += 100
    return size, call


def fail(size):
    raise ValueError(f"nothing of size {size}")
"""
# The steps of the design space, in smaller blocks and called once.
BLOCKS = """
import __main__
from lib.arch import scaling, space

__main__.REPEATS = 1
space.CELLS = space.ROWS = 1 << 15


def cost_designs(*given, **named):
    return scaling.cost_designs(*given, **named)


def choose_designs(*given, **named):
    return scaling.choose_designs(*given, **named)


def study_designs(*given, **named):
    return scaling.study_designs(*given, **named)
"""


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.fixture
def steps(request, tmp_path, monkeypatch):
    (tmp_path / "steps_of_a_test.py").write_text(getattr(request, "param", STEPS))
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{tmp_path}")
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("steps_of_a_test")
    del sys.modules["steps_of_a_test"]


def test_memory_is_the_measured_process_alone(steps):
    here = np.ones(25_000_000)  # 200 MB that are not the other process's
    small, large = (measure(steps.hold, size, text="x" * 1000) for size in (1, 300_000))
    assert here.all() and small.peak_mb < 100
    assert 290 < large.peak_mb - small.peak_mb < 330
    assert (small.size, large.size) == (2, 600_000)


def test_time_is_that_of_the_call(steps):
    begin = time.perf_counter()
    measured = measure(steps.pause, 200).seconds
    assert 0.2 <= measured < time.perf_counter() - begin
    assert measure(steps.tick, 2).seconds == 2  # by a clock of its own, which runs in the preparation, too


def test_failure_says_what_the_process_said(steps):
    with pytest.raises(RuntimeError, match="steps_of_a_test:fail with size 7: ValueError: nothing of size 7"):
        measure(steps.fail, 7)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.floats(0.0, 3.0), st.floats(1e-3, 1e3), st.integers(3, 9))
def test_exponents_are_those_of_the_power_law(exponent, factor, count):
    sizes = np.logspace(1, 5, count).round()
    table = pd.DataFrame({"step": "a", "size": sizes, "seconds": factor * sizes**exponent, "peak_mb": 100.0})
    found = exponents(table)
    np.testing.assert_allclose(found.seconds_exponent, exponent, atol=1e-9)
    np.testing.assert_allclose(found[["seconds_error", "peak_mb_exponent", "peak_mb_error"]], 0, atol=1e-7)
    assert found.fitted.sum() == max(3, (sizes >= np.sqrt(sizes.min() * sizes.max())).sum())


def test_constant_costs_of_small_sizes_leave_the_exponent_alone():
    sizes = np.array([10, 100, 1000, 10_000, 100_000, 1_000_000])
    table = pd.DataFrame({"step": "a", "size": sizes, "seconds": 0.01 + 1e-4 * sizes, "peak_mb": 50.0})
    found = exponents(table.sample(frac=1, random_state=0))
    assert found.seconds_exponent.iloc[0] == pytest.approx(1, abs=0.02) and found.seconds_error.iloc[0] > 0
    assert found[found.fitted == 1]["size"].min() == 10_000


def test_two_sizes_have_no_exponent():
    table = pd.DataFrame({"step": ["a", "a"], "size": [1, 2], "seconds": [1.0, 2.0], "peak_mb": [1.0, 1.0]})
    assert exponents(table).seconds_exponent.isna().all()


@pytest.mark.parametrize("size", [*SIZES["designs"], 30_000])
def test_grown_space_has_about_as_many_designs_between_the_same_ends(size):
    axes = arch.grown(CONFIG["space"], size)
    assert size / 2 <= len(space.every(axes)) <= 2 * size
    for name, values in axes.items():
        if name != "dataflows":
            assert min(CONFIG["space"][name]) <= min(values) and max(values) == max(CONFIG["space"][name])


def arch_settings(folder: Path) -> tuple[dict, dict]:
    node = {"technology_csv": str(ROOT / "lib/arch/technology.csv"), "node_nm": 45, "axes": CONFIG["space"]}
    topology.write([topology.Layer("conv", 18, 18, 3, 3, 3, 8, 1, 1)], folder / "topology.csv")
    return node, {"topology_csv": str(folder / "topology.csv")}


def test_steps_of_the_design_space_follow_each_other(tmp_path):
    node, layers = arch_settings(tmp_path)
    for size in SIZES["designs"]:
        for prepare, given_ in (
            (arch.cost_designs, node | layers),
            (arch.choose_designs, {"constraints": CONFIG["constraints"]}),
            (arch.study_designs, {}),
        ):
            count, call = prepare(size, folder=str(tmp_path), **given_)
            call()
            assert count == sum(map(len, space.read(tmp_path / f"{size}.parquet")))
        assert pd.read_csv(tmp_path / f"{size}.csv").constraint.tolist() == [c["name"] for c in CONFIG["constraints"]]


@pytest.mark.parametrize("steps", [BLOCKS], indirect=True, ids=["blocks"])
def test_memory_of_a_sweep_does_not_grow_with_the_designs(steps, tmp_path):
    node, layers = arch_settings(tmp_path)
    few, many = (
        [
            measure(steps.cost_designs, size, folder=str(tmp_path), **node, **layers),
            measure(steps.choose_designs, size, folder=str(tmp_path), constraints=CONFIG["constraints"]),
            measure(steps.study_designs, size, folder=str(tmp_path)),
        ]
        for size in (150_000, 600_000)  # both more than the blocks in flight, whose number the space does not change
    )
    for before, after in zip(few, many, strict=True):
        held = 170e-6 * (after.size - before.size)  # MB, if the designs between the two were kept: 170 bytes each
        assert held > 70
        assert after.peak_mb - before.peak_mb < min(35, held / 2)


def test_deep_networks_have_as_many_layers_as_asked_for(tmp_path):
    node, _ = arch_settings(tmp_path)
    for size in SIZES["layers"]:
        read, count, cost = (
            prepare(size, folder=str(tmp_path), **given_)[1]
            for prepare, given_ in ((arch.read_layers, {}), (arch.count_layers, {}), (arch.cost_layers, node))
        )
        assert len(read()) == len(count()) == size
        designs, possible = cost()
        assert arch.DESIGNS / 2 <= designs <= 2 * arch.DESIGNS and possible > 0


def test_samples_are_as_many_as_asked_for():
    quantized, float32 = str(examples.quantized_model()), str(examples.float_model())
    for size in SIZES["images"]:
        assert {len(values) for values in fixedpoint.run(size, quantized)[1]().values()} == {size}
        assert {len(values) for values in fixedpoint.trace(size, quantized)[1]().values()} == {size}
        assert len(bench.accuracy(size, quantized)[1]()) == size
        ranges, histograms = quant.calibration(size, float32, percentile=99.9, entropy_bins=128)[1]()
        assert set(ranges.calibration) == {"minmax", "percentile", "entropy"}
        inputs = histograms[(histograms.kind == "activation") & (histograms.tensor == "input")]
        assert inputs["count"].sum() == size * 64


def test_jobs_are_run_once_and_then_there_is_nothing_to_do(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    jobs = importlib.import_module("workflow_scripts.scaling_jobs")
    size = SIZES["jobs"][-1]
    given_ = {"cores": 1, "folder": str(tmp_path)}
    made = tmp_path / f"jobs-{size}" / "made"
    jobs.plan(size, **given_)[1]()
    assert not made.exists()
    jobs.run(size, **given_)[1]()
    times = {path.name: path.stat().st_mtime_ns for path in made.iterdir()}
    assert set(times) == set(map(str, range(size)))
    jobs.nothing_to_do(size, **given_)[1]()
    assert {path.name: path.stat().st_mtime_ns for path in made.iterdir()} == times
    with pytest.raises(RuntimeError, match="snakemake: "):
        jobs._snakemake(size, 1, str(tmp_path), "--no-such-option")


@pytest.fixture
def made_up():
    rng = np.random.default_rng(0)
    steps = {
        "designs": ["cost and write designs", "front and winners", "sensitivities and returns"],
        **{"layers": ["read"], "images": ["run the integer engine"], "jobs": ["plan", "run", "nothing to do"]},
    }
    rows = [
        {"axis": axis, "step": step, "size": size, "seconds": size / 700 + rng.random(), "peak_mb": 90 + size / 10}
        for axis, names in steps.items()
        for step in names
        for size in (10, 100, 1000, 10_000)
    ]
    return exponents(pd.DataFrame(rows))


def test_figure_says_the_exponents(made_up, tmp_path):
    figure = scaling(made_up)
    shown = [text.get_text() for axes in figure.axes for text in axes.get_legend().get_texts()]
    assert len(figure.axes) == 8 and len(shown) == 2 * made_up.step.nunique()
    for row in made_up.itertuples():
        assert f"{row.step}: exponent {row.seconds_exponent:.2f} ± {row.seconds_error:.2f}" in shown
    save(figure, tmp_path / "scaling.png")


def test_page_names_the_machine_and_the_largest_sweep(made_up):
    machine = {"cpu": "Some CPU", "cores": 2, "memory_gb": 8, "system": "Linux", "python": "3.11", "packages": {}}
    context = {"scaling": made_up, "machine": machine, "workload": "tiny_cnn_2d", "figure": "scaling.png"}
    text = render(ROOT / "docs/scaling.md.j2", context)
    assert "Some CPU, 2 cores" in text and "![" in text
    assert "**Design spaces of any size fit.** 10,000 designs" in text
    assert text.count("\n| designs |") == 3 and "nan" not in text
