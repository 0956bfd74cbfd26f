"""What grows in this stage with the number of samples (measured by lib.bench.process)."""

from collections.abc import Callable

import numpy as np

from lib.fixedpoint.model import IntegerModel


def run(size: int, model: str) -> tuple[int, Callable]:
    """The integer model's outputs for `size` samples of noise, on one thread.

    >>> from lib.examples import quantized_model
    >>> count, call = run(5, quantized_model())
    >>> count, {name: values.shape for name, values in call().items()}
    (5, {'logits': (5, 3)})
    """
    program, feeds = _program(size, model)
    return size, lambda: program.run(feeds)


def trace(size: int, model: str) -> tuple[int, Callable]:
    """All its quantized tensors.

    >>> from lib.examples import quantized_model
    >>> count, call = trace(5, quantized_model())
    >>> count, sorted(call())[:3]
    (5, ['features_quantized', 'flat_quantized', 'input_quantized'])
    """
    program, feeds = _program(size, model)
    return size, lambda: program.trace(feeds)


def _program(size: int, model: str) -> tuple[IntegerModel, dict[str, np.ndarray]]:
    program = IntegerModel.from_onnx(model)
    (name,) = program.graph.inputs
    x = np.random.default_rng(0).standard_normal((size, *program.graph.shapes[name][1:]), np.float32)
    program.run({name: x[:1]})  # compiles the kernels
    return program, {name: x}
