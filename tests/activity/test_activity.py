"""The detector of speech: labels, the runtime in NumPy against the network in torch, training, use."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner

from asr.activity.config import DEVIATION, MEAN, ActivityConfig
from asr.activity.detector import (
    DetectedPauses,
    DetectorStream,
    LoudPauses,
    SpeechDetector,
    pauses_within,
    save_detector,
    silences_by,
    speech_stretches,
)
from asr.activity.network import ActivityNetwork
from asr.activity.task import SPOKEN, ActivityTask, ExampleConfig, frame_labels
from asr.audio.augment import AugmentConfig
from asr.audio.features import Features
from asr.audio.pauses import find_pauses
from asr.audio.segment import cut_at_pauses
from asr.cli.main import cli
from asr.config import to_dict
from asr.data.manifest import Utterance
from asr.errors import CheckpointError, ConfigError
from tests.conftest import speech_like

RATE = 16000
SPEECH = Path(__file__).parents[1] / "speech"
CONFIG = ActivityConfig(hidden_size=12, num_layers=2, delay=3)


def drawn(folder, config=CONFIG) -> tuple[ActivityNetwork, SpeechDetector]:
    torch.manual_seed(5)
    network = ActivityNetwork(config).eval()
    save_detector(folder, config, {name: value.numpy() for name, value in network.state_dict().items()}, bits=32)
    return network, SpeechDetector.open(folder)


def test_frames_are_labelled_by_their_centres():
    centres = np.arange(0, 2, 0.02) + 0.0125
    labels = frame_labels([(0.5, 0.8), (0.85, 1.0), (1.5, 1.6)], centres)
    expected = [
        1 if 0.5 <= t < 1.0 or 1.5 <= t < 1.6 else -1 if 0.44 <= t < 1.06 or 1.44 <= t < 1.66 else 0 for t in centres
    ]
    assert labels.tolist() == expected


def test_the_runtime_equals_the_network(tmp_path):
    network, detector = drawn(tmp_path / "vad")
    samples = speech_like(3.0)
    features, _ = Features(CONFIG.features)(torch.from_numpy(samples)[None])
    padded = torch.cat([features, features[:, -1:].repeat(1, CONFIG.delay, 1)], dim=1)
    with torch.inference_mode():
        expected = network((padded - MEAN) / DEVIATION)[0, CONFIG.delay :]
    assert np.allclose(detector.log_odds(samples), expected.numpy(), atol=2e-4)


def test_a_stream_gives_what_the_whole_gives_whatever_the_blocks(tmp_path):
    _, detector = drawn(tmp_path / "vad")
    samples = speech_like(2.0)
    for size in (100, 1777, 40000):
        stream = DetectorStream(detector)
        parts = [stream.push(samples[first : first + size]) for first in range(0, len(samples), size)]
        assert np.allclose(np.concatenate([*parts, stream.finish()]), detector.log_odds(samples), atol=1e-5)


@pytest.mark.parametrize("length", [0, 1, 159, 399, 400, 5000, 16001])
def test_every_whole_hop_has_a_level(tmp_path, length):
    _, detector = drawn(tmp_path / "vad")
    pauses = DetectedPauses(detector)
    levels = np.concatenate([pauses.push(speech_like(2.0)[:length]), pauses.finish()])
    assert len(levels) == pytest.approx(length // 160, abs=1)
    assert len(levels) >= length // 160


@pytest.mark.parametrize("length", [0, 159, 5000, 47_900])
def test_what_was_heard_of_a_stream_is_told_again_for_a_part_of_it(tmp_path, length):
    _, detector = drawn(tmp_path / "vad")
    samples, start = speech_like(4.0), 12_340
    heard = silences_by(detector, RATE)
    levels = np.concatenate([heard.push(block) for block in np.array_split(samples, 23)])
    again = pauses_within(heard, start, RATE)
    parts = [again.push(block) for block in np.array_split(samples[start : start + length], 7)] + [again.finish()]
    told = np.concatenate(parts)[:, 1]
    assert len(told) == length // 160
    expected = levels[77 : 77 + len(told)]  # the nearest hop
    assert np.array_equal(told[: len(expected)], expected)
    assert np.all(told[len(expected) :] == levels[-1])  # what the detector cannot say yet


class Scripted:
    """A detector's stream that says what it is told: log-odds of each 10 ms, known 80 ms later."""

    def __init__(self, odds):
        self._odds, self._samples, self._told = np.asarray(odds, float), 0, 0

    def push(self, samples):
        self._samples += len(samples)
        return self._until(self._samples // 160 - 8)

    def finish(self):
        return self._until(self._samples // 160)

    def _until(self, hop):
        levels = self._odds[self._told : max(self._told, hop)]
        self._told += len(levels)
        return levels


@pytest.mark.parametrize("blocks", [1, 57])
def test_stretches_without_speech_are_silent_and_cuts_fall_into_quiet_places(tmp_path, blocks):
    _, detector = drawn(tmp_path / "vad")
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 44 * RATE).astype(np.float32)
    for start in (9, 20, 28, 36):
        samples[start * RATE : (start + 1) * RATE] *= 0.001
    odds = np.full(4400, 5.0)
    odds[2000:] = -5.0  # noise as loud as speech
    pauses = LoudPauses(detector)
    pauses._speech = Scripted(odds)
    segments = list(cut_at_pauses(np.array_split(samples, blocks), pauses=pauses))
    assert [segment.start / RATE for segment in segments] == pytest.approx([0.0, 9.5, 20.5, 28.5, 36.5], abs=0.1)
    assert np.array_equal(np.concatenate([segment.samples for segment in segments]), samples)
    assert [segment.silent for segment in segments] == [False, False, True, True, True]


def test_short_stretches_are_not_judged():
    assert DetectedPauses.silent(np.full(300, -5.0))
    assert not DetectedPauses.silent(np.full(150, -5.0))
    assert not DetectedPauses.silent(np.concatenate([np.full(300, -5.0), np.full(20, 5.0)]))
    assert find_pauses(DetectedPauses.quiet(np.repeat([5.0, -5.0, 5.0], 60)), 0.3)[0] == pytest.approx((60, 120), abs=5)


def test_a_detector_learns_where_speech_is(tmp_path):
    """Tones in silence stand for speech; nothing else is loud."""
    utterances = []
    for number in range(4):
        samples = np.zeros(2 * RATE, np.float32)
        samples[RATE // 2 : RATE] = 0.3 * np.sin(2 * np.pi * (300 + 100 * number) * np.arange(RATE // 2) / RATE)
        soundfile.write(tmp_path / f"{number}.wav", samples, RATE)
        extra = {SPOKEN: [[0.5, 1.0]]}
        utterances.append(Utterance(str(number), str(tmp_path / f"{number}.wav"), 2.0, "a", extra=extra))
    manifest = tmp_path / "m.jsonl"
    manifest.write_text("".join(utterance.to_json() + "\n" for utterance in utterances))
    sets = ["model.hidden_size=16", "examples.seconds=4", "examples.per_epoch=32", "examples.batch=8", "bits=32"]
    sets += ["examples.dev=8", "examples.without_speech=0", "train.epochs=12", "train.peak_lr=0.02", "train.threads=1"]
    sets += [f"augment.{name}=0" for name in to_dict(AugmentConfig()) if name.endswith("_probability")]
    options = [part for each in sets for part in ("--set", each)]
    arguments = ["vad", "train", str(manifest), "--dev", str(manifest), "--output", str(tmp_path / "vad"), *options]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    result = CliRunner().invoke(
        cli, ["vad", "apply", utterances[2].audio_filepath, "--model", str(tmp_path / "vad"), "--json"]
    )
    found = json.loads(result.stdout)["speech"]
    assert len(found) == 1
    assert found[0] == pytest.approx([0.5, 1.0], abs=0.08)
    assert CliRunner().invoke(cli, [*arguments, "--resume"]).exit_code == 0


def test_examples_depend_on_their_number_alone(tmp_path):
    samples = speech_like(1.0)
    soundfile.write(tmp_path / "a.wav", samples, RATE)
    utterance = Utterance("a", str(tmp_path / "a.wav"), 1.0, "a", extra={SPOKEN: [[0.1, 0.9]]})
    quiet = AugmentConfig(speeds=(), noise_probability=0.5)
    task = ActivityTask(ActivityNetwork(CONFIG), [utterance], [utterance], ExampleConfig(seconds=3.0), quiet, quiet)
    one, two = (task.prepare(plan, 1, torch.device("cpu")) for plan in ([3, 4], [4]))
    assert torch.equal(one.samples[1], two.samples[0])
    assert torch.equal(one.labels[1], two.labels[0])
    with pytest.raises(ConfigError, match="speeds"):
        ActivityTask(ActivityNetwork(CONFIG), [utterance], [utterance], ExampleConfig(), AugmentConfig(), quiet)


def test_damaged_folders_are_refused(tmp_path):
    drawn(tmp_path / "vad")
    path = tmp_path / "vad" / "config.json"
    path.write_text(path.read_text().replace('"hidden_size": 12', '"hidden_size": 13'))
    with pytest.raises(CheckpointError, match="sizes"):
        SpeechDetector.open(tmp_path / "vad")


def test_the_shipped_detector_finds_the_sentence_and_no_speech_in_noise():
    from asr.audio.read import read_audio
    from asr.shipped import detector_folder

    detector = SpeechDetector.open(detector_folder())
    samples = read_audio(SPEECH / "hello.flac")
    silence = np.zeros(RATE, np.float32)
    stretches = speech_stretches(detector, [silence, samples, silence])
    assert stretches[0][0] == pytest.approx(1.0, abs=0.5)
    assert stretches[-1][1] == pytest.approx(1.0 + len(samples) / RATE, abs=0.6)
    noise = 0.1 * np.random.default_rng(0).standard_normal(20 * RATE).astype(np.float32)
    assert next(iter(cut_at_pauses([noise[: 10 * RATE]], pauses=LoudPauses(detector)))).silent
    assert speech_stretches(detector, [noise]) == []


def test_files_that_cannot_be_read_are_named_also_where_the_command_is_quiet(run, make_wav, tmp_path):
    (tmp_path / "empty.wav").touch()
    code, out, err = run("vad", "apply", tmp_path / "empty.wav", make_wav("a.wav", 3.0), "--json", "--quiet")
    assert code == 1
    assert "empty.wav is empty" in err
    assert [Path(json.loads(line)["file"]).name for line in out.splitlines()] == ["a.wav"]
