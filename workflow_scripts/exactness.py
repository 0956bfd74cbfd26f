"""Compare the integer engine and the reference convolution with ONNX Runtime, integer by integer, and with PyTorch.

Every quantized tensor and the logits of every scheme; the reference scheme over the whole test set and each of its
convolutions on its own.
"""

from pathlib import Path

import onnx
import onnxruntime as ort
import pandas as pd
from job import job

from lib.data import dataset
from lib.files import write_csv
from lib.fixedpoint import IntegerModel
from lib.fixedpoint.exactness import SESSION_OPTION, Runtime, exactness, with_quantized_outputs
from lib.fixedpoint.golden import golden, pytorch_activations
from lib.model.export import fold_batch_norm
from lib.model.networks import restore


def runtime(model: onnx.ModelProto) -> Runtime:
    """ONNX Runtime's output tensors by name, as a function of a batch."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1  # batches run side by side
    options.log_severity_level = 3
    options.add_session_config_entry(*SESSION_OPTION)
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda batch: dict(zip(names, session.run(names, {session.get_inputs()[0].name: batch}), strict=True))


with job(snakemake) as log:
    workload, reference = snakemake.wildcards.workload, snakemake.params.reference
    data = dataset.load(snakemake.input.data)
    about = {"workload": workload, "dataset": data.name}
    inputs, _ = data.test()
    some = inputs[: snakemake.params.samples]

    rows, golden_rows = [], []
    for path in snakemake.input.quantized:
        scheme = about | {"scheme": Path(path).stem}
        model = IntegerModel.from_onnx(path)
        theirs = runtime(with_quantized_outputs(model))
        rows += [scheme | row for row in exactness(model, theirs, inputs if scheme["scheme"] == reference else some)]
        log.info("%s compared", path)
        if scheme["scheme"] == reference:
            network = fold_batch_norm(restore(workload, snakemake.input.weights))
            steps = [step for step in model.layers if step.run.window]
            pytorch = pytorch_activations(network, steps)
            golden_rows = [scheme | row for row in golden(model, theirs, pytorch, some)]
    write_csv(pd.DataFrame(rows), snakemake.output.exactness)
    write_csv(pd.DataFrame(golden_rows), snakemake.output.golden)
