"""Small made-up tables of two workloads, in the form in which the stages write them."""

from itertools import product

import pandas as pd
import pytest

from lib.bench.accuracy import wilson

SUBJECTS = {"signal_cnn_1d": "synthetic signals", "tiny_cnn_2d": "CIFAR-10"}
PARTS = ["format", "activation", "granularity", "calibration"]
REFERENCE = "qoperator_uint8_channel_minmax"
LAYERS = {"conv1": 27, "fc": 64}


def schemes() -> list[dict]:
    names = product(["qdq", "qoperator"], ["uint8", "int8sym"], ["tensor", "channel"], ["minmax", "entropy"])
    return [{"scheme": "_".join(parts)} | dict(zip(PARTS, parts, strict=True)) for parts in names]


def subject_tables() -> dict[str, list[dict]]:
    """Rows of all tables for one workload, without the columns workload and dataset."""
    float32 = {"scheme": "float32"} | dict.fromkeys(PARTS, "")
    low, high = wilson(790, 1000)
    accuracy = {"samples": 1000, "accuracy": 0.79, "ci_low": low, "ci_high": high}
    spread = {"mean_ms": 1.1, "std_ms": 0.1, "p50_ms": 1.0, "p90_ms": 1.2, "p99_ms": 1.5, "min_ms": 0.9}
    reference = next(scheme for scheme in schemes() if scheme["scheme"] == REFERENCE)
    designs = list(product([8, 16], ["os", "ws"], [16, 128]))
    energy = {"energy_mac_pj": 1.0, "energy_sram_pj": 2.0, "energy_dram_pj": 3.0, "energy_pj": 6.0}
    return {
        "training": [
            {"epoch": epoch, "learning_rate": 0.1, "train_loss": 1 / epoch, "train_accuracy": 0.7, "test_accuracy": 0.7}
            for epoch in (1, 2)
        ],
        "layers": [{"layer": layer, "macs": 1000, "parameters": 100} for layer in LAYERS],
        "export_agreement": [{"samples": 1000, "max_abs_difference": 1e-6, "same_class_share": 1.0}],
        "ranges": [
            {"calibration": calibration, "tensor": f"{layer}_out", "low": 0.0, "high": 2.0}
            for calibration, layer in product(["minmax", "entropy"], LAYERS)
        ],
        "histograms": [
            {"kind": kind, "layer": layer, "tensor": tensor, "bin_low": edge, "bin_high": edge + 1.0, "count": 5}
            for layer, edge in product(LAYERS, (0.0, 1.0))
            for kind, tensor in (("weight", f"{layer}.weight"), ("activation", f"{layer}_out"))
        ],
        "quant_errors": [
            scheme | {"layer": layer, "kind": kind, "tensor": f"{layer}.{kind}", "low": 0, "high": 1, "mse": 0.1}
            | {"sqnr_db": 30.0}
            for scheme, layer, kind in product(schemes(), LAYERS, ["weight", "activation"])
        ],
        "sensitivity": [
            reference | {"layer": layer, "samples": 1000, "float32_accuracy": 0.79, "accuracy": 0.789}
            | {"drop_points": 0.1, "sqnr_db": 30.0}
            for layer in LAYERS
        ],
        "accuracy": [row | accuracy | {"size_kb": 100} for row in [float32, *schemes()]],
        "latency": [
            row | {"batch": batch, "rounds": 20} | spread | {"speedup": 1.0}
            for batch, row in product((1, 64), [float32, *schemes()])
        ],
        "bit_growth": [
            {"scheme": REFERENCE, "layer": layer, "macs_per_output": macs, "textbook_bits": 22, "weight_bound_bits": 19}
            | {"observed_bits": 17, "samples": 1000}
            for layer, macs in LAYERS.items()
        ],
        "overflow": [
            {"scheme": REFERENCE, "accumulator_bits": bits, "policy": policy, "samples": 1000}
            | {"accuracy": 0.79 if bits == 32 else 0.5, "overflow_share": 0.0, "logits_mse": 0.0}
            for bits, policy in product((16, 32), ("saturate", "wrap"))
        ],
        "exactness": [
            {"scheme": REFERENCE, "tensor": layer, "samples": 1000, "elements": 10, "differing": 0, "max_difference": 0}
            for layer in LAYERS
        ],
        "golden": [
            {"scheme": REFERENCE, "layer": layer, "samples": 10, "elements": 10, "differing_from_ort": 0}
            | {"mse_to_pytorch": 1e-4, "max_error_to_pytorch": 0.1, "within_one_step_share": 0.99}
            for layer in LAYERS
        ],
        "scalesim": [
            {"design": f"{size}x{size}_{flow}_{buffer}kb", "rows": size, "cols": size, "dataflow": flow}
            | {"sram_kb": buffer, "layer": layer, "macs": 1000, "scalesim_cycles": 4000 // size, "utilization": 0.5}
            | {"avg_dram_bytes_per_cycle": 1.0 + size, "compute_ms": 8 / size, "memory_ms": 0.6}
            | {"macs_per_dram_byte": 2, "bound": "compute" if size == 8 else "memory"} | energy
            for (size, flow, buffer), layer in product(designs, LAYERS)
        ],
    }  # fmt: skip


@pytest.fixture
def tables() -> dict[str, pd.DataFrame]:
    """All tables by name; every test gets its own."""
    rows = subject_tables()
    return {
        name: pd.DataFrame([{"workload": w, "dataset": d} | row for w, d in SUBJECTS.items() for row in table])
        for name, table in rows.items()
    }
