"""Compare the integer engine and the reference convolution with ONNX Runtime, integer by integer, and with float32.

ONNX Runtime runs each model in three configurations:
matched - all quantized tensors made outputs, session.qdqisint8allowed = 1 where it matters: every tensor is compared,
    of the whole test set for the reference scheme
default - the session that its users get: the logits are compared, of some samples
unfused - all tensors of some samples, graph optimizations off, so that layers of QDQ graphs run in float32: shows its
    own inconsistency
Activations in float32 are PyTorch's, or for a model that was brought ONNX Runtime's.
"""

from functools import partial
from pathlib import Path

import onnx
import onnxruntime as ort
import pandas as pd
from job import job

from lib.data import dataset
from lib.files import write_csv
from lib.fixedpoint import IntegerModel
from lib.fixedpoint.exactness import SESSION_OPTION, Runtime, exactness, with_quantized_outputs
from lib.fixedpoint.golden import COLUMNS, golden, onnx_activations, pytorch_activations
from lib.graph import load
from lib.model.export import fold_batch_norm
from lib.model.networks import restore
from lib.progress import Progress
from lib.quant.scheme import Scheme


def runtime(model: onnx.ModelProto, int8_allowed: bool = False, optimize: bool = True) -> Runtime:
    """ONNX Runtime's output tensors by name, as a function of a batch."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1  # batches run side by side
    options.log_severity_level = 3
    if int8_allowed:
        options.add_session_config_entry(*SESSION_OPTION)
    if not optimize:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda batch: dict(zip(names, session.run(names, {session.get_inputs()[0].name: batch}), strict=True))


with job(snakemake) as log:
    workload, reference = snakemake.wildcards.workload, snakemake.params.reference
    data = dataset.load(snakemake.input.data)
    about = {"workload": workload, "dataset": data.name}
    inputs, _ = data.test()
    most, _ = data.test(snakemake.params.samples)
    some, _ = data.test(snakemake.params.golden_samples)

    rows, golden_rows, progress = [], [], Progress(len(snakemake.input.quantized), "schemes", log)
    for path in snakemake.input.quantized:
        scheme = Scheme.parse(Path(path).stem)
        about_scheme = about | {"scheme": scheme.name}
        model = IntegerModel.from_onnx(path)
        exposed = with_quantized_outputs(model)
        int8_allowed = scheme.format == "qdq" and scheme.signed
        matched = runtime(exposed, int8_allowed)
        configurations = {
            "matched": (matched, inputs if scheme.name == reference else most),
            "default": (runtime(model.graph.model), some),
            "unfused": (runtime(exposed, optimize=False), some),
        }
        for configuration, (theirs, x) in configurations.items():
            option = "=".join(SESSION_OPTION) if configuration == "matched" and int8_allowed else "default"
            setting = {"configuration": configuration, "session_option": option}
            rows += [about_scheme | setting | row for row in exactness(model, theirs, x)]
        progress(f"{scheme.name} compared")
        if scheme.name == reference:
            steps = [step for step in model.layers if step.run.window]
            if snakemake.input.weights:
                network = fold_batch_norm(restore(workload, snakemake.input.weights[0]))
                float32 = pytorch_activations(network, steps)
            else:
                float32 = onnx_activations(load(snakemake.input.float32), steps, partial(runtime, optimize=False))
            golden_rows = [about_scheme | row for row in golden(model, matched, float32, some)]
    write_csv(pd.DataFrame(rows), snakemake.output.exactness)
    # A network without convolutions has no rows.
    write_csv(pd.DataFrame(golden_rows, columns=[*about, "scheme", *COLUMNS]), snakemake.output.golden)
