"""Any network: published sizes come out, operators that do not map are listed, and a config entry is all it takes."""

import re
import subprocess
import sys
from pathlib import Path

import onnx
import pandas as pd
import pytest
import yaml
from onnx import TensorProto, helper

from lib.arch.coverage import coverage
from lib.arch.topology import from_onnx
from lib.config import check, onnx_file
from lib.errors import InputError

ROOT = Path(__file__).parents[2]
PACKAGED = "backend/test/data/light/light_{}.onnx"  # in the package onnx: shapes, with weights made by ConstantOfShape


def network(name: str) -> Path:
    return Path(onnx.__file__).parent / PACKAGED.format(name)


def model(
    path: Path, nodes: list, shapes: dict[str, list], outputs: dict[str, list], domains: tuple[str, ...] = ()
) -> Path:
    """A graph of `nodes`; tensors called w… are weights, whose values are absent."""
    absent = {}
    for name, shape in shapes.items():
        if name.startswith("w"):
            absent[name] = TensorProto(name=name, dims=shape, data_type=TensorProto.FLOAT)
            absent[name].data_location = TensorProto.EXTERNAL
            absent[name].external_data.add(key="location", value="absent.bin")
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes[name]) for name in shapes if name not in absent],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        list(absent.values()),
    )
    opsets = [helper.make_opsetid("", 20), *(helper.make_opsetid(domain, 1) for domain in domains)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return path


# Layers with weights and 10^9 multiply-accumulates: He et al., CVPR 2016 (with the stride in the 3x3 convolutions);
# Simonyan and Zisserman, ICLR 2015; Huang et al., CVPR 2017; Szegedy et al., CVPR 2015.
PUBLISHED = {"resnet50": (54, 4.09), "vgg19": (19, 19.63), "densenet121": (121, 2.83), "inception_v1": (58, 1.43)}


@pytest.mark.parametrize("name", PUBLISHED)
def test_known_networks_have_their_published_size(name):
    layers, (count, gmacs) = from_onnx(network(name)), PUBLISHED[name]
    assert len(layers) == count
    assert sum(layer.macs for layer in layers) / 1e9 == pytest.approx(gmacs, abs=0.005)


@pytest.mark.parametrize("name", ["resnet50", "shufflenet", "squeezenet"])
def test_coverage_of_a_network_that_maps_wholly(name):
    table = coverage(network(name))
    mapped = table[table.runs == "array"]
    assert mapped.macs.sum() == sum(layer.macs for layer in from_onnx(network(name)))
    assert mapped.nodes.sum() == len(from_onnx(network(name)))
    assert mapped.mac_share.sum() == pytest.approx(1) and (table.macs[table.runs != "array"] == 0).all()
    assert "ConstantOfShape" not in set(table.operator)


HEADS, STEPS, WIDTH = 2, 5, 8
OPERATORS = {
    "MatMul of activations": (
        helper.make_node("MatMul", ["a", "b"], ["y"]),
        {"a": [1, HEADS, STEPS, WIDTH], "b": [1, HEADS, WIDTH, STEPS]},
        HEADS * STEPS * STEPS * WIDTH,
    ),
    "Einsum": (
        helper.make_node("Einsum", ["a", "b"], ["y"], equation="bhid, bhjd -> bhij"),
        {"a": [1, HEADS, STEPS, WIDTH], "b": [1, HEADS, 7, WIDTH]},
        HEADS * STEPS * 7 * WIDTH,
    ),
    "Einsum of one": (helper.make_node("Einsum", ["a"], ["y"], equation="ij->ji"), {"a": [2, 3]}, 0),
    "ConvTranspose": (
        helper.make_node("ConvTranspose", ["a", "w"], ["y"], strides=[2, 2]),
        {"a": [1, 6, 4, 5], "w": [6, 3, 2, 2]},
        6 * 4 * 5 * 3 * 2 * 2,
    ),
    "LSTM": (
        helper.make_node("LSTM", ["a", "w", "w2"], ["y"], hidden_size=WIDTH),
        {"a": [STEPS, 1, 3], "w": [1, 4 * WIDTH, 3], "w2": [1, 4 * WIDTH, WIDTH]},
        STEPS * 4 * WIDTH * (3 + WIDTH),
    ),
    "Gemm of activations": (
        helper.make_node("Gemm", ["a", "b"], ["y"], transA=1, transB=1),
        {"a": [WIDTH, 2], "b": [3, WIDTH]},
        2 * 3 * WIDTH,
    ),
    "Conv by a computed filter": (
        helper.make_node("Conv", ["a", "b"], ["y"], pads=[1] * 4, group=2),
        {"a": [1, 4, 6, 6], "b": [8, 2, 3, 3]},
        8 * 6 * 6 * 2 * 9,
    ),
    "Einsum of three": (
        helper.make_node("Einsum", ["a", "a", "a"], ["y"], equation="ij,jk,kl->il"),
        {"a": [3, 3]},
        None,
    ),
    "custom operator": (helper.make_node("Mystery", ["a"], ["y"], domain="my.own"), {"a": [1, 3]}, None),
    "Relu": (helper.make_node("Relu", ["a"], ["y"]), {"a": [1, 3]}, 0),
}


@pytest.mark.parametrize("case", OPERATORS)
def test_operators_that_do_not_map_are_listed_with_their_macs(case, tmp_path):
    node, shapes, macs = OPERATORS[case]
    first = helper.make_node("Conv", ["x", "w0"], ["z"], name="conv")
    shapes = shapes | {"x": ["n", 3, 8, 8], "w0": [4, 3, 3, 3]}
    path = model(tmp_path / "m.onnx", [first, node], shapes, {"z": ["n", 4, 6, 6], "y": None}, ("my.own",))
    (layer,) = from_onnx(path)
    table = coverage(path).set_index("runs")
    row = table.loc["not on the array"]
    assert (row.operator, row.nodes) == ("my.own:Mystery" if case == "custom operator" else node.op_type, 1)
    if macs is None:
        assert pd.isna(row.macs) and pd.isna(row.mac_share)
    else:
        assert row.macs == macs and row.mac_share == pytest.approx(macs / (macs + layer.macs))


def test_layers_behind_an_unknown_operator_are_listed_and_the_others_map(tmp_path):
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["y"], name="before"),
        helper.make_node("Mystery", ["y"], ["z"], domain="my.own"),
        helper.make_node("Conv", ["z", "w2"], ["out"], name="behind"),
    ]
    shapes = {"x": ["n", 3, 8, 8], "w1": [4, 3, 3, 3], "w2": [5, 4, 3, 3]}
    path = model(tmp_path / "m.onnx", nodes, shapes, {"out": ["n", 5, "h", "w"]}, ("my.own",))
    assert [layer.name for layer in from_onnx(path)] == ["before"]
    table = coverage(path)
    assert table.operator.tolist() == ["Conv", "Conv", "my.own:Mystery"]
    assert table.macs.isna().tolist() == [False, True, True]


