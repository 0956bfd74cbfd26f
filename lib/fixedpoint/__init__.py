"""Integer execution of quantized models: exact against onnxruntime, and what narrow accumulators cost."""

from lib.fixedpoint.arithmetic import accumulator_bits, saturate, wrap
from lib.fixedpoint.errors import UnsupportedModelError
from lib.fixedpoint.model import IntegerModel

__all__ = ["IntegerModel", "UnsupportedModelError", "accumulator_bits", "saturate", "wrap"]
