"""What a model folder holds, in lines for people."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asr.lm.lstm.folder import load_lm
from asr.lm.ngram.tables import load_ngram
from asr.model_folder import SCALE, read_arrays, read_config
from asr.model_package import WEIGHTS, ModelPackage
from asr.text.letter_to_sound_file import read_letter_to_sound

LAYERS = {"lstm": "LSTM", "gru": "GRU", "rnn": "recurrent layer"}
CRITERIA = {"ctc": "CTC", "crf": "CTC-CRF", "mwer": "expected word errors"}


def describe(folder: Path) -> str:
    """The network, its parameters and files, language models, search and model card of a folder.

    Raises CheckpointError or TextError if a file is missing, damaged, or does not belong to the others.
    """
    package = ModelPackage.open(folder)
    stored = read_arrays(folder / WEIGHTS)
    weights = {name: value for name, value in stored.items() if not name.endswith(SCALE)}
    parameters = sum(math.prod(value.shape) for value in weights.values())
    kinds = sorted({str(value.dtype) for value in weights.values() if value.ndim > 1})
    features = package.features
    lines = [
        f"network: {describe_network(package.network)}; {parameters / 1e6:.2f} M parameters, stored as "
        f"{', '.join(kinds)} ({_size(folder / WEIGHTS)})",
        f"features: {features.num_mel_bins}-bin {features.kind} of {features.sample_rate} Hz, "
        f"{features.low_freq:g}-{features.high_freq:g} Hz, {package.seconds_per_frame * 1000:g} ms a frame",
        f"tokens: {len(package.tokens)}, {package.tokens.kind}",
        _lexicon(package),
        _ngram(package),
        _neural(package),
    ]
    values = read_config(folder)
    if trained := values.get("training"):
        kind = str(trained.get("criterion", ""))
        lines.append(
            f"training: {CRITERIA.get(kind, kind)}, {trained['hours']:.2f} h in {trained['utterances']} utterances of "
            f"{trained['speakers'] or 'unknown'} speakers"
            + (f", from {trained['init']}" if trained.get("init") else "")
        )
    lines += [
        f"marks and capitals: {package.tagger_path.name if package.tagger_path is not None else 'none'}",
        f"search: {json.dumps(dict(package.search))}",
        f"graph for ONNX Runtime: {package.graph_path.name if package.graph_path else 'none, so it needs torch'}",
    ]
    if package.card.strip():
        lines += ["", package.card.strip()]
    return "\n".join(lines) + "\n"


def describe_network(network: Mapping[str, Any]) -> str:
    """The layers of an acoustic model, from its settings."""
    kind, layers, size = str(network["kind"]), network.get("num_layers", 0), network.get("hidden_size", 0)
    if kind == "gaussian":
        return f"mixtures of {network.get('gaussians')} Gaussians"
    if kind == "feedforward":
        return f"{layers} feedforward layers of {size} units"
    direction = "bidirectional " if network.get("bidirectional") else ""
    layer = f"{direction}{LAYERS.get(kind, kind)} of {size} units" + (" a direction" if direction else "")
    heads, kernel = network.get("attention_heads", 0), network.get("block_kernel", 0)
    attention = f"self-attention of {heads} heads" if heads else ""
    if kernel:
        parts = [part for part in (f"a {layer}", attention, f"a convolution over {kernel} frames") if part]
        return (
            f"{layers} residual blocks {network.get('input_size')} wide, each {', '.join(parts[:-1])} and {parts[-1]}"
        )
    return f"{layers} layers, each a {layer}" + (f", then {attention}" if attention else "")


def _lexicon(package: ModelPackage) -> str:
    if package.lexicon is None:
        return "lexicon: none"
    rules = ""
    if package.letter_to_sound_path is not None:
        read_letter_to_sound(package.letter_to_sound_path)
        rules = f"; other words by letter-to-sound ({_size(package.letter_to_sound_path)})"
    return f"lexicon: {len(package.lexicon)} words{rules}"


def _ngram(package: ModelPackage) -> str:
    if package.lm_path is None:
        return "language model: none"
    ngram = load_ngram(package.lm_path)
    return (
        f"language model: {package.lm_path.name}, {ngram.arrays.order}-gram of {len(ngram.words)} words "
        f"({_size(package.lm_path)})"
    )


def _neural(package: ModelPackage) -> str:
    if package.neural_lm_path is None:
        return "LSTM language model: none"
    model = load_lm(package.neural_lm_path)
    size = sum(path.stat().st_size for path in package.neural_lm_path.rglob("*") if path.is_file())
    config = model.config
    return (
        f"LSTM language model: {config['num_layers']} layers of {config['hidden_size']} units, "
        f"{len(model.words)} words ({size / 1e6:.1f} MB)"
    )


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.1f} MB"
