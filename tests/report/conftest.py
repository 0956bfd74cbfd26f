"""Small made-up tables of two workloads, in the form in which the stages write them."""

from itertools import product
from pathlib import Path

import pandas as pd
import pytest
import yaml

from lib.interval import wilson
from lib.report.answers import answers
from lib.report.architecture import architectures
from lib.report.tables import times

ROOT = Path(__file__).parents[2]
SUBJECTS = {"signal_cnn_1d": "synthetic signals", "tiny_cnn_2d": "CIFAR-10"}
NETWORKS = {"resnet18": "no data"}
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
    return {
        "training": [
            {"epoch": epoch, "learning_rate": 0.1, "train_loss": 1 / epoch, "train_accuracy": 0.7, "test_accuracy": 0.7}
            for epoch in (1, 2)
        ],
        "layers": [{"layer": layer, "macs": 1000, "parameters": 100} for layer in LAYERS],
        "export_agreement": [
            {"against": "PyTorch", "samples": 1000, "max_abs_difference": 1e-6, "same_class_share": 1.0}
        ],
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
        "calibration_study": [
            {"calibration": calibration, "activation_bits": bits, "calibration_samples": number, "seed": seed}
            | {"samples": 1000, "accuracy": 0.79 - 0.002 * seed - 0.1 / number - (bits < 8) / 50}
            for calibration, bits, number, seed in product(["minmax", "mse"], (8, 4), (8, 512), (1, 2))
        ],
        "paired": [
            {"first": first, "second": scheme["scheme"], "samples": 1000}
            | {"only_first_right": 12, "only_second_right": 12, "p_value": 1.0, "p_holm": 1.0}
            for first, scheme in product(["float32", schemes()[0]["scheme"]], schemes())
            if first != scheme["scheme"]
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
            | {"mse_to_float32": 1e-4, "max_error_to_float32": 0.1, "within_one_step_share": 0.99}
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
        "numerics": [
            {"scheme": REFERENCE, "activation_bits": 8, "weight_bits": 8, "accumulator_bits": bits}
            | {"overflow": "saturate", "requantization": mode, "samples": 1000, "accuracy": 0.79 if bits > 16 else 0.5}
            for bits, mode in product((16, 18, 32), ("float32", "fixed8"))
        ],
        "joint": [
            {"source": "numerics", "scheme": REFERENCE, "activation_bits": 8, "weight_bits": 8}
            | {"accumulator_bits": bits, "overflow": "saturate", "requantization": mode}
            | {"samples": 1000, "accuracy": share}
            | dict(zip(("ci_low", "ci_high"), wilson(round(1000 * share), 1000), strict=True))
            | {"design": f"{size}x8_os_8kb", "rows": size, "cols": 8, "dataflow": "os", "ifmap_kb": 8, "filter_kb": 8}
            | {"ofmap_kb": 8, "dram_gb_per_s": 1.0, "clock_mhz": 500, "latency_ms": 8 / size, "energy_uj": bits + size}
            | {"area_mm2": size / 16, "on_front": True}
            for (bits, share), mode in product([(16, 0.5), (18, 0.785), (32, 0.79)], ("float32", "fixed8"))
            for size in (8, 16)
        ],
    }  # fmt: skip


def share(correct: int) -> dict[str, float]:
    """So many of 1,000 test samples right, with the interval."""
    return {"samples": 1000, "accuracy": correct / 1000} | dict(
        zip(("ci_low", "ci_high"), wilson(correct, 1000), strict=True)
    )


def beside_float32(correct: int) -> dict[str, float]:
    """So many of 1,000 test samples right, beside float32 with 790."""
    return (
        share(correct)
        | {"float32_accuracy": 0.79, "loss_points": (790 - correct) / 10, "only_float32_right": 790 - correct + 5}
        | {"only_this_right": 5, "p_value": 0.5}
    )


def study_tables() -> dict[str, list[dict]]:
    """Rows of the quantization study's tables for one workload, without the columns workload and dataset."""
    kinds = list(product(["channel", "tensor"], ["symmetric", "asymmetric"], ["symmetric", "asymmetric"]))

    def recipe(widths: str, correct: int, equalized=False, weight_range="mse", learned=False, corrected=False, **more):
        bits = {"weight_bits": int(widths[1]), "activation_bits": int(widths[3])}
        return (
            {"scheme": widths, **bits, "equalized": equalized, "weight_range": weight_range}
            | {"rounding": "learned" if learned else "nearest", "bias_corrected": corrected, "trained": False}
            | beside_float32(correct)
            | {"size_kb": 50.0}
            | more
        )

    return {
        "bit_widths": [
            {"scheme": f"w{weight}a{activation}", "weight_bits": weight, "activation_bits": activation}
            | dict(zip(("granularity", "weight_symmetry", "activation_symmetry"), kind, strict=True))
            | beside_float32(790 - (8 - weight) ** 3 - (8 - activation) ** 2)
            for kind, weight, activation in product(kinds, (8, 4, 2), (8, 4, 2))
        ],
        "low_bit": [
            recipe("w4a4", 740, weight_range="minmax"),
            recipe("w4a4", 760),
            recipe("w4a4", 762, equalized=True),
            recipe("w4a4", 775, learned=True),
            recipe("w4a4", 761, corrected=True),
            recipe("w4a4", 776, equalized=True, learned=True, corrected=True),
            recipe("w2a8", 300, weight_range="minmax"),
            recipe("w2a8", 700, learned=True),
            recipe("w2a8", 770, trained=True),
        ],
        "library": [
            {"library": "somelib", "version": "1.0", "weight_bits": 4, "activation_bits": 4, "technique": "GPTQ"}
            | share(770)
            | {"loss_points": 2.0}
        ],
        "bit_sensitivity": [
            {"layer": layer, "kind": kind, "tensor": layer, "bits": bits}
            | share(785 - (8 - bits) * (5 if layer == "fc" else 1))
            | {"drop_points": (8 - bits) * (0.5 if layer == "fc" else 0.1), "sqnr_db": 6.0 * bits, "hessian": 0.1}
            | {"parameters": 100 if layer == "fc" else 27, "macs": 1000, "outliers": 9.0 if layer == "fc" else 4.0}
            | {"range": 2.0}
            for layer, kind, bits in product(LAYERS, ("weight", "activation"), (2, 4, 8))
        ],
        "proxies": [
            {"kind": kind, "proxy": proxy, "layers": 2, "spearman": rank, "kendall": rank, "p_value": 0.01}
            for kind, (proxy, rank) in product(("weight", "activation"), [("sqnr_db", -0.9), ("hessian", 0.5)])
        ],
        "mixed_precision": [
            {"origin": origin, "objective": objective, "allowed_loss_points": allowed, "assignment": assignment}
            | {"weight_kb": 10.0 * bits, "bit_operations": 0.1 * bits, "predicted_loss_points": allowed}
            | share(790 - lost)
            | {"loss_points": lost / 10}
            for origin, objective, allowed, assignment, bits, lost in [
                ("uniform", "", float("nan"), "all:8", 8, 0),
                ("uniform", "", float("nan"), "all:4", 4, 10),
                ("uniform", "", float("nan"), "all:2", 2, 400),
                ("mixed", "size", 1.0, "conv1:4 fc:3", 3.2, 9),
                ("mixed", "bit operations", 1.0, "conv1:3 fc:4", 3.5, 8),
            ]
        ],
        "folding": [
            {"layer": layer, "stage": stage, "channels": 8, "largest": 2.0, "median_largest": 1.0, "spread": spread}
            | {"bits": bits, "sqnr_db_tensor": 6.0 * bits - spread / 10, "sqnr_db_channel": 6.0 * bits}
            for layer, (stage, spread), bits in product(
                LAYERS, [("trained", 3.0), ("folded", 20.0), ("equalized", 5.0)], (8, 4)
            )
        ],
    }


def architecture_tables() -> dict[str, list[dict]]:
    """Rows of the tables about accelerators for one network, without the columns workload and dataset."""
    operation = {"dram_gb_per_s": 1.0, "clock_mhz": 500}
    components = ("mac", "register", "requantize", "sram", "dram", "static")

    def design(size: int, flow: str, kb: int) -> dict:
        buffers = dict.fromkeys(["ifmap_kb", "filter_kb", "ofmap_kb"], kb)
        name = f"{size}x{size}_{flow}_{kb}kb"
        return {"design": name, "rows": size, "cols": size, "dataflow": flow} | buffers | operation

    def layer(layer: str, size: int) -> dict:
        dram = dict.fromkeys(["ifmap_dram_bytes", "filter_dram_bytes", "ofmap_dram_bytes"], 100)
        energy = {f"energy_{name}_pj": 1e6 for name in components} | {"energy_pj": 6e6}
        return (
            {"layer": layer, "macs": 64000, "compute_cycles": 32000 // size, "utilization": 0.5}
            | {"bound": "compute" if size == 8 else "filter", "latency_ms": 1 / size}
            | dram
            | energy
            | {"reason": ""}
        )

    def network(size: int) -> dict:
        energy = {f"energy_{name}_uj": 2.0 for name in components} | {"energy_uj": 12.0}
        return (
            {"compute_cycles": 64000 // size, "stall_share": 0.1, "utilization": 0.5, "latency_ms": 2 / size}
            | energy
            | {"area_mm2": size / 8, "edp_uj_ms": 24 / size}
        )

    cycles = {"ideal_cycles": 3000, "fill_drain_cycles": 500, "stall_cycles": 400, "edge_cycles": 100}
    pj = {f"energy_{name}_pj": 2.0 for name in ("mac", "register", "sram", "dram")}
    both = {"latency_cycles": 4000, **cycles, "energy_pj": 8.0, **pj, "dram_bytes": 1000}
    designs = [design(*parts) for parts in product([8, 16], ["os", "ws"], [16, 128])]
    best, other = design(8, "ws", 16), design(16, "os", 128)
    failed = {"reason": "SCALE-Sim stopped"}
    aims = {"fastest within 1 mm²": ("latency_ms", best), "least energy": ("energy_uj", other)}
    return {
        "scalesim": [row | layer(name, row["rows"]) | {"scalesim_cycles": 4000} for row in designs for name in LAYERS]
        + [design(32, "os", 16) | failed],
        "validation": [
            {"origin": origin, "design": "8x8_ws_16kb", "layers": 2, "cycles_differing": 0}
            | {"ifmap_sram_reads_differing": 0, "filter_sram_reads_differing": 0, "ofmap_sram_writes_differing": 0}
            | {"dram_read_ratio": 0.9, "reason": ""}
            for origin in ("grid", "pareto")
        ]
        + [{"origin": "grid", "design": "32x32_os_16kb", "layers": 0} | failed],
        "pareto": [row | network(row["rows"]) for row in (best, other)],
        "winners": [
            {"constraint": name, "minimise": metric, "limits": ""} | row | network(row["rows"])
            | {"runner_up_ratio": 1.1, "reason": ""}
            for name, (metric, row) in aims.items()
        ]
        + [{"constraint": "tiny", "minimise": "area_mm2", "limits": "area_mm2 ≤ 0.1", "reason": "no design is within"}],
        "contenders": [
            row | {"pes": row["rows"] ** 2, "sram_kb": 3 * row["ifmap_kb"]} | network(row["rows"]) for row in designs
        ],
        "design_sensitivity": [
            {"constraint": name, "design": row["design"], "parameter": parameter, "value": "8", "other_value": "16"}
            | {"step": "next", "latency_ratio": 0.9, "energy_ratio": 1.2, "area_ratio": 1.5, "edp_ratio": 1.08}
            | {"reason": ""}
            for (name, (_, row)), parameter in product(aims.items(), ["rows", "cols"])
        ],
        "bottlenecks": [
            {"constraint": name} | row | layer(place, row["rows"])
            for (name, (_, row)), place in product(aims.items(), LAYERS)
        ],
        "returns": [
            {"parameter": parameter, "others": others, "value": value}
            | {"latency_ms": 8 / value, "energy_uj": 1.0 + value, "edp_uj_ms": 8 / value + 8}
            for parameter in ("pes", "sram_kb", "dram_gb_per_s", "clock_mhz")
            for others, value in product(("free", "as winner"), (1, 2, 4))
        ],
        "trends": [
            row | {"pes": row["rows"] ** 2, "sram_kb": row["ifmap_kb"]} | network(row["rows"]) for row in designs
        ],
        "mapping": [
            {"tool": "ZigZag", "design": "8x8_ws_16kb", "objective": objective, "layer": layer, "macs": 64000}
            | {"loops": "ifmap SRAM, filter DRAM, ofmap SRAM: K 4; rows: C 8; columns: K 8"}
            | both | {f"ours_{name}": 1.1 * value for name, value in both.items() if name != "edge_cycles"}
            | {"scalesim_cycles": 3900, "latency_ratio": 0.91, "energy_ratio": 0.91}
            | {"latency_differs_in": "memory", "energy_differs_in": "DRAM", "reason": ""}
            for objective, layer in product(("our loop order", "latency", "energy", "EDP"), LAYERS)
        ]
        + [{"tool": "ZigZag", "design": "8x8_ws_16kb", "layer": "odd", "reason": "ZigZag found no mapping"}],
        "arch_speed": [
            {"method": method, "designs": 1, "layers": 2, "evaluations": 2, "seconds": 1.0, "evaluations_per_s": 2.0}
            | {"ratio": 1.0}
            for method in ("closed form (cycles, accesses)", "whole cost model", "SCALE-Sim")
        ],
        "coverage": [
            {"operator": "Conv", "nodes": 2, "macs": 10**6, "mac_share": 1.0, "runs": "array"},
            {"operator": "Relu", "nodes": 2, "macs": 0, "mac_share": 0.0, "runs": "not on the array"},
        ],
    }  # fmt: skip


def all_tables() -> dict[str, pd.DataFrame]:
    """All tables by name."""
    architecture = architecture_tables()
    # Of a network without data nothing but the architecture is known, and SCALE-Sim does not run on it by default.
    modelled = architecture.keys() - {"scalesim", "validation", "arch_speed"}
    finding = {"finding": "utilization above 100 %", "case": "1x1", "quantity": "%", "scalesim": 101, "correct": 100}
    return {"scalesim_findings": pd.DataFrame([finding | {"why": "the last cycle is not counted"}])} | {
        name: pd.DataFrame(
            {"workload": workload, "dataset": dataset} | row
            for workload, dataset in (SUBJECTS | NETWORKS if name in modelled else SUBJECTS).items()
            for row in table
        )
        for name, table in (subject_tables() | study_tables() | architecture).items()
    }


@pytest.fixture(scope="session")
def made_tables() -> dict[str, pd.DataFrame]:
    """All tables by name, to look at."""
    return all_tables()


@pytest.fixture
def tables(made_tables) -> dict[str, pd.DataFrame]:
    """All tables by name; every test gets its own."""
    return {name: table.copy() for name, table in made_tables.items()}


@pytest.fixture(scope="session")
def context():
    """What the documents' templates are filled with, as a function of the tables and of what is to be different."""
    machine = {"cpu": "Some CPU", "cores": 2, "memory_gb": 8, "system": "Linux x86_64", "vector_instructions": ["avx2"]}
    source = {"source": "archive.tar.gz", "sha256": "c4a3", "synthetic": False, "train": 900, "test": 1000}
    figures = yaml.safe_load((ROOT / "rules/figures.yaml").read_text())

    def facts(tables: dict[str, pd.DataFrame], **changes) -> dict:
        return {
            "tables": tables,
            "answers": answers(tables),
            "architectures": architectures(tables),
            "sources": {"images": source | {"name": "CIFAR-10"}},
            "machine": machine | {"python": "3.11.9", "packages": {"onnxruntime": "1.32.0", "scalesim": "3.0.0"}},
            "provenance": {
                "git": {"commit": "c0ffee", "dirty": True, "changed": ["config.yaml"]},
                "seed": 1,
                "lock": {"other_versions": {"numpy": ["2.3.5", "2.2.0"]}},
            },
            "times": times("no such folder", []),
            "captions": {name: figure["caption"] for name, figure in figures.items()},
            "arch": {
                "node_nm": 45,
                "space": {"rows": [8, 16], "dataflows": ["os", "ws"]},
                "joint": {"area_mm2": 1.0, "dram_gb_per_s": 1.0},
                "constraints": [{"name": "fastest within 1.5 mm²", "minimise": "latency_ms", "area_mm2": 1.5}],
            },
            "calibration": {"calibration_samples": 512, "percentile": 99.99},
        } | changes

    return facts
