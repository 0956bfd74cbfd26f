"""Accuracy, its interval, and the refusal of damaged models."""

import numpy as np
import pytest

from lib.bench.accuracy import correct
from lib.bench.session import open_session
from lib.errors import InputError


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
