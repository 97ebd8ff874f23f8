"""ONNX Runtime against torch."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from asr.acoustic.checkpoint import load_network, save_checkpoint
from asr.acoustic.config import AcousticConfig
from asr.acoustic.network import AcousticModel
from asr.audio.feature_config import FeatureConfig
from asr.audio.read import read_audio
from asr.backends import Chunks, open_backend
from asr.backends.export import export_graph
from asr.backends.onnx_backend import OnnxBackend
from asr.errors import CheckpointError, ConfigError
from asr.gmm.config import GaussianConfig
from asr.gmm.model import GaussianModel
from asr.model_folder import read_arrays, write_arrays
from asr.shipped import available_models, model_folder
from asr.text.tokens import Tokens
from tests.conftest import speech_like, tiny_checkpoint
from tests.test_model_package import run_without_torch

TOKENS = Tokens.characters("abc")
SPEECH = Path(__file__).parents[1] / "speech" / "hello.flac"


def _save(folder, settings, dtype="float32"):
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "num_layers": 2, "input_size": 8, "conv_channels": 2} | settings
    model = AcousticModel(AcousticConfig(**sizes, features=FeatureConfig(num_mel_bins=20)), 5).eval()
    save_checkpoint(folder, model, TOKENS, dtype=dtype)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    save_checkpoint(folder, *tiny_checkpoint(), dtype="int8")
    export_graph(folder)
    return folder


@pytest.mark.parametrize(
    "settings",
    [
        {"conv_channels": 0, "subsampling": 3},
        {"kind": "gru", "bidirectional": False, "attention_heads": 4},
        {"kind": "rnn-relu", "subsampling": 6},
        {"kind": "feedforward", "conv_channels": 0},
        {"block_kernel": 5, "input_size": 12, "attention_heads": 3},
    ],
)
def test_graphs_give_torchs_log_probs(tmp_path, settings):
    _save(tmp_path, settings, "int8")
    export_graph(tmp_path)
    pieces = [speech_like(seconds, seed=seed) for seed, seconds in enumerate((1.3, 0.4, 0.026, 0.001))]
    onnx, network = open_backend(tmp_path), open_backend(tmp_path, backend="torch", device="cpu")
    assert isinstance(onnx, OnnxBackend)
    for found, expected in zip(onnx.log_probs(pieces), network.log_probs(pieces), strict=True):
        assert found.shape == expected.shape
        assert np.abs(found - expected).max(initial=0.0) < 1e-3  # features differ in rounding


@pytest.mark.parametrize("name", available_models())
def test_shipped_graphs_give_torchs_log_probs_of_real_speech(name, data):
    model, backend = load_network(model_folder(name)).model, OnnxBackend(model_folder(name))
    paths = sorted((data / "LibriSpeech/dev-clean-part").rglob("*.mp3"))[::200]
    features = [model.features(torch.from_numpy(read_audio(path))[None])[0][0] for path in paths]
    lengths = torch.tensor([len(frames) for frames in features])
    batch = torch.nn.utils.rnn.pad_sequence(features, batch_first=True)
    with torch.inference_mode():
        expected, expected_lengths = model(batch, lengths)
    found, found_lengths = backend.run(batch.numpy(), lengths.numpy())
    assert found_lengths.tolist() == expected_lengths.tolist()
    for row, length in enumerate(found_lengths):
        assert np.abs(found[row, :length] - expected[row, :length].numpy()).max() < 1e-4
    assert (model_folder(name) / "model.onnx").stat().st_size < 5e4 * model.config.num_layers  # no weights


def test_neighbours_do_not_matter(exported):
    backend = OnnxBackend(exported, threads=2)
    pieces = [speech_like(seconds, seed=seed) for seed, seconds in enumerate((1.3, 0.4, 0.9, 0.0))]
    for piece, together in zip(pieces, backend.log_probs(pieces), strict=True):
        assert np.abs(together - backend.log_probs([piece])[0]).max(initial=0.0) < 1e-5
    assert backend.log_probs([]) == []
    assert backend.log_probs([np.zeros(5, np.float32)])[0].shape == (0, 29)


def test_streams_give_what_torchs_give(exported):
    samples, chunks = speech_like(2.0), Chunks(0.5, 0.4, 0.2)
    streams = [open_backend(exported, backend=name, device="cpu").open_stream(chunks) for name in ("onnx", "torch")]
    found, expected = (np.concatenate([stream.push(samples), stream.finish()]) for stream in streams)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-4


def test_it_works_where_torch_is_not(exported):
    code = (
        "import numpy as np, asr.backends\nbackend = asr.backends.open_backend(sys.argv[1])\n"
        "samples = np.sin(np.arange(16000) / 5).astype(np.float32)\n"
        "print(backend.log_probs([samples])[0].sum(), len(backend.open_stream().finish()))\n"
    )
    total, frames = run_without_torch(code, str(exported)).split()
    samples = np.sin(np.arange(16000) / 5).astype(np.float32)
    expected = open_backend(exported, backend="torch", device="cpu").log_probs([samples])[0].sum()
    assert float(total) == pytest.approx(float(expected), rel=1e-4)
    assert frames == "0"


def test_a_recording_becomes_text_where_torch_is_not():
    """With the shipped model's own n-gram and LSTM language models."""
    code = (
        "import asr\nrecognizer = asr.Recognizer.load()\nprint(recognizer.transcribe(sys.argv[1]).text)\n"
        "assert not {'torch', 'numba', 'scipy', 'sklearn'} & set(sys.modules)\n"
    )
    assert "he old man walked along the river" in run_without_torch(code, str(SPEECH))


