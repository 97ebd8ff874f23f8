from __future__ import annotations

import bz2
import gzip
import json
import lzma
import random
import re
import shutil
import subprocess
import unicodedata

import jiwer
import pytest

from asr.errors import TextError
from asr.score.report import compare, render, render_alignment, render_test, score_system, to_json
from asr.score.text_files import Texts, format_texts, read_texts


def _corrupted(seed: int) -> tuple[Texts, Texts]:
    """Sentences, and the same with words lost, doubled and replaced."""
    draw = random.Random(seed)
    words = ["the", "a", "of", "in", "and", "cat", "dog", "house", "tree", "river", "walks", "runs", "sleeps"]
    reference, hypothesis = {}, {}
    for number in range(120):
        sentence = [draw.choice(words) for _ in range(draw.randint(1, 20))]
        found = []
        for word in sentence:
            chance = draw.random()
            found += [] if chance < 0.06 else [word, draw.choice(words)] if chance < 0.12 else [word]
            if chance > 0.85:
                found[-1] = draw.choice(words)
        name = f"{number % 7 + 10}-1-{number:04d}"
        reference[name], hypothesis[name] = " ".join(sentence), " ".join(found)
    return Texts(reference, {name: name.split("-")[0] for name in reference}), Texts(hypothesis)


def test_figures_equal_jiwers():
    reference, hypothesis = _corrupted(1)
    score = score_system(reference, hypothesis)
    pairs = [(reference.texts[name], hypothesis.texts[name]) for name in score.ids]
    expected = jiwer.process_words([a for a, _ in pairs], [b for _, b in pairs])
    assert score.words.rate == pytest.approx(expected.wer)
    assert score.words.substitutions == expected.substitutions
    assert score.characters.rate == pytest.approx(jiwer.cer([a for a, _ in pairs], [b for _, b in pairs]))
    assert score.over_utterances.low < score.words.rate < score.over_utterances.high
    assert score.over_speakers.low < score.words.rate < score.over_speakers.high
    assert to_json(score)["sentence_errors"] == sum(a != b for a, b in pairs)


@pytest.mark.skipif(shutil.which("sctk") is None, reason="needs sclite (Debian package sctk)")
def test_totals_agree_with_sclite(tmp_path):
    reference, hypothesis = _corrupted(2)
    (tmp_path / "ref.trn").write_text(format_texts(reference.texts, True))
    (tmp_path / "hyp.trn").write_text(format_texts(hypothesis.texts, True))
    command = [
        "sctk",
        "sclite",
        "-s",
        "-i",
        "rm",
        "-r",
        "ref.trn",
        "trn",
        "-h",
        "hyp.trn",
        "trn",
        "-o",
        "rsum",
        "stdout",
    ]
    report = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    columns = re.search(r"\| Sum\s*\|\s*(\d+)\s+(\d+)\s*\|((?:\s*\d+)+)", report)
    assert columns, report
    errors = int(columns[3].split()[4])
    score = score_system(reference, hypothesis)
    assert score.words.reference_length == int(columns[2])
    assert abs(score.words.errors - errors) / score.words.reference_length < 0.002
    assert len(score.ids) == int(columns[1])


def test_missing_hypotheses_count_as_empty_and_extra_ones_are_refused():
    reference = Texts({"a": "one two", "b": "three"})
    score = score_system(reference, Texts({"a": "one two"}))
    assert score.missing == ["b"]
    assert score.words.deletions == 1
    with pytest.raises(TextError, match="'c'"):
        score_system(reference, Texts({"c": "one"}))


def test_utterances_of_a_manifest_whose_text_is_not_known_are_not_scored(tmp_path):
    lines = [
        {"audio_filepath": "a b.wav", "text": "one two"}, {"audio_filepath": "c.wav", "offset": 1.5, "text": ""},
        {"id": "d", "audio_filepath": "d.wav"},
    ]  # fmt: skip
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    reference = read_texts(tmp_path / "m.jsonl")
    assert reference == Texts({"a_b": "one two", "c-00001500": ""}, {}, frozenset({"d"}))
    score = score_system(reference, Texts({"a_b": "one two", "c-00001500": "", "d": "never counted"}))
    assert (score.words.errors, score.words.reference_length) == (0, 2)


def test_a_rate_without_reference_words_is_null_in_json():
    score = score_system(Texts({"u": ""}), Texts({"u": "so"}))
    assert json.loads(json.dumps(to_json(score), allow_nan=False))["wer"] is None


def test_ids_end_at_a_tab_too_and_a_byte_order_mark_is_none_of_them(tmp_path):
    (tmp_path / "t.txt").write_bytes("\ufeffu1\ta b\nu2  c\n".encode())
    assert read_texts(tmp_path / "t.txt").texts == {"u1": "a b", "u2": "c"}


def test_the_paired_test_says_which_is_better():
    reference, hypothesis = _corrupted(3)
    first, second = score_system(reference, hypothesis), score_system(reference, reference)
    test = compare(first, second)
    assert test.difference == pytest.approx(-first.words.rate)
    assert test.p_value == pytest.approx(2 / 2**7, abs=0.01)  # better for all of seven speakers
    assert "better than a, by more than chance (p = 0.0" in render_test(test, "a", "b")
    assert "over 7 speakers; 95%" in render_test(test, "a", "b")
    unnamed = compare(score_system(Texts(reference.texts), hypothesis), second)
    assert "over utterances; 95%" in render_test(unnamed, "a", "b")


