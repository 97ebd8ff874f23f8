from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from asr.audio.read import read_audio
from asr.audio.sounds import KINDS, draw_sound
from asr.cli.data.corpora import command
from asr.data.joining import JoinConfig, background_level, join_samples, plan_joined
from asr.data.manifest import Utterance, read_manifest, write_manifest
from asr.errors import ConfigError
from tests.conftest import speech_like

RATE = 16000


def _corpus(folder, number=6, speakers=("a", "b", None)):
    utterances = []
    for index in range(number):
        path = folder / f"u{index}.flac"
        soundfile.write(path, speech_like(0.5 + 0.1 * index, seed=index), RATE)
        text, speaker = f"word{index}", speakers[index % len(speakers)]
        utterances.append(Utterance(f"u{index}", str(path), 0.5 + 0.1 * index, text, speaker))
    write_manifest(folder / "manifest.jsonl", utterances)
    return folder / "manifest.jsonl"


def _utterances(number, seconds, speakers):
    return [
        Utterance(f"u{index}", "none.flac", seconds + 0.01 * index, f"text {index}", f"s{index % speakers}")
        for index in range(number)
    ]


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_joined_examples_take_their_share_and_use_every_utterance_once(share):
    utterances = _utterances(200, 4.0, 10)
    config = JoinConfig(share=share, max_seconds=20.0, gap_seconds=(0.2, 0.8))
    joined, left = plan_joined(utterances, config, np.random.default_rng(1))
    names = [part.id for group in joined for part in group.utterances] + [utterance.id for utterance in left]
    assert sorted(names) == sorted(utterance.id for utterance in utterances)
    total = sum(utterance.duration for utterance in utterances)
    done = sum(part.duration for group in joined for part in group.utterances)
    assert done / total == pytest.approx(share, abs=0.12)
    for group in joined:
        assert len(group.utterances) == len(group.gaps) + 1 >= 2
        assert group.seconds <= 20.0
        assert all(0.2 <= gap <= 0.8 for gap in group.gaps)
        assert group.text == " ".join(part.text for part in group.utterances)


def test_joined_examples_are_of_one_speaker_or_of_many_as_asked_for():
    utterances = _utterances(300, 3.0, 6)
    for share in (0.0, 0.5, 1.0):
        config = JoinConfig(share=0.6, one_speaker_share=share)
        joined, _ = plan_joined(utterances, config, np.random.default_rng(2))
        one = np.mean([len({part.speaker for part in group.utterances}) == 1 for group in joined])
        assert one == pytest.approx(share, abs=0.25) if share == 0.5 else one == pytest.approx(share, abs=0.1)


