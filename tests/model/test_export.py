"""The exported graph computes what PyTorch computes and is ready for integer execution."""

import onnx
import pytest
import torch

from lib.errors import InputError
from lib.graph import load
from lib.model.export import compare, fold_batch_norm, to_onnx
from lib.model.networks import NETWORKS, build, restore

MODELS = ["signal_model", "tiny_model", "resnet_model", "dscnn_model"]


@pytest.fixture(params=MODELS)
def model(request):
    return request.getfixturevalue(request.param)


def test_onnxruntime_agrees_with_pytorch_at_any_batch_size(model):
    inputs, _ = model.dataset.test(33)
    for samples in (1, 33):
        result = compare(model.network, model.path, inputs[:samples])
        # Both sides round float32 sums of at most 576 products in different orders.
        assert result["max_abs_difference"] < 1e-4
        assert result["same_class_share"] == 1


def test_comparison_notices_other_weights(tiny_model):
    other = build("tiny_cnn_2d", 10, seed=9).eval()
    assert compare(other, tiny_model.path, tiny_model.dataset.test(8)[0])["max_abs_difference"] > 1e-3


def test_graph_keeps_only_operators_that_become_integer(model):
    operators = {node.op_type for node in load(model.path).nodes}
    assert operators <= {"Conv", "Relu", "MaxPool", "Add", "GlobalAveragePool", "Flatten", "Gemm"}


def test_layers_are_named_after_modules(model):
    modules = dict(model.network.named_modules())
    for layer in load(model.path).layers:
        assert tuple(modules[layer.name].weight.shape) == layer.weight_shape


def test_macs_equal_those_counted_by_hooks(model):
    counted = {}

    def count(name):
        def hook(module, inputs, output):
            counted[name] = output[0].numel() * module.weight[0].numel()

        return hook

    for name, module in model.network.named_modules():
        if hasattr(module, "weight") and module.weight.ndim > 1:
            module.register_forward_hook(count(name))
    with torch.inference_mode():
        model.network(torch.from_numpy(model.dataset.test(1)[0]))
    assert {layer.name: layer.macs for layer in load(model.path).layers} == counted


def test_folding_batch_norm_keeps_the_function(resnet_model):
    x = torch.from_numpy(resnet_model.dataset.test(16)[0])
    with torch.inference_mode():
        torch.testing.assert_close(fold_batch_norm(resnet_model.network)(x), resnet_model.network(x))


def test_export_is_byte_identical_and_carries_no_source_paths(tmp_path):
    for name in ("a.onnx", "b.onnx"):
        to_onnx(build("signal_cnn_1d", 5), tmp_path / name)
    first = (tmp_path / "a.onnx").read_bytes()
    assert first == (tmp_path / "b.onnx").read_bytes()
    assert b".py" not in first
    assert onnx.load(tmp_path / "a.onnx").opset_import[0].version == 20


@pytest.mark.parametrize("name", NETWORKS)
def test_saved_weights_restore_the_network(name, tmp_path):
    network = build(name, 7, seed=3).eval()
    torch.save(network.state_dict(), tmp_path / "w.pth")
    x = torch.randn(2, *network.input_shape)
    with torch.inference_mode():
        assert torch.equal(restore(name, tmp_path / "w.pth")(x), network(x))


@pytest.mark.parametrize("damage", ["truncated", "other network", "pickled object", "not finite"])
def test_damaged_weights_are_refused_in_one_line(damage, tmp_path):
    path = tmp_path / "w.pth"
    weights = build("tiny_cnn_2d", 10).state_dict()
    if damage == "not finite":
        weights["conv2.weight"][0, 0, 0, 0] = float("nan")
    torch.save(build("tiny_cnn_2d", 10) if damage == "pickled object" else weights, path)
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:1000])
    name = "resnet8" if damage == "other network" else "tiny_cnn_2d"
    with pytest.raises(InputError) as error:
        restore(name, path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)
