"""Gaussian mixtures and their training by Viterbi, against scikit-learn, enumeration and made-up speech."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import soundfile
import torch
from sklearn.mixture import GaussianMixture

from asr.acoustic.checkpoint import load_checkpoint
from asr.decode.alignment import chain_path
from asr.errors import ConfigError, TextError
from asr.gmm.config import GaussianConfig, read_gaussian_config
from asr.gmm.model import GaussianMixtures, GaussianModel
from asr.gmm.training import train_gaussians
from asr.text.lexicon import with_states


def test_log_likelihoods_are_scikit_learns():
    random = np.random.default_rng(0)
    mixtures = GaussianMixtures(2, 4, 5)
    frames = random.normal(size=(30, 5))
    for state, count in ((0, 4), (1, 2)):
        weights = random.dirichlet(np.ones(count))
        means, variances = random.normal(size=(count, 5)), random.uniform(0.1, 2, (count, 5))
        mixtures.set_state(state, weights, means, variances)
        oracle = GaussianMixture(count, covariance_type="diag")
        oracle.weights_, oracle.means_, oracle.covariances_ = weights, means, variances
        oracle.precisions_cholesky_ = 1 / np.sqrt(variances)
        found = mixtures(torch.from_numpy(frames).float())[:, state].numpy()
        assert found == pytest.approx(oracle.score_samples(frames), abs=1e-4)


@pytest.mark.parametrize("seed", range(8))
def test_the_path_through_a_chain_is_the_best_of_all(seed):
    random = np.random.default_rng(seed)
    tokens, optional = np.array([0, 1, 2, 0, 1, 0], np.int32), np.array([True, False, False, True, False, True])
    log_probs = random.normal(size=(7, 3)).astype(np.float32)
    best = max(
        (sum(log_probs[frame, tokens[place]] for frame, place in enumerate(places)), places)
        for places in itertools.combinations_with_replacement(range(6), 7)
        if set(places) >= {1, 2, 4}
    )
    assert chain_path(log_probs, tokens, optional).tolist() == tokens[list(best[1])].tolist()
    with pytest.raises(TextError, match="too few"):
        chain_path(log_probs[:2], tokens, optional)


WORDS = {"low": [("L", "OW")], "high": [("HH", "AY")], "owl": [("OW", "L")]}
TONES = {"L": 300, "OW": 700, "HH": 1500, "AY": 2800}  # Hz


@pytest.fixture
def corpus(tmp_path):
    """Utterances of words whose phones are tones in noise, between pauses; texts that tell them."""
    random = np.random.default_rng(1)
    lines = []
    for number in range(24):
        words = random.choice(list(WORDS), 3)
        pieces = [np.zeros(random.integers(1600, 4000))]
        for word in words:
            for phone in WORDS[word][0]:
                time = np.arange(random.integers(1500, 2600)) / 16000
                pieces.append(0.3 * np.sin(2 * np.pi * TONES[phone] * random.uniform(0.95, 1.05) * time))
            pieces.append(np.zeros(random.integers(0, 2400)))
        samples = np.concatenate([*pieces, np.zeros(1600)])
        samples += 0.01 * random.normal(size=len(samples))
        soundfile.write(tmp_path / f"{number}.wav", samples, 16000)
        entry = {"id": f"{number:02d}", "audio_filepath": f"{number}.wav", "text": " ".join(words)}
        lines.append(json.dumps(entry | {"duration": len(samples) / 16000}) + "\n")
    (tmp_path / "train.jsonl").write_text("".join(lines[:18]))
    (tmp_path / "test.jsonl").write_text("".join(lines[18:]))
    (tmp_path / "dict").write_text("".join(f"{word} {' '.join(ways[0])}\n" for word, ways in WORDS.items()))
    (tmp_path / "gmm.toml").write_text(
        '[model]\nkind = "gaussian"\ngaussians = 2\n'
        '[model.features]\nkind = "mfcc"\nnum_mel_bins = 23\n[train]\nepochs = 6\n'
    )
    return tmp_path


def test_a_monophone_system_from_audio_to_text(run, corpus, monkeypatch):
    monkeypatch.chdir(corpus)
    code, _, errors = run(
        "tokens", "lexicon", "--words", "train.jsonl", "--dictionary", "dict", "--states", 3,
        "--output", "lexicon.txt", "--tokens", "tokens.txt",
    )  # fmt: skip
    assert code == 0, errors
    assert "high\tHH.1 HH.2 HH.3 AY.1 AY.2 AY.3\n" in (corpus / "lexicon.txt").read_text()
    train = ["train", "--config", "gmm.toml", "--train", "train.jsonl", "--dev", "test.jsonl"]
    parts = ["--set", "tokens=tokens.txt", "--set", "lexicon=lexicon.txt"]
    code, _, errors = run(*train, *parts, "--output", "model")
    assert code == 0, errors
    losses = [float(line.split("loss ")[1].split(",")[0]) for line in errors.splitlines() if "loss" in line]
    assert len(losses) == 6
    assert losses[-1] < losses[0] - 1
    assert "2 Gaussians a state" in errors
    code, out, errors = run("decode", "--model", "model", "--manifest", "test.jsonl", "--word-score", -3)
    assert code == 0, errors
    wanted = [json.loads(line) for line in (corpus / "test.jsonl").read_text().splitlines()]
    assert out.splitlines() == [f"{entry['id']} {entry['text']}" for entry in wanted]
    run(*train, *parts, "--output", "again")
    first, second = (load_checkpoint(corpus / name).model.state_dict() for name in ("model", "again"))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    code, _, errors = run(*train, "--output", "other")
    assert code != 0
    assert "needs a lexicon of states" in errors


def test_what_gaussians_cannot_learn_from_is_named():
    model = GaussianModel(GaussianConfig(gaussians=2), 3)
    with pytest.raises(TextError, match="frames enough"):
        train_gaussians(model, [("a", [[1, 2]])], lambda _: np.zeros(500, np.float32), 2)
    with pytest.raises(ConfigError, match="must be gaussian"):
        GaussianConfig(kind="lstm")


def test_folders_of_earlier_versions_are_read():
    earlier = {"kind": "gaussian", "hidden_size": 3, "num_layers": 3, "subsampling": 1, "features": {"kind": "mfcc"}}
    config = read_gaussian_config(earlier)
    assert (config.gaussians, config.features.kind) == (3, "mfcc")


def test_states_of_a_lexicon():
    assert with_states({"a": [("AH",), ("EY", "T")]}, 2).spellings == {
        "a": [("AH.1", "AH.2"), ("EY.1", "EY.2", "T.1", "T.2")]
    }
