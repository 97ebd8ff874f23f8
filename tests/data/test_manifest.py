from __future__ import annotations

import gzip
import json
import lzma

import pytest

from asr.data.manifest import Manifest, Utterance, read_manifest, sentences, shared_utterances, write_manifest
from asr.errors import ManifestError, TextError
from asr.score.text_files import format_texts, read_texts


def _write(path, *entries) -> None:
    path.write_text("".join(entry if isinstance(entry, str) else json.dumps(entry) + "\n" for entry in entries))


def test_a_manifest_survives_writing_and_reading(tmp_path):
    utterances = [
        Utterance("a", str(tmp_path / "x/a.wav"), 1.5, "hello", "s1"),
        Utterance("b", "/elsewhere/b.wav", 2.0, offset=0.5, extra={"split": "test"}),
    ]
    write_manifest(tmp_path / "m.jsonl", utterances)
    assert read_manifest(tmp_path / "m.jsonl").utterances == utterances
    first = json.loads((tmp_path / "m.jsonl").read_text().splitlines()[0])
    assert first["audio_filepath"] == "x/a.wav"  # relative: the folder can be moved


def test_utterances_of_two_manifests_are_the_same_where_audio_and_place_are(tmp_path):
    first = Manifest([Utterance("a", "/x/a.wav", 1.0), Utterance("b", "/x/b.wav", 1.0, offset=2.0)], [])
    second = Manifest(
        [Utterance("c", "/x/y/../a.wav", 1.0), Utterance("b", "/x/b.wav", 1.0), Utterance("a", "/z/a.wav", 1.0)], []
    )
    assert (shared_utterances(first, second), shared_utterances(first, first)) == (1, 2)


def test_an_id_may_be_the_number_0_where_manifests_are_read_and_scored(tmp_path):
    lines = [{"id": number, "audio_filepath": "a.wav", "duration": 1.0, "text": "one"} for number in range(2)]
    _write(tmp_path / "m.jsonl", *lines, {"id": "", "audio_filepath": "b.wav", "duration": 1.0, "text": "one"})
    ids = ["0", "1", "b"]
    assert [utterance.id for utterance in read_manifest(tmp_path / "m.jsonl").utterances] == ids
    assert list(read_texts(tmp_path / "m.jsonl").texts) == ids


@pytest.mark.parametrize("name", ["talk 1", "talk\t1", "talk(1)", "talk\u00a01"])
def test_an_id_that_files_of_texts_cannot_hold_is_refused_early(tmp_path, name):
    good = {"id": "a", "audio_filepath": "a.wav", "duration": 1.0}
    _write(tmp_path / "m.jsonl", good, {**good, "id": name})
    manifest = read_manifest(tmp_path / "m.jsonl")
    assert [utterance.id for utterance in manifest.utterances] == ["a"]
    assert "write _ for them" in manifest.bad[0].reason
    for trn in (True, False):
        with pytest.raises(TextError, match="white space or brackets"):
            format_texts({name: "hello"}, trn)


@pytest.mark.parametrize(("ending", "packed"), [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_a_packed_manifest_is_read_as_one(tmp_path, ending, packed):
    _write(tmp_path / "m.jsonl", {"id": "a", "audio_filepath": "a.wav", "duration": 1.0, "text": "a b"})
    path = tmp_path / f"m.jsonl{ending}"
    path.write_bytes(packed((tmp_path / "m.jsonl").read_bytes()))
    assert read_manifest(path) == read_manifest(tmp_path / "m.jsonl")
    assert list(sentences(path)) == ["a b"]
    path.write_bytes(path.read_bytes()[:-6])
    with pytest.raises(ManifestError, match="damaged or cut short"):
        read_manifest(path)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("this is not json\n", "not JSON"),
        ("[1, 2]\n", "not a JSON object"),
        ({"text": "no audio"}, "'audio_filepath' is missing"),
        ({"audio_filepath": "none.wav"}, "does not exist"),
        ({"audio_filepath": "a.wav", "offset": 5.0}, "past the end"),
        ({"audio_filepath": "a.wav", "duration": 9.0, "id": "long"}, "reaches past the end"),
        ({"audio_filepath": "a.wav", "duration": "long"}, "'duration' is 'long'"),
        ({"audio_filepath": "a.wav", "offset": -1}, "'offset' is -1"),
        ({"audio_filepath": "a.wav", "text": 5}, "'text' is 5"),
        ({"audio_filepath": "a.wav", "id": "good"}, "is repeated"),
    ],
)
def test_a_bad_line_is_listed_with_its_number_and_the_rest_is_read(tmp_path, make_wav, line, reason):
    make_wav("a.wav", 1.0)
    _write(
        tmp_path / "m.jsonl", {"audio_filepath": "a.wav", "id": "good"}, line, {"audio_filepath": "a.wav", "id": "c"}
    )
    manifest = read_manifest(tmp_path / "m.jsonl", check_audio=True)
    assert [utterance.id for utterance in manifest.utterances] == ["good", "c"]
    assert manifest.utterances[0].duration == 1.0
    assert len(manifest.bad) == 1
    assert "line 2" in manifest.bad[0].where
    assert reason in manifest.bad[0].reason


