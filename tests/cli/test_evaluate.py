"""`asr evaluate`: official sets scored in one command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile

from asr.data import download
from tests.conftest import speech_like


@pytest.fixture
def corpora(tmp_path):
    """A folder with LibriSpeech/dev-clean, of two utterances by two speakers."""
    for speaker, text in (("11", "A B"), ("12", "C D E")):
        chapter = tmp_path / "corpora" / "LibriSpeech" / "dev-clean" / speaker / "1"
        chapter.mkdir(parents=True)
        soundfile.write(chapter / f"{speaker}-1-0000.flac", speech_like(1.0, seed=int(speaker)), 16000)
        (chapter / f"{speaker}-1.trans.txt").write_text(f"{speaker}-1-0000 {text}\n")
    return tmp_path / "corpora"


def test_evaluate_equals_import_decode_and_score(run, corpora, tiny_model, tmp_path):
    code, out, _ = run("evaluate", "--data", corpora, "--sets", "dev-clean", "--model", tiny_model, "--json")
    assert code == 0
    run("data", "import", corpora / "LibriSpeech" / "dev-clean", "--output", tmp_path / "m.jsonl")
    run("decode", "--model", tiny_model, "--manifest", tmp_path / "m.jsonl", "--output", tmp_path / "h.trn")
    scored = json.loads(run("score", tmp_path / "m.jsonl", tmp_path / "h.trn", "--json")[1])
    values = json.loads(out)
    assert values["set"] == "dev-clean"
    assert values["words"] == 5
    assert values["utterances"] == 2
    assert values["wer"] == scored["wer"]
    assert (corpora / f"{tiny_model.name}.dev-clean.trn").read_text() == (tmp_path / "h.trn").read_text()
    code, out, _ = run("evaluate", "--data", corpora, "--sets", "dev-clean", "--model", tiny_model)
    assert code == 0
    assert f"{scored['wer']:.2%}" in out


def test_hypotheses_of_another_search_are_kept(run, corpora, tiny_model):
    def hypotheses(*options):
        arguments = ["--data", corpora, "--sets", "dev-clean", "--model", tiny_model, "--json", *options]
        return Path(json.loads(run("evaluate", *arguments)[1])["hypotheses"])

    first = hypotheses()
    assert first == corpora / f"{tiny_model.name}.dev-clean.trn"
    assert hypotheses() == first  # the same once more
    first.write_text("other (11-1-0000)\n")  # as of another model of the same name
    second = hypotheses()
    assert second == corpora / f"{tiny_model.name}.dev-clean.2.trn"
    assert first.read_text() == "other (11-1-0000)\n"
    assert run("score", corpora / "dev-clean.jsonl", first, second)[0] == 0


def test_an_unreadable_utterance_is_named_and_not_scored(run, corpora, tiny_model):
    broken = corpora / "LibriSpeech" / "dev-clean" / "12" / "1" / "12-1-0000.flac"
    broken.write_bytes(b"nothing")
    code, out, err = run("evaluate", "--data", corpora, "--sets", "dev-clean", "--model", tiny_model, "--json")
    assert code == 1
    assert "12-1-0000" in err
    assert json.loads(out)["unreadable"] == 1
    assert json.loads(out)["words"] == 2


def test_a_set_that_is_not_there_is_refused_before_any_work(run, corpora, tiny_model, monkeypatch):
    for sets, extra, words in (
        ("dev-clean,dev-cleen", (), "cannot be downloaded"),
        ("dev-clean,test-clean", ("--no-download",), "does not exist"),
        (",", (), "names no set"),
    ):
        code, out, err = run("evaluate", "--data", corpora, "--sets", sets, "--model", tiny_model, *extra)
        assert (code, out) == (2, ""), sets
        assert words in err
    asked = []
    monkeypatch.setattr("asr.cli.speech.evaluate.download_corpus", lambda archive, *_: asked.append(archive))
    run("evaluate", "--data", corpora, "--sets", "test-clean", "--model", tiny_model)
    assert asked == [download.ARCHIVES["test-clean"]]