def test_a_test_tells_over_what_it_is_and_why(run, tmp_path):
    def written(name, speakers):
        lines = [{"id": f"u{n}", "audio_filepath": "a.wav", "text": "one two", "speaker": speaker}
                 for n, speaker in enumerate(speakers)]  # fmt: skip
        (tmp_path / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
        for hypothesis, word in (("1.txt", "one"), ("2.txt", "one two")):
            (tmp_path / hypothesis).write_text("".join(f"u{n} {word}\n" for n in range(len(speakers))))
        return [tmp_path / name, tmp_path / "1.txt", tmp_path / "2.txt"]

    code, out, err = run("score", *written("numbers.jsonl", [*range(8)] * 2))
    assert (code, "over 8 speakers" in out, err) == (0, True, "")
    code, out, err = run("score", *written("some.jsonl", ["a", "b", None] * 4))
    assert (code, "over utterances" in out, "4 of 12 utterances have no speaker" in err) == (0, True, True)
    code, out, err = run("score", *written("few.jsonl", ["a", "b", "c"] * 4), "--json")
    assert json.loads(out)["test"]["over"] == "utterances"
    assert "fewer than 6 speakers are too few" in err


def test_reports_and_alignments_read_well():
    score = score_system(Texts({"u": "the cat sat"}), Texts({"u": "the dog sat down"}))
    assert "1 substituted, 0 deleted, 1 inserted" in render(score)
    assert render_alignment("u", score.alignments[0]) == "u\n  ref the CAT sat ****\n  hyp the DOG sat DOWN"


def test_json_has_the_alignments_that_were_asked_for(run, tmp_path):
    """--alignments was ignored with --json."""
    for name, text in (
        ("r", "u1 the cat sat\nu2 yes\n"),
        ("a", "u1 the dog sat down\nu2 yes\n"),
        ("b", "u1 cat sat\n"),
    ):
        (tmp_path / name).write_text(text)
    asked = ["score", tmp_path / "r", tmp_path / "a", tmp_path / "b", "--json"]
    found = json.loads(run(*asked, "--alignments")[1])
    pairs = [["the", "the"], ["cat", "dog"], ["sat", "sat"], [None, "down"]]
    assert found["alignments"] == [{"id": "u1", "words": pairs}]
    words = [["the", None], ["cat", "cat"], ["sat", "sat"]]
    assert found["second"]["alignments"] == [{"id": "u1", "words": words}, {"id": "u2", "words": [["yes", None]]}]
    assert "alignments" not in json.loads(run(*asked)[1])


def test_text_files_survive_writing_and_reading(tmp_path):
    texts = {"12-3-0001": "hello (you) there", "12-3-0002": ""}
    for name in ("t.trn", "t.txt"):
        (tmp_path / name).write_text(format_texts(texts, name.endswith("trn")))
        read = read_texts(tmp_path / name)
        assert read.texts == texts
        assert read.speakers == {"12-3-0001": "12", "12-3-0002": "12"}


@pytest.mark.parametrize(("ending", "packed"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)])
def test_a_packed_text_file_has_the_form_that_its_name_tells(tmp_path, ending, packed):
    for name, content in (
        ("t.trn", "one (a)\ntwo (b)\n"),
        ("t.txt", "a one\nb two\n"),
        ("t.jsonl", '{"id": "a", "text": "one"}\n'),
    ):
        (tmp_path / name).write_text(content)
        (tmp_path / (name + ending)).write_bytes(packed(content.encode()))
        assert read_texts(tmp_path / (name + ending)) == read_texts(tmp_path / name)
    (tmp_path / f"cut.trn{ending}").write_bytes(packed(b"one (a)\n" * 1000)[:-9])
    with pytest.raises(TextError, match=r"cut\.trn.* cannot be read"):
        read_texts(tmp_path / f"cut.trn{ending}")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [("a.trn", "no id here\n", "line 1"), ("a.txt", "u one\nu two\n", "is repeated"), ("a.txt", "\n", "no text"),
     ("a.jsonl", "{}\n", "line 1")],
)  # fmt: skip
def test_bad_text_files_are_named(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(TextError, match=message):
        read_texts(tmp_path / name)


def test_letters_with_their_accents_apart_are_equal_to_joined_ones():
    texts = {"a": "l'été niño", "b": "straße über việt"}
    apart = {name: unicodedata.normalize("NFD", text) for name, text in texts.items()}
    assert apart != texts
    for one, other in ((texts, apart), (apart, texts)):
        score = score_system(Texts(one), Texts(other))
        assert (score.words.errors, score.characters.errors) == (0, 0)
        assert score.characters.reference_length == len("".join(texts.values()))
    wrong = score_system(Texts({"a": "été"}), Texts({"a": "etè"}))
    assert (wrong.words.errors, wrong.characters.errors) == (1, 2)


def test_transcripts_of_files_are_scored_as_they_were_recognised(tmp_path):
    (tmp_path / "m.jsonl").write_text(
        '{"audio_filepath": "clips/a b.wav", "text": "it was nineteen eighty four"}\n'
        '{"audio_filepath": "/x/c.flac", "text": "yes"}\n'
    )
    (tmp_path / "results.jsonl").write_text(
        '{"file": "clips/a b.wav", "text": "It was 1984.", "raw": "it was nineteen eighty four", "words": []}\n'
        '{"file": "c.flac", "text": "no", "words": []}\n'
    )
    score = score_system(read_texts(tmp_path / "m.jsonl"), read_texts(tmp_path / "results.jsonl"))
    assert (score.words.errors, score.words.reference_length, score.missing) == (1, 6, [])


@pytest.mark.parametrize("name", ["a.ctm", "a.stm", "a.ctm.gz"])
def test_timed_words_are_no_texts(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(gzip.compress(b"a 1 0.0 0.1 b\n") if name.endswith("gz") else b"a 1 0.0 0.1 b\na 1 0.2 0.1 c\n")
    with pytest.raises(TextError, match="timed words, which sclite scores"):
        read_texts(path)
