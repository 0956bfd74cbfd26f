"""Whole networks equal onnxruntime in every tensor, under every kind of quantization; what is not exact is refused."""

from itertools import product

import numpy as np
import onnx
import pytest
from onnx import helper
from onnxruntime.quantization import QuantType

from lib.errors import InputError
from lib.fixedpoint import IntegerModel, UnsupportedModelError
from lib.fixedpoint.evaluator import reference_evaluator
from lib.fixedpoint.exactness import exactness, with_quantized_outputs
from lib.fixedpoint.golden import golden, pytorch_activations
from lib.fixedpoint.growth import bit_growth
from lib.fixedpoint.overflow import overflow_study
from lib.model.export import fold_batch_norm

NETWORKS = ["signal_model", "tiny_model", "resnet_model", "dscnn_model"]
SCHEMES = list(product(["qdq", "qoperator"], ["uint8", "int8", "int8sym"], ["tensor", "channel"]))


@pytest.mark.parametrize("scheme", SCHEMES, ids="_".join)
@pytest.mark.parametrize("fixture", NETWORKS)
def test_every_integer_and_logit_equals_onnxruntime(fixture, scheme, quantized, runtime, request):
    model = IntegerModel.from_onnx(quantized(fixture, *scheme))
    session = runtime(with_quantized_outputs(model))
    x, _ = request.getfixturevalue(fixture).dataset.test(48)
    rows = exactness(model, lambda batch: session({"input": batch}), x)
    assert {row["tensor"] for row in rows} == {*model.quantized_tensors, "logits"}
    assert {row["tensor"]: row["differing"] for row in rows} == {row["tensor"]: 0 for row in rows}


@pytest.mark.parametrize("scheme", SCHEMES, ids="_".join)
def test_logits_equal_those_of_a_session_with_default_options(scheme, quantized, runtime, tiny_model):
    path = quantized("tiny_model", *scheme)
    x, _ = tiny_model.dataset.test(48)
    ours, theirs = IntegerModel.from_onnx(path).run({"input": x}), runtime(onnx.load(path), default=True)({"input": x})
    np.testing.assert_array_equal(ours["logits"], theirs["logits"])


@pytest.mark.parametrize("fixture", NETWORKS)
def test_the_reference_kernel_equals_onnxruntime_and_stays_near_pytorch(fixture, quantized, runtime, request):
    given = request.getfixturevalue(fixture)
    model = IntegerModel.from_onnx(quantized(fixture))
    session = runtime(with_quantized_outputs(model))
    steps = [step for step in model.layers if step.run.window]
    pytorch = pytorch_activations(fold_batch_norm(given.network), steps)
    rows = golden(model, lambda batch: session({"input": batch}), pytorch, given.dataset.test(40)[0])
    assert [row["differing_from_ort"] for row in rows] == [0] * len(steps)
    # The first convolution sees only its own rounding and the input's.
    assert rows[0]["within_one_step_share"] > 0.9


@pytest.mark.parametrize("fixture", ["tiny_model", "resnet_model"])
def test_onnx_reference_evaluator_runs_the_same_integer_graph(fixture, quantized, request):
    path = quantized(fixture)
    x, _ = request.getfixturevalue(fixture).dataset.test(4)
    ours, theirs = (
        IntegerModel.from_onnx(path).run({"input": x})["logits"],
        reference_evaluator(path).run(None, {"input": x}),
    )
    # The evaluator computes factors in another order: a result near a tie may be one step off.
    assert np.mean(ours == theirs[0]) > 0.9


def test_wide_accumulators_change_nothing_and_bounds_hold(quantized, tiny_model):
    model = IntegerModel.from_onnx(quantized("tiny_model"))
    x, labels = tiny_model.dataset.test(40)
    growth = bit_growth(model, x)
    assert [row["layer"] for row in growth] == ["conv1", "conv2", "conv3", "fc"]
    for row in growth:
        assert row["observed_bits"] <= row["observed_partial_bits"] <= row["weight_bound_bits"] <= row["textbook_bits"]
    safe = max(row["weight_bound_bits"] for row in growth)
    rows = overflow_study(model, x, labels, [10, safe, 32])
    assert len(rows) == 5 * 3 * 3
    for row in rows:
        overflowed = row["accumulator_bits"] == 10
        assert (row["overflow_share"] > 0, row["logits_mse"] > 0) == (overflowed, overflowed)


def test_any_batch_and_layout_gives_the_same_logits(quantized, tiny_model):
    model = IntegerModel.from_onnx(quantized("tiny_model"))
    x, _ = tiny_model.dataset.test(5)
    together = model.run({"input": x})["logits"]
    alone = [model.run({"input": np.asfortranarray(x[i : i + 1])})["logits"] for i in range(5)]
    np.testing.assert_array_equal(together, np.concatenate(alone))
    assert model.run({"input": x[:0]})["logits"].shape == (0, 10)


@pytest.mark.parametrize(
    ("feeds", "message"),
    [
        ({"image": np.zeros((1, 3, 32, 32), np.float32)}, "input"),
        ({"input": np.zeros((1, 3, 32, 31), np.float32)}, "shape"),
        ({"input": np.zeros((3, 32, 32), np.float32)}, "shape"),
        ({"input": np.zeros((1, 3, 32, 32))}, "float32"),
        ({"input": np.full((1, 3, 32, 32), np.nan, np.float32)}, "NaN"),
        ({"input": np.full((1, 3, 32, 32), np.inf, np.float32)}, "infinity"),
    ],
)
def test_bad_inputs_are_refused(feeds, message, quantized):
    with pytest.raises(InputError, match=message):
        IntegerModel.from_onnx(quantized("tiny_model")).run(feeds)


@pytest.mark.parametrize(
    "options", [{"requantization": "float16"}, {"accumulator_bits": 33}, {"accumulator_bits": 1}, {"overflow": "clip"}]
)
def test_unknown_options_are_refused(options, quantized):
    with pytest.raises(InputError):
        IntegerModel.from_onnx(quantized("tiny_model"), **options)


def test_a_float_model_is_refused_by_node(tiny_model):
    with pytest.raises(UnsupportedModelError, match=r"'fc' \(Gemm\)"):
        IntegerModel.from_onnx(tiny_model.path)


def test_a_softmax_head_is_refused_by_name(quantized, tmp_path):
    model = onnx.load(quantized("tiny_model"))
    model.graph.node.append(helper.make_node("Softmax", ["logits"], ["probabilities"], name="head"))
    model.graph.output[0].name = "probabilities"
    onnx.save(model, tmp_path / "softmax.onnx")
    with pytest.raises(UnsupportedModelError, match=r"'head' \(Softmax\)"):
        IntegerModel.from_onnx(tmp_path / "softmax.onnx")


def test_sixteen_bit_activations_are_refused(quantize, tiny_model, tmp_path):
    quantize(
        tiny_model,
        tmp_path / "wide.onnx",
        activation_type=QuantType.QUInt16,
        extra_options={"UseQDQContribOps": False},
    )
    with pytest.raises(UnsupportedModelError, match="uint16"):
        IntegerModel.from_onnx(tmp_path / "wide.onnx")


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "broken.onnx").write_bytes(b"not a model")
    with pytest.raises(InputError, match=r"broken\.onnx"):
        IntegerModel.from_onnx(tmp_path / "broken.onnx")
