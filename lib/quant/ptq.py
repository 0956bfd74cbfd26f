"""Static post-training quantization through ONNX Runtime's own graph rewriters."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.calibrate import TensorsData, save_tensors_data

from lib.files import whole
from lib.graph import Graph
from lib.quant.calibrate import Range
from lib.quant.scheme import Scheme

FORMATS = {"qdq": QuantFormat.QDQ, "qoperator": QuantFormat.QOperator}


def quantize(
    graph: Graph,
    ranges: dict[str, Range],
    scheme: Scheme,
    nodes: Sequence[str] = (),
    reduce_range: bool = False,
) -> onnx.ModelProto:
    """The float model `graph`, quantized as `scheme` says.

    ranges : (low, high) of every activation, by tensor name; one that is always 0 counts as 0 ... 1
    nodes : names of the nodes to quantize; all by default
    reduce_range : weights of 7 bits, whose products CPUs without VNNI add without saturation

    >>> from lib.examples import float_graph, observations
    >>> ranges = {tensor: seen.limits for tensor, seen in observations().items()}
    >>> found = Graph(quantize(float_graph(), ranges, Scheme.parse("qdq_uint8_channel_minmax")))
    >>> low, high = ranges["input"]
    >>> round(float(found.initializers["input_scale"]), 6), round(float(high - low) / 255, 6)
    (0.021105, 0.021105)
    """
    # ONNX Runtime gives a range without width scale 1 and zero point 0. For int8 that would lose the Relu which its
    # rewriters drop, counting on the clipping at the zero point; any width keeps the zero exact and the Relu in place.
    ranges = {name: limits if any(limits) else (0, 1) for name, limits in ranges.items()}
    data = {name: tuple(np.asarray(limit, np.float32) for limit in limits) for name, limits in ranges.items()}
    with tempfile.TemporaryDirectory() as folder:
        # ONNX Runtime takes ready ranges as the cache of an earlier calibration; for it they are all MinMax.
        cache, output = Path(folder, "ranges.json"), Path(folder, "model.onnx")
        save_tensors_data(TensorsData(CalibrationMethod.MinMax, data), cache)
        quantize_static(
            # Given a path, it would write a temporary file beside the model, where parallel jobs collide.
            graph.model,
            output,
            calibration_data_reader=None,
            calibration_cache_path=cache,
            quant_format=FORMATS[scheme.format],
            activation_type=QuantType.QInt8 if scheme.signed else QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=scheme.granularity == "channel",
            reduce_range=reduce_range,
            nodes_to_quantize=list(nodes),
            extra_options={"ActivationSymmetric": scheme.symmetric},
        )
        return onnx.load(output)


def save(model: onnx.ModelProto, path: str | Path) -> None:
    """Check a quantized model and write it, whole or not at all.

    >>> from lib.examples import folder, low_bit_model
    >>> model = low_bit_model().to_onnx()
    >>> save(model, folder() / "saved.onnx")
    >>> onnx.load(folder() / "saved.onnx") == model
    True
    """
    onnx.checker.check_model(model)
    with whole(path) as temporary:
        onnx.save(model, temporary)
