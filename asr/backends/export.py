"""Writing a network as an ONNX graph, checked against torch."""

from __future__ import annotations

import copy
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from asr.acoustic.checkpoint import load_network
from asr.acoustic.config import FEEDFORWARD
from asr.acoustic.network import AcousticModel
from asr.atomic_file import write_atomically
from asr.backends.onnx_backend import NETWORK_DIGEST, OnnxBackend, network_digest
from asr.backends.onnx_runtime import onnxruntime
from asr.errors import CheckpointError
from asr.extras import require
from asr.model_package import GRAPH, WEIGHTS

# Kinds with an operator of ONNX. lstm-projected has none, the kinds that torch runs a step at a time would be unrolled.
EXPORTED_KINDS = ("lstm", "gru", "rnn", "rnn-relu", FEEDFORWARD)
OPSET = 17  # the first with layer normalisation
TOLERANCE = 1e-4  # of log-probabilities
CHECKED_FRAMES = (400, 211, 37, 1)  # of features, in one batch


def export_graph(folder: str | Path) -> Path:
    """Write the graph of a model folder's network into the folder, and return its path.

    Raises CheckpointError for a network that cannot be exported, or whose graph gives other log-probabilities than
    torch: the folder then has no graph.
    """
    folder = Path(folder)
    checkpoint = load_network(folder)
    kind = checkpoint.package.kind
    if kind not in EXPORTED_KINDS:
        raise CheckpointError(f"{folder}: networks of kind '{kind}' have no ONNX graph; run them with torch.")
    path = folder / GRAPH
    write_atomically(path, _graph(checkpoint.model, network_digest(checkpoint.package.network), str(folder)))
    try:
        largest = _difference(path, checkpoint.model)
        if not largest <= TOLERANCE:
            raise CheckpointError(f"the graph of {folder} differs from torch by {largest:.2g}; it was not kept.")
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def _graph(model: AcousticModel, digest: str, source: str) -> bytes:
    """The graph from features and lengths to log-probabilities and lengths, without weights."""
    onnx = require("train", "onnx", "graphs of networks")
    model = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()  # the exporter writes equal weights once, such as biases of zeros
    features = torch.zeros(3, 90, model.config.features.dim)
    lengths = torch.tensor([90, 60, 31])  # unequal, so that what belongs to padding is part of the graph
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / GRAPH
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of the exporter: about itself, and about lengths that are meant
                torch.onnx.export(
                    model, (features, lengths), written, dynamo=False, opset_version=OPSET, do_constant_folding=False,
                    input_names=["features", "lengths"], output_names=["log_probs", "output_lengths"],
                    dynamic_axes={
                        "features": {0: "batch", 1: "frames"}, "lengths": {0: "batch"},
                        "log_probs": {0: "batch", 1: "output_frames"}, "output_lengths": {0: "batch"},
                    },
                )  # fmt: skip
        except Exception as error:  # of any class
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise CheckpointError(f"the network of {source} cannot be exported ({reason}).") from None
        graph = onnx.load(written)
    weights = {tensor.name: tensor for tensor in graph.graph.initializer}
    graph = _simplified(graph, weights)
    for name, tensor in weights.items():
        reference = onnx.TensorProto(
            name=name, data_type=tensor.data_type, dims=tensor.dims, data_location=onnx.TensorProto.EXTERNAL
        )
        reference.external_data.add(key="location", value=WEIGHTS)
        graph.graph.initializer.append(reference)
    graph.metadata_props.add(key=NETWORK_DIGEST, value=digest)
    serialized: bytes = graph.SerializeToString()
    return serialized


def _simplified(graph: Any, weights: Mapping[str, Any]) -> Any:
    """The graph without its initial values, and with what depends on none of them computed in advance.

    ONNX Runtime's basic optimisations write standard ONNX, half the nodes; the weights are inputs meanwhile, so that
    none of them becomes part of the graph.
    """
    onnx = require("train", "onnx", "graphs of networks")
    inputs = list(graph.graph.input)
    for name, tensor in weights.items():
        graph.graph.input.append(onnx.helper.make_tensor_value_info(name, tensor.data_type, tensor.dims))
    del graph.graph.initializer[:]
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = f"{folder}/graph.onnx"
        onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
        simplified = onnx.load(options.optimized_model_filepath)
    del simplified.graph.input[:]
    simplified.graph.input.extend(inputs)
    del simplified.graph.value_info[:]
    del simplified.opset_import[1:]  # ONNX Runtime names all that it knows
    return simplified


def _difference(path: Path, model: AcousticModel) -> float:
    """The largest difference of log-probabilities between a graph and torch, for features of unequal lengths."""
    random = np.random.default_rng(0)
    backend = OnnxBackend(path.parent)
    lengths = np.array(CHECKED_FRAMES, np.int64)
    values = random.normal(size=(len(lengths), lengths.max(), model.config.features.dim))
    within = np.arange(lengths.max())[None, :] < lengths[:, None]
    features = (values * within[:, :, None]).astype(np.float32)
    log_probs, output_lengths = backend.run(features, lengths)
    with torch.inference_mode():
        expected, expected_lengths = model(torch.from_numpy(features), torch.from_numpy(lengths))
    if output_lengths.tolist() != expected_lengths.tolist():
        return float("inf")
    rows = zip(log_probs, expected.numpy(), output_lengths.tolist(), strict=True)
    return max(float(np.abs(row[:length] - other[:length]).max()) for row, other, length in rows)
