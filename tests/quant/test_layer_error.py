"""Tables of errors per layer and of sensitivity."""

import numpy as np
import pytest

from lib.quant.layer_error import layer_errors
from lib.quant.scheme import PARTS, Scheme
from lib.quant.sensitivity import sensitivity


@pytest.fixture(scope="module")
def errors(calibrated):
    schemes = [
        Scheme("qdq", activation, granularity, calibration)
        for activation in PARTS["activation"]
        for granularity in PARTS["granularity"]
        for calibration in PARTS["calibration"]
    ]
    return layer_errors(calibrated.graph, calibrated.inputs, calibrated.ranges, schemes)


def test_every_layer_has_its_two_operands_under_every_scheme(calibrated, errors):
    assert list(errors) == [
        *("scheme", "format", "activation", "granularity", "calibration"),
        *("layer", "kind", "tensor", "low", "high", "mse", "sqnr_db"),
    ]
    assert len(errors) == 18 * 2 * len(calibrated.graph.layers)
    assert not errors.duplicated(["scheme", "layer", "kind"]).any()


def test_channels_of_their_own_scale_lose_less(errors):
    weights = errors[errors.kind == "weight"].pivot_table(index="layer", columns="granularity", values="mse")
    assert (weights.channel < weights.tensor).all()


def test_finer_steps_lose_less(errors):
    """A symmetric int8 range spends half of its integers on values that a rectified activation never takes."""
    rows = errors[(errors.kind == "activation") & (errors.calibration == "minmax") & (errors.low == 0)]
    sqnr = rows.pivot_table(index="layer", columns="activation", values="sqnr_db")
    assert len(sqnr) and (sqnr.uint8 - sqnr.int8sym).between(4, 8).all()
    np.testing.assert_allclose(sqnr.uint8, sqnr.int8, atol=1e-6)


def test_minmax_error_is_at_most_half_a_step(errors):
    rows = errors[(errors.kind == "activation") & (errors.calibration == "minmax") & (errors.activation == "uint8")]
    step = (rows.high.clip(lower=0) - rows.low.clip(upper=0)).astype(float) / 255
    assert (rows.mse <= (step / 2) ** 2 * 1.001).all()


def test_sensitivity_has_a_row_per_layer(calibrated):
    x, labels = calibrated.dataset.test(64)
    scheme = Scheme.parse("qoperator_uint8_channel_minmax")
    table = sensitivity(calibrated.graph, x, labels, calibrated.ranges["minmax"], scheme)
    assert list(table.layer) == [layer.name for layer in calibrated.graph.layers]
    np.testing.assert_allclose(table.drop_points, 100 * (table.float32_accuracy - table.accuracy))
    assert table.sqnr_db.between(10, 80).all()
    assert (table.samples == 64).all()