def test_nothing_that_maps_is_one_clear_line(tmp_path):
    path = model(tmp_path / "m.onnx", [OPERATORS["LSTM"][0]], OPERATORS["LSTM"][1], {"y": None})
    with pytest.raises(InputError, match=r"m\.onnx: no Conv, Gemm or MatMul"):
        from_onnx(path)


def test_input_of_unknown_size_is_refused_even_where_some_layer_would_map(tmp_path):
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["y"]),
        helper.make_node("GlobalAveragePool", ["y"], ["z"]),
        helper.make_node("Flatten", ["z"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w2"], ["out"]),
    ]
    shapes = {"x": ["n", 3, "height", "width"], "w1": [4, 3, 3, 3], "w2": [4, 10]}
    with pytest.raises(InputError, match="the input x is unknown; fix the model's input size"):
        from_onnx(model(tmp_path / "m.onnx", nodes, shapes, {"out": ["n", 10]}))


def plan(folder: Path, networks: dict, *targets: str) -> subprocess.CompletedProcess:
    (folder / "more.yaml").write_text(yaml.safe_dump({"arch": {"networks": networks}}))
    command = [sys.executable, "-m", "snakemake", "-n", "--snakefile", str(ROOT / "Snakefile"), *targets]
    return subprocess.run([*command, "--configfile", "more.yaml"], cwd=folder, capture_output=True, text=True)


def test_network_of_the_config_needs_no_data_and_no_training(tmp_path):
    names = {"packaged": f"onnx:{PACKAGED.format('squeezenet')}", "own": "own.onnx"}
    (tmp_path / "own.onnx").write_bytes(network("squeezenet").read_bytes())
    tables = ("coverage", "pareto", "winners", "bottlenecks", "timeloop")
    result = plan(tmp_path, names, *(f"results/arch/{name}/{table}.csv" for name in names for table in tables))
    assert result.returncode == 0, result.stderr
    planned = dict(re.findall(r"^(\w+) +(\d+)$", result.stdout + result.stderr, re.MULTILINE))
    assert planned["topology"] == planned["timeloop"] == "2"
    assert not {"train", "export", "images", "scalesim"} & planned.keys()


WRONG = {
    "name of a workload": ({"tiny_cnn_2d": "own.onnx"}, "arch.networks.tiny_cnn_2d: a workload has this name"),
    "no such file": ({"net": "absent.onnx"}, "arch.networks.net: absent.onnx: no such file"),
    "no such package": ({"net": "no_such_package:a.onnx"}, "arch.networks.net: no Python package no_such_package"),
    "no such file in a package": ({"net": "onnx:absent.onnx"}, "absent.onnx: no such file"),
    "name that is no file name": ({"a/b": "own.onnx"}, "arch.networks"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_network_is_refused_by_name(case, tmp_path, monkeypatch):
    (tmp_path / "own.onnx").write_bytes(network("squeezenet").read_bytes())
    monkeypatch.chdir(tmp_path)
    networks, reason = WRONG[case]
    config, schema = (yaml.safe_load((ROOT / f"config.{kind}").read_text()) for kind in ("yaml", "schema.yaml"))
    config["arch"]["networks"] = networks
    with pytest.raises(InputError) as refusal:
        check(config, schema)
        for name, place in networks.items():
            onnx_file(f"arch.networks.{name}", place)
    assert reason in str(refusal.value)


def test_run_with_a_wrong_network_ends_in_one_line_before_any_job(tmp_path):
    networks, reason = WRONG["no such file in a package"]
    result = plan(tmp_path, networks)
    assert result.returncode != 0
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert reason in line
