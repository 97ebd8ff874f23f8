"""Recordings in pieces through a model that reads both ways."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.acoustic.checkpoint import save_checkpoint
from asr.audio.feature_config import FeatureConfig
from asr.audio.features_numpy import NumpyFeatures
from asr.backends import Chunks, open_backend
from asr.backends.stream import ChunkedStream
from asr.errors import ConfigError
from tests.conftest import speech_like, tiny_checkpoint

SHORT = Chunks(0.5, 0.4, 0.2)


def _streamed(stream, samples, sizes):
    parts, place, turn = [], 0, 0
    while place < len(samples):
        parts.append(stream.push(samples[place : place + sizes[turn % len(sizes)]]))
        place, turn = place + sizes[turn % len(sizes)], turn + 1
    return np.concatenate([*parts, stream.finish()])


def _sums(windows):
    """A network that reads a frame alone: its sum, every fourth frame."""
    return windows[:, ::4].sum(axis=2, keepdims=True).astype(np.float32)


@settings(max_examples=25, deadline=None)
@given(
    seconds=st.floats(0.0, 3.0),
    sizes=st.lists(st.integers(1, 9000), min_size=1, max_size=5),
    normalize=st.sampled_from(["none", "running"]),
)
def test_windows_leave_nothing_out_and_repeat_nothing(seconds, sizes, normalize):
    """A network without context gives in windows what it gives at once, where normalisation does not look ahead."""
    features = NumpyFeatures(FeatureConfig(normalize=normalize))
    samples = speech_like(seconds)
    streamed = _streamed(ChunkedStream(features, _sums, 4, 1, SHORT), samples, sizes)
    expected = _sums(features(samples)[None])[0] if len(features(samples)) else np.zeros((0, 1))
    assert streamed.shape == expected.shape
    assert np.allclose(streamed, expected, atol=1e-2)


@pytest.fixture(scope="module")
def backend(tmp_path_factory):
    folder = tmp_path_factory.mktemp("m")
    save_checkpoint(folder, *tiny_checkpoint())
    return open_backend(folder, backend="torch", device="cpu")


def test_a_short_recording_gives_the_same_as_offline(backend):
    samples = speech_like(0.6)
    streamed = _streamed(backend.open_stream(SHORT), samples, [1000])
    assert np.abs(streamed - backend.log_probs([samples])[0]).max() < 1e-3


def test_blocks_do_not_matter_and_pieces_come_as_soon_as_their_right_context_is_there(backend):
    samples = speech_like(2.5)
    whole = _streamed(backend.open_stream(SHORT), samples, [len(samples)])
    assert np.array_equal(_streamed(backend.open_stream(SHORT), samples, [1, 700, 5000]), whole)
    assert len(whole) == len(backend.log_probs([samples])[0])
    stream = backend.open_stream(SHORT)
    # 68 feature frames of 25 ms every 10 ms are a piece of 12 output frames and its right context of 5
    assert len(stream.push(samples[: 67 * 160 + 400 - 1])) == 0
    assert len(stream.push(samples[67 * 160 + 400 - 1 : 67 * 160 + 400])) == 12


def test_what_was_heard_after_a_piece_is_guessed_without_the_edge_of_its_window(backend):
    samples = speech_like(1.4)
    stream = backend.open_stream(SHORT)
    assert stream.ahead.shape == (0, 29)
    first = stream.push(samples[: 67 * 160 + 400])
    window = backend.log_probs([samples[: 67 * 160 + 400]])[0]
    assert np.abs(np.concatenate([first, stream.ahead]) - window[:-2]).max() < 1e-3  # an edge of 0.06 s is not in it
    stream.push(samples[67 * 160 + 400 :])
    assert len(stream.finish())
    assert stream.ahead.shape == (0, 29)


def test_the_middle_of_a_long_context_is_what_the_whole_gives(tmp_path):
    """Without normalisation and with contexts longer than the network's memory, windows and the whole agree."""
    checkpoint = tiny_checkpoint()
    model = checkpoint.model
    object.__setattr__(model.config.features, "normalize", "none")
    save_checkpoint(tmp_path, model, checkpoint.tokens)
    backend = open_backend(tmp_path, backend="torch", device="cpu")
    samples = speech_like(6.0)
    streamed = _streamed(backend.open_stream(Chunks(0.5, 1.5, 1.5)), samples, [3000])
    assert np.abs(streamed - backend.log_probs([samples])[0]).max() < 2e-3


def test_a_stream_at_its_end_takes_no_more(backend):
    stream = backend.open_stream()
    assert stream.finish().shape == (0, 29)
    with pytest.raises(RuntimeError, match="at its end"):
        stream.push(speech_like(0.1))
    for wrong in ({"piece": 0.0}, {"piece": math.inf}, {"left": math.nan}, {"right": -1.0}):
        with pytest.raises(ConfigError, match="longer than 0 s"):
            Chunks(**wrong)


def test_a_model_of_telephone_speech_states_its_rate(tmp_path):
    checkpoint = tiny_checkpoint()
    object.__setattr__(checkpoint.model.config.features, "sample_rate", 8000)
    save_checkpoint(tmp_path, checkpoint.model, checkpoint.tokens)
    backend = open_backend(tmp_path, device="cpu")
    assert (backend.sample_rate, backend.seconds_per_frame) == (8000, 0.04)
    assert len(backend.log_probs([np.zeros(8000, np.float32)])[0]) == 25
