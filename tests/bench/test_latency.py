"""The interleaved timer and the tables of a comparison."""

import gc
import os
import shutil

import numpy as np
import pytest

from lib.bench.compare import measure_accuracy, measure_latency
from lib.bench.latency import interleaved, pinned, summary
from lib.bench.machine import facts

COLUMNS = ["scheme", "format", "activation", "granularity", "calibration"]


def test_every_round_times_every_call_once_right_after_its_warmup_in_changing_order():
    called = []
    calls = [lambda name=name: called.append(name) for name in "abcd"]
    warmups = [lambda name=name: called.append(name.upper()) for name in "abcd"]
    seconds = interleaved(calls, warmups, rounds=20, rng=np.random.default_rng(0))
    assert seconds.shape == (20, 4) and (seconds >= 0).all()
    pairs = list(zip(called[::2], called[1::2], strict=True))
    assert all(warm == timed.upper() for warm, timed in pairs)
    rounds = [tuple(timed for _, timed in pairs[start : start + 4]) for start in range(0, len(pairs), 4)]
    assert len(rounds) == 21 and all(sorted(order) == list("abcd") for order in rounds)
    assert len(set(rounds)) > 10


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="cores cannot be chosen on this system")
def test_pinning_ends_with_the_block_even_on_failure():
    before = os.sched_getaffinity(0)
    with pytest.raises(KeyError), pinned():
        assert len(os.sched_getaffinity(0)) == 1 and not gc.isenabled()
        raise KeyError
    assert os.sched_getaffinity(0) == before and gc.isenabled()


def test_speedup_is_the_median_of_ratios_within_rounds():
    # One disturbed round slows both models tenfold: the paired ratio does not notice.
    model, reference = np.array([1.0, 1.0, 10.0]), np.array([2.0, 2.0, 20.0])
    found = summary(model / 1000, reference / 1000)
    assert found["speedup"] == 2.0
    assert (found["p50_ms"], found["min_ms"]) == (1.0, 1.0)
    assert found["mean_ms"] == pytest.approx(4.0) and found["std_ms"] == pytest.approx(np.std(model, ddof=1))


@pytest.fixture
def models(signal_model, tmp_path):
    """Float32, and the same file under the names of two schemes."""
    paths = [tmp_path / "qdq_int8_tensor_minmax.onnx", tmp_path / "qoperator_uint8_channel_entropy.onnx"]
    for path in paths:
        shutil.copy(signal_model.path, path)
    return signal_model.path, paths


def test_latency_table_has_a_row_for_every_model_and_batch(models, signal_model):
    inputs, _ = signal_model.dataset.test()
    table = measure_latency(*models, inputs, batch=8, rounds=20, seed=1)
    statistics = ["mean_ms", "std_ms", "p50_ms", "p90_ms", "p99_ms", "min_ms", "speedup"]
    assert table.columns.tolist() == [*COLUMNS, "batch", "rounds", *statistics]
    assert table.groupby("batch").scheme.apply(list).to_dict() == {
        batch: ["float32", "qdq_int8_tensor_minmax", "qoperator_uint8_channel_entropy"] for batch in (1, 8)
    }
    ordered = table[["min_ms", "p50_ms", "p90_ms", "p99_ms"]].to_numpy()
    assert (np.diff(ordered, axis=1) >= 0).all() and (ordered > 0).all()
    assert (table[table.scheme == "float32"].speedup == 1).all()


def test_accuracy_table_counts_and_sizes(models, signal_model):
    inputs, labels = signal_model.dataset.test()
    table, predictions = measure_accuracy(*models, inputs, labels, threads=2)
    assert table.columns.tolist() == [*COLUMNS, "samples", "accuracy", "ci_low", "ci_high", "size_kb"]
    assert table.accuracy.nunique() == 1 and (table.samples == len(labels)).all()
    assert (table.size_kb == signal_model.path.stat().st_size / 1000).all()
    assert table.activation.tolist() == ["", "int8", "uint8"]
    assert list(predictions) == table.scheme.tolist()
    assert [float(np.mean(found == labels)) for found in predictions.values()] == table.accuracy.tolist()


def test_machine_facts_name_no_host_and_no_path():
    text = str(facts())
    assert os.uname().nodename not in text and "/" not in text.replace("\\", "/").replace("w/", "")
    assert facts()["packages"]["numpy"] == np.__version__
