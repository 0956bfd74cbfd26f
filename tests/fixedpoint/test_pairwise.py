"""Additions in saturating pairs: as the instruction defines them, as onnxruntime orders them, and what cures them."""

import os
import platform
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.fixedpoint import IntegerModel
from lib.fixedpoint.exactness import with_quantized_outputs
from lib.fixedpoint.pairwise import (
    PairwiseLinear,
    pairwise_product,
    pairwise_study,
    saturable_pairs,
    with_pairwise_adds,
)

# Runs each model of a folder on its input, in a default session and in one that asks for precision, and writes the
# outputs of each to a folder. The precise session makes weights uint8, which onnxruntime refuses beside int8 inputs.
ONNXRUNTIME = """
import sys
from pathlib import Path
import numpy as np
import onnxruntime as ort
for path in Path(sys.argv[1]).glob("*.onnx"):
    for precision in "0" if path.stem == "int8" else "01":
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.add_session_config_entry("session.x64quantprecision", precision)
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        found = session.run(names, {session.get_inputs()[0].name: np.load(path.with_suffix(".npy"))})
        target = path.parent / precision / path.stem
        target.parent.mkdir(exist_ok=True)
        np.savez(target, **dict(zip(names, found)))
"""


@settings(deadline=None, derandomize=True, database=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 7))
def test_pairs_are_added_as_vpmaddubsw_does(seed, depth):
    rng = np.random.default_rng(seed)
    a = rng.integers(200, 256, (3, depth), dtype=np.uint8)
    b = rng.choice(np.int8([-128, -100, 100, 127]), (depth, 5))
    products = a[:, :, None].astype(int) * b
    pairs = [products[:, k : k + 2].sum(1) for k in range(0, depth, 2)]
    expected = sum(np.clip(pair, -32768, 32767) for pair in pairs)
    np.testing.assert_array_equal(pairwise_product(a, b), expected)


