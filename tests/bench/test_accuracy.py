"""Accuracy, its interval, and the refusal of damaged models."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.bench.accuracy import correct, wilson
from lib.bench.session import open_session
from lib.errors import InputError


@pytest.mark.parametrize(
    ("hits", "samples", "low", "high"),
    # Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_equals_published_values(hits, samples, low, high):
    assert wilson(hits, samples) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_holds_the_share_and_stays_within_zero_and_one(case):
    hits, samples = case
    low, high = wilson(hits, samples)
    assert 0 <= low <= hits / samples <= high <= 1


def test_accuracy_equals_direct_computation_whatever_the_batch(signal_model):
    session = open_session(signal_model.path)
    inputs, labels = signal_model.dataset.test()
    (logits,) = session.run(None, {"input": inputs})
    expected = int(np.sum(np.argmax(logits, axis=1) == labels))
    assert correct(session, inputs, labels) == correct(session, inputs, labels, threads=2, batch=7) == expected


def test_damaged_model_is_refused_in_one_line(tmp_path):
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(InputError, match=r"broken\.onnx: ONNX Runtime cannot load it") as caught:
        open_session(path)
    assert "\n" not in str(caught.value)
