"""Ranges of whole models against ONNX Runtime's calibrators, and the distributions."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationMethod
from onnxruntime.quantization.calibrate import create_calibrator

from lib.errors import InputError
from lib.quant import calibrate
from lib.quant.activations import activations, load_finite
from lib.quant.ranges import activation_ranges, observe


@pytest.mark.parametrize("method", ["MinMax", "Percentile", "Entropy"])
def test_ranges_equal_onnxruntime(calibrated, reader, method, tmp_path, capsys):
    calibrator = create_calibrator(
        calibrated.path,
        augmented_model_path=str(tmp_path / "augmented.onnx"),
        calibrate_method=CalibrationMethod[method],
        extra_options={"percentile": calibrated.percentile} if method == "Percentile" else {},
    )
    calibrator.collect_data(reader)
    expected = calibrator.compute_data()
    found = calibrated.ranges[method.lower()]
    assert set(found) == set(expected.keys())
    for tensor, (low, high) in found.items():
        assert (low, high) == (expected[tensor].lowest, expected[tensor].highest), tensor


def test_distributions_count_every_value(calibrated):
    counts = calibrated.histograms.groupby(["kind", "layer"])["count"].sum()
    for layer in calibrated.graph.layers:
        assert counts["weight", layer.name] == np.prod(layer.weight_shape)
        assert counts["activation", layer.name] == len(calibrated.inputs) * np.prod(layer.input_shape)


def test_every_tensor_between_nodes_is_seen(calibrated):
    samples = calibrated.inputs[:70]
    batches = list(activations(calibrated.graph, samples))
    assert set(batches[0]) == {"input", *(name for node in calibrated.graph.nodes for name in node.output)}
    for tensor in batches[0]:
        assert sum(len(batch[tensor]) for batch in batches) == len(samples)
    np.testing.assert_array_equal(np.concatenate([batch["input"] for batch in batches]), samples)


def test_a_weight_that_is_not_finite_is_named(tiny_model, tmp_path):
    model = onnx.load(tiny_model.path)
    for tensor in model.graph.initializer:
        if tensor.name == "conv2.weight":
            values = numpy_helper.to_array(tensor).copy()
            values[0, 0, 0, 0] = np.nan
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    onnx.save(model, tmp_path / "nan.onnx")
    with pytest.raises(InputError, match=r"nan\.onnx: weight conv2\.weight contains NaN"):
        load_finite(tmp_path / "nan.onnx")


def test_inputs_that_are_not_finite_are_refused(calibrated):
    with pytest.raises(InputError, match="NaN or infinity"):
        observe(calibrated.graph, np.full_like(calibrated.inputs[:2], np.nan), 99.9, entropy_bins=128)


@pytest.mark.parametrize("calibrated", ["signal"], indirect=True)  # ONNX Runtime's search takes 15 s on the others
def test_entropy_over_more_bins_equals_onnxruntime(calibrated, reader, tmp_path):
    calibrator = create_calibrator(
        calibrated.path,
        augmented_model_path=str(tmp_path / "augmented.onnx"),
        calibrate_method=CalibrationMethod.Entropy,
        extra_options={"num_bins": 2048},
    )
    calibrator.collect_data(reader)
    expected = calibrator.compute_data()
    table, _ = observe(calibrated.graph, calibrated.inputs, percentile=99.9, entropy_bins=2048)
    found = table[table["calibration"] == "entropy"].set_index("tensor")
    assert any(found["high"] != table[table["calibration"] == "minmax"].set_index("tensor")["high"])
    for tensor, low, high in found[["low", "high"]].itertuples():
        assert (low, high) == (expected[tensor].lowest, expected[tensor].highest), tensor


@pytest.mark.parametrize("calibrated", ["signal", "dscnn"], indirect=True)
@pytest.mark.parametrize(
    "calibration, calibrator",
    [
        ("minmax", lambda batches, bits: calibrate.minmax(batches)),
        ("percentile 99", lambda batches, bits: calibrate.percentile(batches, 99)),
        ("percentile 99.99", lambda batches, bits: calibrate.percentile(batches, 99.99)),
        ("entropy", lambda batches, bits: calibrate.entropy(batches, bins=2048)),
        ("mse", lambda batches, bits: calibrate.mse(batches, bits)),
    ],
)
def test_activation_ranges_are_those_of_the_calibrators(calibrated, calibration, calibrator):
    """Though all share two histograms, and Entropy's is put together from finer bins."""
    layer = calibrated.graph.layers[-1]
    bits = {"input": 8, layer.input: 4, layer.output: 2}
    found = activation_ranges(calibrated.graph, calibrated.inputs, calibration, bits)
    batches = list(activations(calibrated.graph, calibrated.inputs))
    assert found == {tensor: calibrator([batch[tensor] for batch in batches], bits[tensor]) for tensor in bits}


@pytest.mark.parametrize("calibrated", ["signal"], indirect=True)
def test_mse_ranges_are_narrower_at_fewer_bits(calibrated):
    tensor = calibrated.graph.layers[1].input
    ranges = [activation_ranges(calibrated.graph, calibrated.inputs, "mse", {tensor: bits}) for bits in (2, 4, 8)]
    highs = [found[tensor][1] for found in ranges]
    assert highs == sorted(highs) and highs[0] < highs[-1]


@pytest.mark.parametrize("calibrated", ["signal"], indirect=True)
@pytest.mark.parametrize("name", ["", "median", "percentile"])
def test_unknown_calibrations_are_refused(calibrated, name):
    with pytest.raises(InputError, match="choose minmax, percentile <share>, entropy or mse"):
        activation_ranges(calibrated.graph, calibrated.inputs[:2], name, {"input": 8})
