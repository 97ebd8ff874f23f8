"""Acoustic models run by ONNX Runtime on the CPU, without torch.

The graph in a model folder (`asr checkpoint export`) reads features and their lengths. It holds no weights: those come
from `model.safetensors`, as single-precision numbers however they are stored, so that results are torch's within 1e-4
and do not depend on the other recordings of a batch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from asr.audio.features_numpy import NumpyFeatures
from asr.audio.read import Samples
from asr.backends.base import LogProbs
from asr.backends.onnx_runtime import onnxruntime
from asr.backends.stream import DEFAULT_CHUNKS, ChunkedStream, Chunks
from asr.errors import CheckpointError
from asr.model_folder import from_stored, read_arrays
from asr.model_package import WEIGHTS, ModelPackage

NETWORK_DIGEST = "network_sha256"  # the graph's entry that says which network it is of


def network_digest(network: Mapping[str, Any]) -> str:
    """SHA-256 of a network's settings, by which a graph of another network is noticed."""
    return hashlib.sha256(json.dumps(dict(network), sort_keys=True).encode()).hexdigest()


class OnnxBackend:
    """A model folder run by ONNX Runtime. Safe to use from several threads at once."""

    def __init__(self, folder: str | Path, threads: int = 0) -> None:
        """threads: of this backend alone; 0 for all cores.

        Raises CheckpointError for a folder that cannot be used, or that has no graph.
        """
        self.package = ModelPackage.open(folder)
        path = self.package.graph_path
        if path is None:
            raise CheckpointError(f"{folder} has no graph for ONNX Runtime; write one with `asr checkpoint export`.")
        weights = from_stored(read_arrays(self.package.folder / WEIGHTS))
        self._session = _session(path, weights, threads)
        digest = self._session.get_modelmeta().custom_metadata_map.get(NETWORK_DIGEST)
        if digest != network_digest(self.package.network):
            raise CheckpointError(f"{path} is of another network than config.json; run `asr checkpoint export` again.")
        self._features = NumpyFeatures(self.package.features)
        self.sample_rate = self.package.sample_rate
        self.seconds_per_frame = self.package.seconds_per_frame

    def log_probs(self, pieces: Sequence[Samples]) -> list[LogProbs]:
        """Log-probabilities (frames, tokens) of each piece of samples, computed in one padded batch."""
        features = [self._features(piece) for piece in pieces]
        lengths = np.array([len(frames) for frames in features], np.int64)
        outputs: list[LogProbs] = [np.zeros((0, len(self.package.tokens)), np.float32) for _ in pieces]
        rows = np.flatnonzero(lengths)
        if not len(rows):
            return outputs
        batch = np.zeros((len(rows), lengths.max(), self.package.features.dim), np.float32)
        for place, row in enumerate(rows):
            batch[place, : lengths[row]] = features[row]
        log_probs, output_lengths = self.run(batch, lengths[rows])
        for row, values, length in zip(rows, log_probs, output_lengths, strict=True):
            outputs[row] = values[:length]
        return outputs

    def open_stream(self, chunks: Chunks = DEFAULT_CHUNKS) -> ChunkedStream:
        """A new recording that arrives in pieces. Raises ConfigError for a model that cannot read one."""
        subsampling, tokens = self.package.subsampling, len(self.package.tokens)
        return ChunkedStream(self._features, self._network, subsampling, tokens, chunks)

    def _network(self, features: LogProbs) -> LogProbs:
        log_probs: LogProbs = self.run(features[None], np.array([len(features)], np.int64))[0][0]
        return log_probs

    def run(self, features: np.ndarray, lengths: np.ndarray) -> Sequence[np.ndarray]:
        """Log-probabilities (batch, output frames, tokens) and their lengths of features (batch, frames, dim)."""
        outputs: Sequence[np.ndarray] = self._session.run(None, {"features": features, "lengths": lengths})
        return outputs


def _session(path: Path, weights: Mapping[str, np.ndarray], threads: int) -> Any:
    """A session of the graph with its weights. Raises CheckpointError if they do not fit together."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3  # errors, which are raised as well
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads sleep
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(value) for value in weights.values()]
    options.add_external_initializers(list(weights), values)
    try:
        return onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises classes of its own for each cause
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path} is damaged or does not fit the weights ({first}); export it again.") from None