def test_durations_that_sources_round_up_or_pad_are_cut_to_the_file(tmp_path, make_wav):
    make_wav("a.wav", 1.0)
    rows = [(0.0, 1.08), (0.25, 1.2), (0.0, 0.9), (0.0, 1.51)]
    for number, (offset, duration) in enumerate(rows):
        rows[number] = {"audio_filepath": "a.wav", "id": str(number), "offset": offset, "duration": duration}
    _write(tmp_path / "m.jsonl", *rows)
    manifest = read_manifest(tmp_path / "m.jsonl", check_audio=True)
    assert [utterance.duration for utterance in manifest.utterances] == [1.0, 0.75, 0.9]
    assert [bad.where.endswith("line 4") for bad in manifest.bad] == [True]


def test_a_manifest_without_a_good_line_is_an_error(tmp_path):
    _write(tmp_path / "m.jsonl", "nonsense\n")
    with pytest.raises(ManifestError, match="no usable utterance"):
        read_manifest(tmp_path / "m.jsonl")
    with pytest.raises(ManifestError, match="cannot read"):
        read_manifest(tmp_path / "none.jsonl")


@pytest.mark.parametrize(
    ("line", "reason"),
    [('{"audio_filepath": "a.wav", "duration": ' + "9" * 5000 + "}\n", "not JSON"), ("[" * 100_000 + "\n", "not JSON"),
     ('{"audio_filepath": "a.wav", "text": "\\ud800"}\n', "surrogate"),
     ('{"audio_filepath": "a.wav", "id": "\\udc00x"}\n', "surrogate"),
     ('{"audio_filepath": "a\\u0000.wav"}\n', "names no file"), ('{"audio_filepath": ""}\n', "")],
)  # fmt: skip
def test_lines_that_no_parser_or_file_system_takes_are_listed(tmp_path, make_wav, line, reason):
    make_wav("a.wav", 1.0)
    _write(tmp_path / "m.jsonl", {"audio_filepath": "a.wav", "id": "good"}, line)
    manifest = read_manifest(tmp_path / "m.jsonl", check_audio=True)
    assert [utterance.id for utterance in manifest.utterances] == ["good"]
    assert reason in manifest.bad[0].reason


def test_any_exception_of_an_item_is_listed_with_its_class(tmp_path, make_wav, monkeypatch):
    make_wav("a.wav", 1.0)
    _write(tmp_path / "m.jsonl", {"audio_filepath": "a.wav"}, {"audio_filepath": "b.wav"})

    def check(utterance: Utterance) -> Utterance:
        if utterance.id == "b":
            raise ArithmeticError("it went wrong")
        return utterance

    monkeypatch.setattr("asr.data.manifest.check_utterance", check)
    manifest = read_manifest(tmp_path / "m.jsonl", check_audio=True)
    assert len(manifest.utterances) == 1
    assert manifest.bad[0].reason == "ArithmeticError: it went wrong"


def test_every_text_of_a_manifest_is_read_whatever_its_audio_is(tmp_path):
    path = tmp_path / "m.jsonl"
    lines = [
        {"id": "a", "audio_filepath": "a.wav", "text": "one two"},
        {"id": "a", "audio_filepath": "b.wav", "text": "three"},
        {"text": "four"}, {"audio_filepath": "c.wav"}, {"duration": -1, "text": "five\u2028six"},
    ]  # fmt: skip
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + "\n")
    assert list(sentences(path)) == ["one two", "three", "four", "", "five\u2028six"]
    for line, reason in (("{", "not a line of a manifest"), ("[1]", "not a line"), ('{"text": 7}', "'7', not text")):
        path.write_text('{"text": "one"}\n' + line)
        with pytest.raises(ManifestError, match=f"line 2.*{reason}"):
            list(sentences(path))
    path.write_text('{"text": "\\ud800"}')
    with pytest.raises(ManifestError, match="not text"):
        list(sentences(path))


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\u0085", "\x0c", "\x1c"])
def test_a_text_may_hold_what_unicode_calls_the_end_of_a_line(tmp_path, mark):
    path = tmp_path / "m.jsonl"
    utterances = [Utterance("a", str(tmp_path / "a.wav"), 1.0, f"one{mark}two"), Utterance("b", "/b.wav", 1.0, "three")]
    write_manifest(path, utterances)
    read = read_manifest(path)
    assert not read.bad
    assert read.utterances == utterances
    assert read_texts(path).texts == {"a": "one two", "b": "three"}
    (tmp_path / "ref.txt").write_text(f"a one{mark}two\nb three\n", encoding="utf-8")
    assert read_texts(tmp_path / "ref.txt").texts == {"a": "one two", "b": "three"}