def convolution(one_node, path, channels, filters, kernel, groups, dtype=np.uint8, largest=127):
    """Save a QLinearConv whose weights and inputs are so large that most pairs saturate, and an input."""
    rng, limits = np.random.default_rng(channels * filters), np.iinfo(dtype)
    x = rng.integers(limits.max // 2, limits.max + 1, (2, channels, 5, 5), dtype=dtype)
    values = np.int8([-largest, -largest // 2, largest // 2, largest])
    weight = rng.choice(values, (filters, channels // groups, kernel, kernel))
    y_scale = np.float32(255 * 127 * np.sqrt(weight[0].size) / 80)
    inputs = [None, np.float32(1), dtype(30), weight, np.ones(filters, np.float32), np.zeros(filters, np.int8)]
    inputs += [y_scale, dtype(100), rng.integers(-9000, 9000, filters, dtype=np.int32)]
    pads = [kernel // 2] * 4
    model, _ = one_node("QLinearConv", {"x": x}, inputs, dtype, domain="", group=groups, pads=pads)
    onnx.save(model, path)
    np.save(path.with_suffix(".npy"), x)


def gemm(one_node, path, rows, depth, columns):
    """Save a QGemm and an input, both of the same kind."""
    rng = np.random.default_rng(rows)
    x = rng.integers(128, 256, (rows, depth), dtype=np.uint8)
    weight = rng.choice(np.int8([-127, -64, 64, 127]), (depth, columns))
    inputs = [None, np.float32(1), np.uint8(3), weight, np.float32(1), np.int8(0)]
    inputs += [rng.integers(-9000, 9000, columns, dtype=np.int32), np.float32(500 * np.sqrt(depth)), np.uint8(100)]
    model, _ = one_node("QGemm", {"x": x}, inputs, np.uint8, transB=0)
    onnx.save(model, path)
    np.save(path.with_suffix(".npy"), x)


@pytest.fixture(scope="module")
def models(one_node, quantized, tiny_model, dscnn_model, tmp_path_factory):
    """Layers that reach each of onnxruntime's kernels and two networks: a folder of models and inputs, and ours."""
    folder = tmp_path_factory.mktemp("pairwise")
    shapes = {
        "blocked": (8, 24, 3, 1),  # channels in fours, filters in eights: the symmetric kernel, without im2col
        "pointwise": (16, 16, 1, 1),
        "odd": (3, 10, 3, 1),  # im2col: 27 products, the last alone
        "grouped": (6, 4, 3, 2),
        "deep": (50, 9, 3, 1),  # more products than one panel of the matrix product
        "depthwise": (16, 16, 3, 16),
        "depthwise odd": (5, 5, 3, 5),
    }
    for name, shape in shapes.items():
        convolution(one_node, folder / f"{name}.onnx", *shape)
    convolution(one_node, folder / "int8.onnx", 8, 24, 3, 1, np.int8)
    convolution(one_node, folder / "reduced.onnx", 8, 24, 3, 1, largest=64)
    for rows in (1, 5):
        gemm(one_node, folder / f"gemm {rows}.onnx", rows, 37, 11)
    ours = {path.stem: IntegerModel.from_onnx(path) for path in folder.glob("*.onnx")}
    for name, fixture in {"tiny": tiny_model, "dscnn": dscnn_model}.items():
        ours[name] = IntegerModel.from_onnx(quantized(f"{name}_model"))
        onnx.save(with_quantized_outputs(ours[name]), folder / f"{name}.onnx")
        np.save(folder / f"{name}.npy", fixture.dataset.test(2)[0])
    # A default session turns the activations of this graph to uint8, which gives the other one's integers.
    ours["tiny from int8"] = ours["tiny"]
    onnx.save(onnx.load(quantized("tiny_model", "qdq", "int8")), folder / "tiny from int8.onnx")
    shutil.copy(folder / "tiny.npy", folder / "tiny from int8.npy")
    return SimpleNamespace(folder=folder, ours=ours)


EXACT = {"depthwise", "depthwise odd", "int8", "reduced"}


def differing(ours: dict, theirs: dict) -> dict[str, int]:
    return {name: int(np.count_nonzero(ours[name] != theirs[name])) for name in ours}


@pytest.fixture(scope="module")
def without_vnni(models):
    """What onnxruntime computes on a CPU with AVX2 and without VNNI, emulated instruction by instruction.

    By model and precision: "0" is the default session, "1" one with session.x64quantprecision = 1.
    """
    emulator = shutil.which("qemu-x86_64")
    if not emulator or platform.machine() != "x86_64":
        pytest.skip("needs x86-64 and qemu-x86_64: apt-get install qemu-user")
    script = models.folder / "run.py"
    script.write_text(ONNXRUNTIME)
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    command = [emulator, "-cpu", "Haswell", sys.executable, script, models.folder]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]
    return {(path.stem, path.parent.name): dict(np.load(path)) for path in models.folder.glob("*/*.npz")}


def test_emulation_equals_onnxruntime_on_a_cpu_without_vnni(models, without_vnni):
    for name, model in models.ours.items():
        feeds = {model.graph.inputs[0]: np.load(models.folder / f"{name}.npy")}
        theirs = without_vnni[name, "0"]
        equal = dict.fromkeys(theirs, 0)
        pairwise, exact = with_pairwise_adds(model).tensors(feeds, list(theirs)), model.tensors(feeds, list(theirs))
        assert differing(pairwise, theirs) == equal, name
        assert name == "int8" or differing(exact, without_vnni[name, "1"]) == equal, name
        # The models are made so that saturation shows wherever there is any.
        assert any(differing(exact, pairwise).values()) == (name not in EXACT), name


def test_only_what_onnxruntime_adds_in_pairs_changes(models):
    for name, model in models.ours.items():
        changed = [isinstance(step.run, PairwiseLinear) for step in with_pairwise_adds(model).layers]
        assert any(changed) == (name not in EXACT - {"reduced"})


def test_weights_of_seven_bits_cannot_saturate_and_larger_ones_can(models):
    saturable = {name: saturable_pairs(models.ours[name].layers[0].run)[0] for name in ("reduced", "blocked")}
    assert saturable["reduced"] == 0 < saturable["blocked"]


def test_study_of_a_network(quantized, tiny_model):
    x, labels = tiny_model.dataset.test(40)
    rows = pairwise_study(IntegerModel.from_onnx(quantized("tiny_model")), x, labels)
    whole, *layers = rows
    assert whole["layer"] == "all" and {row["layer"] for row in layers} <= {"conv1", "conv2", "conv3", "fc"}
    assert sum(row["saturable_pairs"] for row in layers) == whole["saturable_pairs"]
    assert all(row["samples"] == 40 and row["differing_accumulators"] <= row["accumulators"] for row in rows)
