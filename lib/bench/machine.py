"""The facts about a machine that explain its timings; nothing that identifies it."""

import os
import platform
from importlib import metadata
from pathlib import Path

# Instruction sets with which matrix products of 8-bit integers are computed.
VECTOR_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx_vnni_int8", "amx_int8", "asimd", "asimddp", "i8mm")
PACKAGES = ("torch", "onnx", "onnxruntime", "numpy", "pandas", "numba", "scalesim", "snakemake", "seaborn")


def cpu_info(text: str) -> dict[str, object]:
    """Processor model and its integer vector instructions from the text of /proc/cpuinfo.

    >>> cpu_info("model name\\t: Some CPU\\nflags\\t: fpu avx2 avx512_vnni\\n")
    {'cpu': 'Some CPU', 'vector_instructions': ['avx2', 'avx512_vnni']}
    """
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
    facts = {key.strip(): value.strip() for key, value in pairs}
    flags = facts.get("flags", facts.get("Features", "")).split()
    return {
        "cpu": facts.get("model name", platform.processor() or platform.machine()),
        "vector_instructions": [flag for flag in VECTOR_FLAGS if flag in flags],
    }


def facts() -> dict[str, object]:
    """Processor, cores, memory, operating system, Python and the versions of the installed packages.

    >>> list(facts())
    ['cpu', 'vector_instructions', 'architecture', 'cores', 'memory_gb', 'system', 'python', 'packages']
    >>> facts()["packages"]["numpy"] == metadata.version("numpy")
    True
    """
    cpuinfo = Path("/proc/cpuinfo")
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue  # the benchmark's environment need not hold what other stages use
    return {
        **cpu_info(cpuinfo.read_text() if cpuinfo.exists() else ""),
        "architecture": platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": versions,
    }