def test_what_cannot_be_exported_is_named(tmp_path):
    _save(tmp_path / "projected", {"kind": "lstm-projected"})
    _save(tmp_path / "article", {"kind": "lstm-article"})
    save_checkpoint(tmp_path / "gmm", GaussianModel(GaussianConfig(gaussians=2), 5), TOKENS)
    for name, message in (
        ("projected", "no ONNX graph"),
        ("article", "no ONNX graph"),
        ("gmm", "needs a neural network"),
    ):
        with pytest.raises(CheckpointError, match=message):
            export_graph(tmp_path / name)
        assert not (tmp_path / name / "model.onnx").exists()
        assert not isinstance(open_backend(tmp_path / name, device="cpu"), OnnxBackend)


def test_graphs_that_do_not_belong_are_named(exported, tmp_path):
    def copy(name):
        return shutil.copytree(exported, tmp_path / name)

    other = copy("other")
    config = json.loads((other / "config.json").read_text())
    config["model"]["dropout"] = 0.11
    (other / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="another network"):
        OnnxBackend(other)
    cut = copy("cut")
    (cut / "model.onnx").write_bytes((cut / "model.onnx").read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="damaged"):
        OnnxBackend(cut)
    fewer = copy("fewer")
    arrays = read_arrays(fewer / "model.safetensors")
    del arrays["head.bias"]
    write_arrays(fewer / "model.safetensors", arrays)
    with pytest.raises(CheckpointError, match="does not fit the weights"):
        OnnxBackend(fewer)
    none = copy("none")
    (none / "model.onnx").unlink()
    with pytest.raises(CheckpointError, match="has no graph"):
        OnnxBackend(none)
    with pytest.raises(ConfigError, match="runs on the CPU"):
        open_backend(exported, backend="onnx", device="cuda")
    with pytest.raises(ConfigError, match="unknown backend"):
        open_backend(exported, backend="jax")


def test_packing_writes_a_graph_and_removes_one_of_another_network(run, tmp_path):
    save_checkpoint(tmp_path / "m", *tiny_checkpoint())
    code, _, errors = run("checkpoint", "pack", tmp_path / "m", "--output", tmp_path / "p", "--dtype", "int8")
    assert (code, "without" in errors) == (0, False)
    assert isinstance(open_backend(tmp_path / "p"), OnnxBackend)
    _save(tmp_path / "projected", {"kind": "lstm-projected"})
    code, _, errors = run("checkpoint", "pack", tmp_path / "projected", "--output", tmp_path / "p")
    assert code == 0
    assert "needs torch" in errors
    assert not (tmp_path / "p" / "model.onnx").exists()
    code, _, errors = run("checkpoint", "export", tmp_path / "m")
    assert code == 0, errors
    assert (tmp_path / "m" / "model.onnx").exists()
