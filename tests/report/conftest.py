"""Small made-up tables of two workloads, in the form in which the stages write them."""

from itertools import product

import pandas as pd
import pytest

from lib.bench.accuracy import wilson

SUBJECTS = {"signal_cnn_1d": "synthetic signals", "tiny_cnn_2d": "CIFAR-10"}
PARTS = ["format", "activation", "granularity", "calibration"]
REFERENCE = "qoperator_uint8_channel_minmax"
LAYERS = {"conv1": 27, "fc": 64}
REQUANTIZATIONS = [("float32", "float32", 24), ("power_of_two", "power_of_two", 1)] + [
    (f"{rounding}{bits}", rounding, bits) for rounding in ("fixed", "gemmlowp") for bits in (31, 8, 4)
]


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
            | {"observed_bits": 17, "observed_partial_bits": 18, "samples": 1000}
            for layer, macs in LAYERS.items()
        ],
        "overflow": [
            {"scheme": REFERENCE, "layer": layer, "accumulator_bits": bits, "policy": policy, "samples": 1000}
            | {"accuracy": 0.79 if bits == 32 else 0.5, "overflow_share": 0.1, "logits_mse": 0.0 if bits == 32 else 0.2}
            for layer, bits, policy in product(("all", *LAYERS), (16, 32), ("saturate", "saturate_end", "wrap"))
        ],
        "relief": [
            {"scheme": REFERENCE, "technique": technique, "accumulator_bits": bits, "policy": policy, "samples": 1000}
            | {"accuracy": accuracy, "overflow_share": 0.0}
            for technique, policy, bits, accuracy in [
                *(("plain", policy, 32, 0.79) for policy in ("saturate", "saturate_end", "wrap")),
                *(("plain", policy, 16, 0.5) for policy in ("saturate", "saturate_end", "wrap")),
                ("reordered", "saturate", 16, 0.6),
                ("tile 8", "saturate", 16, 0.79),
                ("tile 8", "wrap", 16, 0.7),
                ("rescaled", "none", 16, 0.78),
            ]
        ],
        "requantization": [
            {"scheme": REFERENCE, "layer": layer, "mode": mode, "rounding": rounding, "multiplier_bits": bits}
            | {"channels": 8, "reachable": 10**6, "differing": 0 if bits == 31 else 10, "channels_differing": 4}
            | {"max_steps": int(bits < 31), "first_channel": 0, "first_differing": -5}
            for layer, (mode, rounding, bits) in product(LAYERS, REQUANTIZATIONS[1:])
        ],
        "requantization_schemes": [
            {"scheme": scheme["scheme"], "mode": mode, "rounding": rounding, "multiplier_bits": bits, "channels": 16}
            | {"reachable": 10**6, "differing": 9 if scheme["granularity"] == "channel" else 0, "max_steps": 1}
            for scheme, (mode, rounding, bits) in product(schemes(), REQUANTIZATIONS[1:])
            if bits in (31, 1)
        ],
        "requantization_accuracy": [
            {"scheme": REFERENCE, "mode": mode, "rounding": rounding, "multiplier_bits": bits, "proved_equal": False}
            | {"samples": 1000, "accuracy": 0.79 if bits > 4 else 0.5, "differing_logits_share": 0.1}
            | {"differing_classes_share": 0.01}
            for mode, rounding, bits in REQUANTIZATIONS
        ],
        "exactness": [
            {"scheme": scheme, "configuration": configuration, "session_option": "default", "tensor": layer}
            | {"samples": 1000, "elements": 10, "differing": int(configuration == "unfused"), "max_difference": 0}
            for scheme in (REFERENCE, "qdq_int8_channel_minmax")
            for configuration in ("matched", "default", "unfused")
            for layer in (LAYERS if configuration != "default" else ["logits"])
        ],
        "pairwise": [
            {"scheme": REFERENCE, "reduce_range": reduced, "layer": layer, "samples": 1000, "pairs": 100}
            | {"saturable_pairs": found, "accumulators": 1000, "differing_accumulators": found}
            | {"differing_classes": found, "exact_accuracy": 0.79, "accuracy": 0.79}
            for reduced, layer, found in [(False, "all", 9), (False, "conv1", 8), (True, "all", 0)]
        ],
        "golden": [
            {"scheme": REFERENCE, "layer": layer, "samples": 10, "elements": 10, "differing_from_ort": 0}
            | {"mse_to_pytorch": 1e-4, "max_error_to_pytorch": 0.1, "within_one_step_share": 0.99}
            for layer in LAYERS
        ],
        "vectors": [
            {"scheme": REFERENCE, "layer": layer, "samples": 2, "outputs": 1000, "fixed_point_differing": 1}
            for layer in LAYERS
        ],
        "throughput": [
            {"scheme": REFERENCE, "against": against, "threads": 1, "batch": 64, "rounds": 20, "engine_ms": 2.0}
            | {"other_ms": 3.0, "speedup": 1.5, "engine_images_per_s": 32000.0, "engine_gmac_per_s": 100.0}
            for against in ("ONNX Runtime", "ONNX ReferenceEvaluator")
        ],
        "step_times": [
            {"scheme": REFERENCE, "batch": 64, "peak_gmac_per_s": 200.0, "step": step, "ms": ms}
            | {"macs": macs, "gmac_per_s": macs / ms / 1e6, "saturating_gmac_per_s": 16.0}
            for step, ms, macs in [("conv1", 1.0, 5e7), ("pool", 0.5, float("nan"))]
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
