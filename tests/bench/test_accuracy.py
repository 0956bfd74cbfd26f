"""The classes that models name, and the refusal of damaged models."""

import numpy as np
import pytest

from lib.bench.accuracy import classes
from lib.bench.session import open_session
from lib.errors import InputError


def test_classes_equal_direct_computation_whatever_the_batch(signal_model):
    session = open_session(signal_model.path)
    inputs, _ = signal_model.dataset.test()
    (logits,) = session.run(None, {"input": inputs})
    expected = np.argmax(logits, axis=1)
    np.testing.assert_array_equal(classes(session, inputs), expected)
    np.testing.assert_array_equal(classes(session, inputs, threads=2, batch=7), expected)


def test_damaged_model_is_refused_in_one_line(tmp_path):
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(InputError, match=r"broken\.onnx: ONNX Runtime cannot load it") as caught:
        open_session(path)
    assert "\n" not in str(caught.value)
