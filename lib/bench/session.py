"""ONNX Runtime sessions as the benchmark opens them."""

from pathlib import Path

import onnxruntime as ort

from lib.errors import InputError


def open_session(path: str | Path, threads: int = 1) -> ort.InferenceSession:
    """A CPU session of `threads` threads; one thread is the calling one.

    Raises InputError where ONNX Runtime cannot load the file.

    >>> from lib.examples import float_model
    >>> [output.name for output in open_session(float_model()).get_outputs()]
    ['logits']
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    # Else its threads keep their cores busy for a while after each call, and slow down what is timed next.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.log_severity_level = 3
    try:
        return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a dozen unrelated types for damaged models
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"{path}: ONNX Runtime cannot load it ({reason}); delete it to have it made again") from error
