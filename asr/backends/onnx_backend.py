"""Acoustic models run by ONNX Runtime on the CPU, without torch.

The graph in a model folder (`asr checkpoint export`) reads features and their lengths. It holds no weights: those come
from `model.safetensors`, as single-precision numbers however they are stored, so that results are torch's within 1e-4
and do not depend on the other recordings of a batch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr._native import processor
from asr.audio.features_numpy import NumpyFeatures
from asr.audio.read import Samples
from asr.backends.base import LogProbs
from asr.backends.onnx_runtime import onnxruntime
from asr.backends.stream import DEFAULT_CHUNKS, ChunkedStream, Chunks, Network
from asr.cache_folder import cached_files
from asr.errors import CheckpointError
from asr.model_folder import from_stored, read_arrays
from asr.model_package import WEIGHTS, ModelPackage

PROVIDERS = ["CPUExecutionProvider"]
OPTIMISED = "graph.onnx"  # in the cache
GRAPH_VERSION = "1"
# In a batch, padding included. One segment of 30 s fills it: more at once took 80 MB each and no less time; utterances
# of 7 s took a tenth less in fours than alone or in sixteens.
FRAMES_AT_ONCE = 3000
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
        self._session = _session(path, self.package.folder / WEIGHTS, threads)
        digest = self._session.get_modelmeta().custom_metadata_map.get(NETWORK_DIGEST)
        if digest != network_digest(self.package.network):
            raise CheckpointError(f"{path} is of another network than config.json; run `asr checkpoint export` again.")
        self._features = NumpyFeatures(self.package.features)
        self.sample_rate = self.package.sample_rate
        self.seconds_per_frame = self.package.seconds_per_frame

    def log_probs(self, pieces: Sequence[Samples]) -> list[LogProbs]:
        """Log-probabilities (frames, tokens) of each piece of samples, computed in small batches of like lengths."""
        outputs: list[LogProbs] = [np.zeros((0, len(self.package.tokens)), np.float32) for _ in pieces]
        batch: list[tuple[int, LogProbs]] = []
        for row in sorted(range(len(pieces)), key=lambda row: len(pieces[row])):
            features = self._features(pieces[row])
            if batch and (len(batch) + 1) * len(features) > FRAMES_AT_ONCE:
                self._run_batch(batch, outputs)
                batch = []
            if len(features):
                batch.append((row, features))
        if batch:
            self._run_batch(batch, outputs)
        return outputs

    def _run_batch(self, batch: Sequence[tuple[int, LogProbs]], outputs: list[LogProbs]) -> None:
        """Put the log-probabilities of features (frames, dim) into their rows of `outputs`."""
        lengths = np.array([len(features) for _, features in batch], np.int64)
        padded = np.zeros((len(batch), lengths.max(), self.package.features.dim), np.float32)
        for values, (_, features) in zip(padded, batch, strict=True):
            values[: len(features)] = features
        log_probs, output_lengths = self.run(padded, lengths)
        for (row, _), values, length in zip(batch, log_probs, output_lengths, strict=True):
            outputs[row] = values[:length]

    def window_log_probs(self, windows: NDArray[np.float32]) -> LogProbs:
        """Log-probabilities (batch, output frames, tokens) of windows: features (batch, frames, dim)."""
        log_probs: LogProbs = self.run(windows, np.full(len(windows), windows.shape[1], np.int64))[0]
        return log_probs

    def open_stream(self, chunks: Chunks = DEFAULT_CHUNKS, network: Network | None = None) -> ChunkedStream:
        """A new recording that arrives in pieces. Raises ConfigError for a model that cannot read one.

        network: reads its windows in place of `window_log_probs`.
        """
        subsampling, tokens = self.package.subsampling, len(self.package.tokens)
        return ChunkedStream(self._features, network or self.window_log_probs, subsampling, tokens, chunks)

    def run(self, features: np.ndarray, lengths: np.ndarray) -> Sequence[np.ndarray]:
        """Log-probabilities (batch, output frames, tokens) and their lengths of features (batch, frames, dim)."""
        outputs: Sequence[np.ndarray] = self._session.run(None, {"features": features, "lengths": lengths})
        return outputs


def _session(graph: Path, weights: Path, threads: int) -> Any:
    """A session of a graph with its weights. Raises CheckpointError if they do not fit together.

    ONNX Runtime takes 0.1 s of CPU time to optimise a graph of the shipped size: an optimised one is kept in the user's
    cache, and opened from there in a third of the time.
    """
    if processor():
        version = f"{GRAPH_VERSION} {onnxruntime.__version__} {processor()}"
        folder = cached_files([graph, weights], version, lambda folder: _write_optimised(graph, weights, folder))
        if folder is not None:
            options = _options(threads)
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
            with suppress(Exception):  # removed a moment ago, by another process
                return onnxruntime.InferenceSession(folder / OPTIMISED, options, providers=PROVIDERS)
    return _fresh_session(graph, weights, _options(threads))


def _write_optimised(graph: Path, weights: Path, folder: Path) -> None:
    """Write the optimised graph and its weights. Raises CheckpointError, OSError where they cannot be written."""
    options = _options(1)
    options.optimized_model_filepath = str(folder / OPTIMISED)
    options.add_session_config_entry("session.optimized_model_external_initializers_file_name", "weights.bin")
    options.add_session_config_entry("session.optimized_model_external_initializers_min_size_in_bytes", "1024")
    try:
        _fresh_session(graph, weights, options)
    except CheckpointError:
        _fresh_session(graph, weights, _options(1))  # raises the same where the files are to blame, not the disk
        raise OSError("the optimised graph cannot be written") from None


def _fresh_session(graph: Path, weights: Path, options: Any) -> Any:
    arrays = from_stored(read_arrays(weights))
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(value) for value in arrays.values()]
    options.add_external_initializers(list(arrays), values)
    try:
        return onnxruntime.InferenceSession(graph.read_bytes(), options, providers=PROVIDERS)
    except Exception as error:  # ONNX Runtime raises classes of its own for each cause
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{graph} is damaged or does not fit the weights ({first}); export it again.") from None


def _options(threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3  # errors, which are raised as well
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads sleep
    return options
