"""Forced alignment against torchaudio's, against enumeration where words have several spellings, and as a command."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torchaudio

from asr.decode.alignment import align
from asr.errors import TextError

SPEECH = Path(__file__).parents[1] / "speech" / "hello.flac"
SAID = "The old man walked along the river and said that he had never seen such a beautiful morning."


def _random(frames, tokens, seed):
    values = np.random.default_rng(seed).normal(0, 2, (frames, tokens))
    return (values - np.logaddexp.reduce(values, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("seed", range(6))
def test_with_one_spelling_a_word_it_is_torchaudios_path(seed):
    random = np.random.default_rng(seed)
    words = [[random.integers(1, 6, size=random.integers(1, 4)).tolist()] for _ in range(8)]
    log_probs = _random(70, 6, seed)
    targets = [token for ways in words for token in ways[0]]
    path, scores = torchaudio.functional.forced_align(
        torch.from_numpy(log_probs)[None], torch.tensor([targets], dtype=torch.int32), blank=0
    )
    spans = torchaudio.functional.merge_tokens(path[0], scores[0], blank=0)
    found = align(log_probs, words)
    first = 0
    for word, (ways,) in zip(found, words, strict=True):
        inside = spans[first : first + len(ways)]
        assert (word.start, word.end) == (inside[0].start, inside[-1].end)
        first += len(ways)
        assert word.log_prob == pytest.approx(float(scores[0][word.start : word.end].mean()), abs=1e-5)


def _best_by_enumeration(log_probs, choices, boundary):
    """The best path's score over every way to say the words."""
    best = -np.inf
    for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        tokens = [token for token, _ in itertools.groupby(path) if token]
        wanted = [[token for way in ways for token in way] for ways in itertools.product(*choices)]
        wanted += [ids[:-1] for ids in wanted if ids[-1] == boundary]
        if tokens in wanted:
            best = max(best, sum(float(log_probs[frame, token]) for frame, token in enumerate(path)))
    return best


@pytest.mark.parametrize("seed", range(4))
def test_the_best_spelling_of_each_word_is_chosen(seed):
    log_probs = _random(7, 4, seed)
    choices = [[[1, 3], [2, 1, 3]], [[2, 3], [1, 2, 3]]]
    found = align(log_probs, choices, boundary=3)
    expected = _best_by_enumeration(log_probs, choices, 3)
    chosen = [[choices[place][word.spelling]] for place, word in enumerate(found)]
    assert _best_by_enumeration(log_probs, chosen, 3) == pytest.approx(expected, abs=1e-5)
    assert found[0].end <= found[1].start


def test_what_does_not_fit_is_named():
    log_probs = _random(3, 4, 0)
    assert align(log_probs, []) == []
    with pytest.raises(TextError, match="needs a spelling"):
        align(log_probs, [[]])
    with pytest.raises(TextError, match="does not fit the audio"):
        align(log_probs, [[[1, 2]], [[1, 2]]])
    with pytest.raises(TextError, match="through 0 frames"):
        align(log_probs[:0], [[[1]]])
    assert [(word.start, word.end) for word in align(log_probs, [[[1, 2, 3]]])] == [(0, 3)]
    with pytest.raises(TextError, match="does not fit"):
        align(log_probs, [[[1, 1, 2]]])  # a blank between equal tokens needs a frame


def test_a_long_text_is_followed_in_bounded_time():
    random = np.random.default_rng(0)
    words = [[random.integers(1, 30, size=4).tolist()] for _ in range(2000)]
    rows, starts = [], []
    for (ways,) in words:
        rows += [0] * int(random.integers(1, 4))
        starts.append(len(rows))
        for token in ways:
            rows += [token] * int(random.integers(1, 3)) + [0]
    log_probs = np.full((len(rows), 30), np.log(0.1 / 29), np.float32)
    log_probs[np.arange(len(rows)), rows] = np.log(0.9)
    assert [word.start for word in align(log_probs, words)] == starts


def test_the_command_finds_the_words_of_a_text(run, tmp_path):
    text = tmp_path / "said.txt"
    text.write_text(SAID)
    code, out, errors = run("align", SPEECH, text, "--format", "json")
    assert code == 0, errors
    assert "fit the sound" not in errors
    words = json.loads(out)["words"]
    assert " ".join(word["word"] for word in words) == SAID.lower().rstrip(".")
    assert all(left["end"] <= right["start"] + 1e-6 for left, right in itertools.pairwise(words))
    assert words[0]["start"] < 0.4
    assert 4.0 < words[-1]["end"] < 5.6
    text.write_text("\u2014 " + SAID)
    for name, start in (("said.srt", "1\n00:00:00,"), ("said.vtt", "WEBVTT\n"), ("said.subtitles", "1\n00:00:00,")):
        assert run("align", SPEECH, text, "--output", tmp_path / name)[0] == 0
        assert (tmp_path / name).read_text().startswith(start)
        assert "\n\u2014 " + SAID.split()[0] in (tmp_path / name).read_text()


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"...", "no word to align"), (b"caf\xe9", "not UTF-8"), (b"many words " * 400, "does not fit the audio")],
)
def test_texts_that_cannot_be_aligned_are_named(run, tmp_path, content, message):
    text = tmp_path / "t.txt"
    text.write_bytes(content)
    code, _, errors = run("align", SPEECH, text)
    assert code == 1
    assert message in errors
    assert run("align", SPEECH, tmp_path / "none.txt")[0] == 1


def test_a_text_that_was_not_spoken_is_doubted(run, tmp_path):
    text = tmp_path / "a.txt"
    text.write_text("Seven thousand green trucks keep stopping near Chicago.")
    code, out, errors = run("align", SPEECH, text, "--format", "ctm", "--quiet")
    assert (code, len(out.splitlines())) == (0, 8)
    assert "is a.txt what is spoken" in errors.replace(str(tmp_path) + "/", "")


def test_words_that_the_lexicon_lacks_are_pronounced_by_rule(run, tmp_path, make_wav):
    text = tmp_path / "t.txt"
    text.write_text("the oldish man walkled along the river and said that he had never seen such a beautiful morning")
    code, out, errors = run("align", SPEECH, text, "--format", "ctm")
    assert code == 0, errors
    assert "learning to pronounce" not in errors  # the rules ship with the model
    assert [line.split()[4] for line in out.splitlines()][1:4] == ["oldish", "man", "walkled"]
    assert run("align", make_wav("silent.wav", 0.0), text)[0] == 1
