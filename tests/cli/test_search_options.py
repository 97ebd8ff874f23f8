"""Hotwords, neural language models, rescoring and KenLM binaries as `asr decode` and `asr tune` offer them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from asr.config import to_dict
from asr.lm.lstm.folder import save_lm
from asr.lm.lstm.network import LstmLanguageModel, LstmLmConfig
from asr.lm.ngram.arpa import write_arpa
from asr.lm.ngram.kneser_ney import Corpus, estimate
from asr.recognizer.bulk import read_log_probs, write_log_probs
from tests.decode.test_beam import _log_probs

TEXT = ["a b ab", "a b", "b b", "ab a", "a a a b"] * 4
WORDS = ["</s>", "<unk>", "a", "b", "ab"]


@pytest.fixture
def stored(tmp_path):
    """Arguments of `asr decode` for stored log-probs with lexicon and language model."""
    arrays = {f"u{number}": _log_probs(12, 4, number, sharpness=1.5) for number in range(6)}
    np.savez(tmp_path / "l.npz", **arrays)
    (tmp_path / "tokens.txt").write_text("<blank>\n|\na\nb\n")
    (tmp_path / "lexicon.txt").write_text("a\ta |\nb\tb |\nab\ta b |\n")
    write_arpa(tmp_path / "lm.arpa", estimate(Corpus(TEXT), 2))
    options = ["--log-probs", "l.npz", "--tokens", "tokens.txt", "--lexicon", "lexicon.txt", "--lm", "lm.arpa"]
    return [tmp_path / option if "." in option else option for option in options]


@pytest.fixture
def neural(tmp_path):
    config = LstmLmConfig(4, 6, 1)
    model = LstmLanguageModel(config, len(WORDS))
    save_lm(tmp_path / "lstm", {k: v.detach().numpy() for k, v in model.state_dict().items()}, to_dict(config), WORDS)
    return tmp_path / "lstm"


def _decoded(run, *arguments):
    code, out, errors = run("decode", *arguments, "--json")
    assert code == 0, errors
    return {line["id"]: line for line in map(json.loads, out.splitlines()) if "id" in line}


def test_hotwords_appear_when_they_are_worth_it(run, stored, tmp_path):
    plain = _decoded(run, *stored)
    assert not all("ab ab" in line["text"] for line in plain.values())
    favoured = _decoded(run, *stored, "--hotword", "ab ab=40")
    assert all("ab ab" in line["text"] for line in favoured.values())
    (tmp_path / "hot.txt").write_text("ab ab\t40\n\n")
    assert _decoded(run, *stored, "--hotwords", tmp_path / "hot.txt") == favoured
    code, _, errors = run("decode", *stored, "--hotword", "ab=much")  # no number, so a pronunciation
    assert code == 1
    assert "much" in errors
    code, _, errors = run("decode", *stored, "--hotword", "zebra")
    assert code == 1
    assert "zebra" in errors


def test_a_neural_model_joins_the_search_or_rescores(run, stored, neural):
    plain = _decoded(run, *stored)
    wide = [*stored, "--beam-size", "4000"]
    fused = _decoded(run, *wide, "--neural-lm", neural, "--neural-share", "0.9")
    rescored = _decoded(run, *wide, "--neural-lm", neural, "--neural-share", "0.9", "--rescore", "4000")
    assert fused != plain
    # A long list, searched widely, comes to what the search itself finds with the model.
    assert {name: line["text"] for name, line in rescored.items()} == {n: line["text"] for n, line in fused.items()}
    assert _decoded(run, *stored, "--neural-lm", neural, "--neural-share", "0") == plain
    assert run("decode", *stored, "--neural-lm", "nowhere")[0] == 1
    assert run("decode", *stored[:4], "--neural-lm", neural)[0] == 2


def test_a_negative_limit_and_greedy_with_models_are_wrong_usage(run, stored):
    for command in (["decode", *stored], ["tune", *stored, "--reference", "refs.txt"]):
        code, _, errors = run(*command, "--limit", "-2")
        assert (code, "-2 is not in the range" in errors) == (2, True)
    for models in (stored[4:6], stored[6:8]):
        code, _, errors = run("decode", *stored[:4], "--greedy", *models)
        assert (code, "leave it out, or --lm and --lexicon" in errors) == (2, True)
    assert run("decode", *stored[:4], "--greedy", "--lm", "none")[0] == 0


def test_tuning_prints_surface_beams_calibration_and_what_a_neural_model_brings(run, stored, neural, tmp_path):
    (tmp_path / "refs.txt").write_text("".join(f"u{number} a b ab c\n" for number in range(6)))
    code, out, errors = run(
        "tune", *stored, "--reference", tmp_path / "refs.txt", "--trials", "3", "--beams", "5,20",
        "--beam-threshold", "20",
        "--neural-lm", neural, "--final-beam", "7", "--final-neural-beam", "9:15.5",
        "--output", tmp_path / "tuned.json",
    )  # fmt: skip
    assert code == 0, errors
    for part in ("lm_weight  word_score", "beam_size    5: WER", "expected calibration error", "rescoring:", "fusion:"):
        assert part in out
    assert "25.00% of the reference words are not in the lexicon" in errors
    tuned = json.loads((tmp_path / "tuned.json").read_text())
    expected = {"lm_weight", "word_score", "beam_size", "threshold", "confidence_slope", "neural_share"}
    assert expected | {"neural_lm_weight", "neural_confidence_slope"} <= set(tuned)
    assert tuned["threshold"] == 20.0
    assert tuned["beam_size"] == 7
    assert (tuned["neural_beam_size"], tuned["neural_threshold"]) == (9, 15.5)
    code, _, errors = run("tune", *stored, "--reference", tmp_path / "refs.txt", "--final-beam", "wide")
    assert code == 2
    assert "1600:16" in errors


def test_a_recogniser_packed_with_a_neural_model_uses_it(run, neural, tiny_model, make_wav, tmp_path):
    write_arpa(tmp_path / "lm.arpa", estimate(Corpus(["a cab", "bad dab a"] * 4), 2))
    (tmp_path / "tuned.json").write_text(json.dumps({"neural_share": 0.7, "lm_weight": 0.5, "neural_lm_weight": 0.6}))
    code, _, errors = run(
        "checkpoint", "pack", tiny_model, "--lm", tmp_path / "lm.arpa", "--neural-lm", neural,
        "--decoding", tmp_path / "tuned.json", "--output", tmp_path / "packed", "--neural-beam-size", "7",
        "--beam-threshold", "16", "--neural-beam-threshold", "15",
    )  # fmt: skip
    assert code == 0, errors
    packed = json.loads((tmp_path / "packed" / "config.json").read_text())["decoding"]
    assert (packed["neural_beam_size"], packed["threshold"], packed["neural_threshold"]) == (7, 16.0, 15.0)
    lstm = tmp_path / "packed" / "lstm"
    wav = make_wav(seconds=1.5)
    code, out, errors = run("transcribe", wav, "--model", tmp_path / "packed", "--neural-lm", lstm, "--format", "json")
    assert code == 0, errors
    assert set(json.loads(out)) == {"file", "text", "duration", "words"}
    # By itself too, unless it is refused or the n-gram is another.
    (tmp_path / "m.jsonl").write_text(
        json.dumps({"id": "u", "audio_filepath": str(wav), "duration": 1.5, "text": "a cab"}) + "\n"
    )
    of_model = ["--model", tmp_path / "packed", "--manifest", tmp_path / "m.jsonl"]
    scores = [
        _decoded(run, *of_model, *options)["u"]["score"]
        for options in ([], ["--neural-lm", lstm], ["--neural-lm", "none"], ["--lm", tmp_path / "lm.arpa"])
    ]
    assert scores[0] == scores[1] != scores[2] == scores[3]


def test_shipped_models_go_by_name_wherever_a_model_is_taken(run, make_wav, tmp_path):
    wav = make_wav(seconds=1.5)
    (tmp_path / "m.jsonl").write_text(
        json.dumps({"id": "u", "audio_filepath": str(wav), "duration": 1.5, "text": "one two"}) + "\n"
    )
    (tmp_path / "one.txt").write_text("one two")
    manifest = tmp_path / "m.jsonl"
    for arguments in (
        ["transcribe", wav, "--model", "digits"],
        ["decode", "--model", "digits", "--manifest", manifest],
        ["align", wav, tmp_path / "one.txt", "--model", "digits"],
        ["checkpoint", "show", "digits"],
        ["checkpoint", "average", "digits", "digits", "--output", tmp_path / "average"],
        ["checkpoint", "pack", "digits", "--output", tmp_path / "packed"],
    ):
        code, _, errors = run(*arguments)
        assert code == 0, (arguments, errors)


def test_the_time_between_frames_is_kept_beside_stored_log_probs(run, make_wav, tmp_path, stored):
    wav = make_wav(seconds=1.5)
    (tmp_path / "m.jsonl").write_text(
        json.dumps({"id": "u", "audio_filepath": str(wav), "duration": 1.5, "text": "one two"}) + "\n"
    )
    computed = ["--model", "english", "--manifest", tmp_path / "m.jsonl", "--greedy"]
    code, _, errors = run("decode", *computed, "--save-log-probs", tmp_path / "kept.npz", "--json")
    assert code == 0, errors
    with np.load(tmp_path / "kept.npz") as file:
        assert file.files == ["u"]  # other programs find utterances and nothing else
        assert (file["u"].ndim, file["u"].dtype) == (2, np.float16)
    assert read_log_probs(tmp_path / "kept.npz").seconds_per_frame == pytest.approx(0.03)
    code, out, errors = run("decode", *stored, "--json", "--frame-seconds", "0.5")
    assert (code, errors) == (0, "")
    code, assumed, errors = run("decode", *stored, "--json")
    assert code == 0
    assert "0.04 s is assumed" in errors
    times = [_ends(text) for text in (out, assumed)]
    assert times[0] == pytest.approx([time / 0.04 * 0.5 for time in times[1]], abs=0.02)
    arrays = read_log_probs(stored[1]).arrays
    write_log_probs(tmp_path / "again.npz", arrays, 0.5)
    code, kept, errors = run("decode", "--log-probs", tmp_path / "again.npz", *stored[2:], "--json")
    assert (code, errors) == (0, "")
    assert _ends(kept) == pytest.approx(times[0])


def _ends(out: str) -> list[float]:
    """The end of every word that `asr decode --json` prints, in seconds."""
    return [word["end"] for line in out.splitlines()[:-1] for word in json.loads(line)["words"]]