def test_pauses_are_silent_or_go_on_with_the_background():
    random = np.random.default_rng(1)
    quiet = (0.001 * random.standard_normal(RATE)).astype(np.float32)
    piece = np.concatenate([quiet, 100 * quiet[: RATE // 2], quiet])
    assert background_level(piece, RATE) == pytest.approx(0.001, rel=0.25)
    silent = join_samples([piece, piece], [0.5], RATE, 1.0, random)
    noisy = join_samples([piece, piece], [0.5], RATE, 0.0, random)
    assert len(silent) == len(noisy) == 2 * len(piece) + RATE // 2
    for joined in (silent, noisy):
        assert np.array_equal(joined[: len(piece)], piece)
        assert np.array_equal(joined[-len(piece) :], piece)
    pause = slice(len(piece), len(piece) + RATE // 2)
    assert not silent[pause].any()
    assert noisy[pause].std() == pytest.approx(0.001, rel=0.3)


def test_join_settings_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="share"):
        JoinConfig(share=1.5)
    for gaps in ((-1.0, 2.0), ()):
        with pytest.raises(ConfigError, match="gap_seconds"):
            JoinConfig(gap_seconds=gaps)


def test_asr_data_join_writes_what_was_planned(tmp_path):
    manifest = _corpus(tmp_path)
    arguments = ["join", str(manifest), "--set", "join.share=1", "--set", "join.gap_seconds=[0.25, 0.25]"]
    result = CliRunner().invoke(
        command, [*arguments, "--set", "join.silent_share=1", "--output", str(tmp_path / "out")]
    )
    assert result.exit_code == 0, result.output
    singles = {utterance.id: utterance for utterance in read_manifest(manifest).utterances}
    made = read_manifest(tmp_path / "out" / "manifest.jsonl", check_audio=True).utterances
    groups = [utterance for utterance in made if utterance.id.startswith("joined-")]
    assert groups
    for utterance in groups:
        parts = [singles[name] for name in utterance.extra["parts"]]
        assert utterance.text == " ".join(part.text for part in parts)
        expected = [read_audio(parts[0].audio_filepath)]
        for part in parts[1:]:
            expected += [np.zeros(RATE // 4, np.float32), read_audio(part.audio_filepath)]
        assert np.allclose(read_audio(utterance.audio_filepath), np.concatenate(expected), atol=1e-4)
        assert utterance.duration == pytest.approx(sum(map(len, expected)) / RATE, abs=1e-3)


def test_asr_data_augment_gives_the_same_audio_for_the_same_seed_whatever_stands_beside(tmp_path):
    manifest = _corpus(tmp_path)
    config = tmp_path / "augment.toml"
    config.write_text("[augment]\nnoise_probability = 1.0\nnoise_snr_db = [10.0, 10.0]\n[train]\nepochs = 3\n")

    def run(source, output, *more):
        arguments = ["augment", str(source), "--config", str(config), "--output", str(tmp_path / output), *more]
        result = CliRunner().invoke(command, arguments)
        assert result.exit_code == 0, result.output
        found = read_manifest(tmp_path / output / "manifest.jsonl", check_audio=True).utterances
        return {utterance.id: utterance for utterance in found}

    first = run(manifest, "first")
    plain = {utterance.id: utterance for utterance in read_manifest(manifest).utterances}
    assert {name: (u.text, u.speaker) for name, u in first.items()} == {
        name: (u.text, u.speaker) for name, u in plain.items()
    }
    for name, utterance in first.items():
        clean, noisy = read_audio(plain[name].audio_filepath), read_audio(utterance.audio_filepath)
        ratio = 10 * np.log10(np.mean(clean.astype(float) ** 2) / np.mean((noisy - clean).astype(float) ** 2))
        assert ratio == pytest.approx(10.0, abs=0.1)  # speeds are off, and clipping is not there at this level
    few = tmp_path / "few.jsonl"
    few.write_text("".join(json.dumps({**json.loads(u.to_json())}) + "\n" for u in list(plain.values())[3:]))
    again, other = run(few, "again"), run(few, "other", "--seed", "2")
    for name in again:
        same = read_audio(again[name].audio_filepath)
        assert np.array_equal(same, read_audio(first[name].audio_filepath))
        assert not np.array_equal(same, read_audio(other[name].audio_filepath))


@pytest.mark.parametrize("name", ["augment", "join"])
def test_no_audio_is_written_among_that_which_is_read(run, tmp_path, name):
    (tmp_path / "audio").mkdir()
    _corpus(tmp_path / "audio").unlink()
    manifest = tmp_path / "train.jsonl"
    write_manifest(
        manifest, [Utterance(f"u{index}", str(tmp_path / "audio" / f"u{index}.flac"), 0.5, "a") for index in range(6)]
    )
    (tmp_path / "link").symlink_to(tmp_path)
    before = {path: path.read_bytes() for path in (tmp_path / "audio").iterdir()}
    for output in (tmp_path, tmp_path / "link"):
        code, _, err = run("data", name, manifest, "--output", output)
        assert (code, "could be overwritten; choose another --output" in err) == (2, True)
    assert {path: path.read_bytes() for path in (tmp_path / "audio").iterdir()} == before
    assert not (tmp_path / "manifest.jsonl").exists()


@pytest.mark.parametrize("kind", list(KINDS))
def test_sounds_have_the_length_and_level_asked_for_and_differ_by_seed(kind):
    peaks = []
    for seed in range(6):
        sound = draw_sound(kind, 1.5, RATE, np.random.default_rng(seed))
        assert sound.dtype == np.float32
        assert len(sound) == 24000
        peaks.append(float(np.abs(sound).max()))
    if kind == "silence":
        assert peaks == [0.0] * 6
        return
    assert len(set(peaks)) == 6
    assert 10 ** (-60 / 20) - 1e-6 <= min(peaks) < max(peaks) <= 10 ** (-8 / 20) + 1e-6


def test_sounds_are_what_their_names_say():
    def spectrum(kind, seed):
        return np.abs(np.fft.rfft(KINDS[kind](2 * RATE, RATE, np.random.default_rng(seed)))) ** 2

    for seed in range(4):
        mains = spectrum("hum", seed)
        base = 2 * min((50, 60), key=lambda frequency: -mains[2 * frequency])  # bins of half a hertz
        others = np.delete(mains, [place + shift for place in range(base, 9 * base, base) for shift in (-1, 0, 1)])
        assert mains[base] > 100 * others.max()
        notes = np.sort(spectrum("music", seed))[::-1]
        assert notes[:400].sum() > 0.8 * notes.sum()  # power in few frequencies
        white = KINDS["noise"](2 * RATE, RATE, _Fixed(seed, 0.0))
        halves = np.abs(np.fft.rfft(white)) ** 2
        assert halves[:8000].sum() == pytest.approx(halves[8000:16000].sum(), rel=0.1)


class _Fixed(np.random.Generator):
    """A generator whose `uniform` gives one value."""

    def __init__(self, seed, value):
        super().__init__(np.random.PCG64(seed))
        self.value = value

    def uniform(self, *_):
        return self.value


def test_asr_data_sounds_and_import_give_empty_texts(tmp_path):
    arguments = ["sounds", "--number", "6", "--kind", "tone", "--kind", "noise", "--seconds", "0.5", "1"]
    result = CliRunner().invoke(command, [*arguments, "--output", str(tmp_path / "made")])
    assert result.exit_code == 0, result.output
    made = read_manifest(tmp_path / "made" / "manifest.jsonl", check_audio=True).utterances
    assert [utterance.extra["kind"] for utterance in made] == ["tone", "noise"] * 3
    assert all(utterance.text == "" and 0.5 <= utterance.duration <= 1 for utterance in made)
    refused = CliRunner().invoke(command, ["sounds", "--kind", "speech", "--output", str(tmp_path / "none")])
    assert isinstance(refused.exception, ConfigError)
    for kind in ("rain", "dog"):
        (tmp_path / "noise" / kind).mkdir(parents=True)
        soundfile.write(tmp_path / "noise" / kind / "1.flac", speech_like(0.5), RATE)
    arguments = ["import", str(tmp_path / "noise"), "--kind", "sounds", "--where", "kind=rain"]
    assert CliRunner().invoke(command, [*arguments, "--output", str(tmp_path / "rain.jsonl")]).exit_code == 0
    only = read_manifest(tmp_path / "rain.jsonl").utterances
    assert [(utterance.id, utterance.text) for utterance in only] == [("rain-1", "")]
