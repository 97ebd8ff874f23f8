from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import soundfile

from asr.data.importers import import_corpus, keep_where
from asr.errors import ManifestError


@pytest.fixture
def corpus(tmp_path, make_wav):
    """A LibriSpeech-like folder of two chapters in two audio formats, one file missing, one without text."""
    wav, flac = make_wav("a.wav", 0.5), make_wav("a.flac", 0.5)
    for chapter, source in (("1-2", wav), ("3-4", flac)):
        folder = tmp_path / "corpus" / chapter.replace("-", "/")
        folder.mkdir(parents=True)
        for number in (0, 1):
            shutil.copy(source, folder / f"{chapter}-{number:04d}{source.suffix}")
        lines = [f"{chapter}-{number:04d} HELLO {chapter} {number}" for number in (0, 2)]
        (folder / f"{chapter}.trans.txt").write_text("\n".join(lines) + "\n")
    return tmp_path / "corpus"


def test_librispeech_folders_are_read_whatever_the_extension(corpus):
    manifest = import_corpus(corpus)
    assert [(u.id, u.speaker, u.text) for u in manifest.utterances] == [
        ("1-2-0000", "1", "HELLO 1-2 0"),
        ("3-4-0000", "3", "HELLO 3-4 0"),
    ]
    assert all(u.duration == 0.5 for u in manifest.utterances)
    assert sorted(item.reason.split(" ")[0] for item in manifest.bad) == ["has", "has", "no", "no"]


def test_files_of_one_name_are_named_by_their_folders_and_ids_have_no_spaces(tmp_path, make_wav):
    for folder in ("anna", "ben b"):
        (tmp_path / folder).mkdir()
        shutil.copy(make_wav("x.wav", 0.5), tmp_path / folder / "001.wav")
    shutil.copy(tmp_path / "x.wav", tmp_path / "clip (2) b.wav")
    (tmp_path / "t.csv").write_text("path,text\nanna/001.wav,one\nben b/001.wav,\nclip (2) b.wav,two\n")
    manifest = import_corpus(tmp_path / "t.csv")
    assert [(u.id, u.text) for u in manifest.utterances] == [
        ("anna-001", "one"), ("ben_b-001", None), ("clip_2_b", "two")
    ]  # fmt: skip
    assert not manifest.bad


def test_tables_may_have_semicolons_and_texts_with_quotation_marks(tmp_path, make_wav):
    make_wav("a.wav")
    make_wav("b.wav")
    (tmp_path / "t.csv").write_bytes('\ufeffPath;Sentence\r\na.wav;"one; two"\r\nb.wav;three, four\r\n'.encode())
    assert [u.text for u in import_corpus(tmp_path / "t.csv").utterances] == ["one; two", "three, four"]
    texts = {'"Never, he said.': '"Never, he said.', '"""Yes"" is ""yes"""': '"Yes" is "yes"'}  # the second as pandas
    for text, meant in texts.items():
        (tmp_path / "t.tsv").write_text(f"path\tsentence\na.wav\t{text}\nb.wav\tplain\n")
        found = import_corpus(tmp_path / "t.tsv")
        assert [u.text for u in found.utterances] == [meant, "plain"]


def test_a_text_with_commas_and_without_quotation_marks_is_not_cut(tmp_path, make_wav):
    make_wav("a.wav")
    make_wav("b.wav")
    (tmp_path / "t.csv").write_text("path,text\na.wav,well, I never\nb.wav,yes,\n")
    manifest = import_corpus(tmp_path / "t.csv")
    assert [u.text for u in manifest.utterances] == ["yes"]
    assert str(manifest.bad[0]).startswith(f"{tmp_path / 't.csv'} line 2: 3 fields where the header has 2")


def test_kaldi_files_may_have_tabs(tmp_path, make_wav):
    make_wav("a.wav", 0.5)
    for name, value in (("wav.scp", "a.wav"), ("text", "so it\tis"), ("utt2spk", "anna")):
        (tmp_path / name).write_text(f"u1\t{value}\n")
    (utterance,) = import_corpus(tmp_path, "kaldi").utterances
    assert (utterance.id, utterance.text, utterance.speaker) == ("u1", "so it\tis", "anna")


def test_tables_find_their_columns_by_name(tmp_path, make_wav):
    make_wav("a.wav", 0.5)
    (tmp_path / "clips").mkdir()
    shutil.copy(tmp_path / "a.wav", tmp_path / "clips" / "b.wav")
    (tmp_path / "t.tsv").write_text(
        "client_id\tpath\tsentence\nme\ta.wav\tHello, you\nme\tb.wav\tBye\nme\tc.wav\tLost\n"
    )
    manifest = import_corpus(tmp_path / "t.tsv")
    assert [(u.id, u.speaker, u.text) for u in manifest.utterances] == [("a", "me", "Hello, you"), ("b", "me", "Bye")]
    assert "line 4" in manifest.bad[0].where
    (tmp_path / "t.csv").write_text("name,words\na.wav,hello\n")
    with pytest.raises(ManifestError, match=r"no column of audio paths.*by commas, are: name, words"):
        import_corpus(tmp_path / "t.csv")


@pytest.mark.parametrize(
    "rows",
    [
        ["path,start,end,text", "a.wav,0.25,1,one", "a.wav,1.5,2.25,two", "a.wav,3.5,4,late", "a.wav,1,1,none"],
        ["path;offset;duration;text", "a.wav;0,25;0,75;one", "a.wav;1,5;0,75;two", "a.wav;3,5;1;late", "a.wav;x;1;no"],
    ],
)
def test_rows_of_a_table_may_be_passages_of_a_file(tmp_path, make_wav, rows):
    make_wav("a.wav", 3.0)
    (tmp_path / "t.csv").write_text("\n".join(rows) + "\n")
    manifest = import_corpus(tmp_path / "t.csv")
    assert [(u.id, u.offset, u.duration, u.text) for u in manifest.utterances] == [
        ("a-00000250", 0.25, 0.75, "one"),
        ("a-00001500", 1.5, 0.75, "two"),
    ]
    assert ["line 5" in item.where for item in manifest.bad] == [True, False]
    assert "passage" in manifest.bad[0].reason
    assert "past the end" in manifest.bad[1].reason


def test_a_table_with_a_length_alone_names_whole_files(tmp_path, make_wav):
    make_wav("a.wav", 1.0)
    (tmp_path / "t.csv").write_text("path,duration,text\na.wav,1000 ms,one\n")
    assert [(u.id, u.offset, u.duration) for u in import_corpus(tmp_path / "t.csv").utterances] == [("a", 0.0, 1.0)]


def test_kaldi_folders_with_segments_and_harmless_pipes(tmp_path, make_wav):
    path = make_wav("a.flac", 3.0)
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "wav.scp").write_text(f"rec flac -c -d -s {path} |\nbad curl http://x/y.wav |\n")
    (folder / "segments").write_text(
        "utt1 rec 0.5 1.25\nutt2 rec 2.0 -1\nutt3 bad 0 1\nutt4 none 0 1\n"
        "utt5 rec nan 1\nutt6 rec 0 nan\nutt7 rec -1 1\nutt8 rec inf 1\nutt9 rec a b\n"
    )
    (folder / "text").write_text("utt1 one two\nutt2 three\n")
    (folder / "utt2spk").write_text("utt1 s\nutt2 s\n")
    manifest = import_corpus(folder)
    assert [(u.id, u.offset, u.duration, u.text, u.speaker) for u in manifest.utterances] == [
        ("utt1", 0.5, 0.75, "one two", "s"),
        ("utt2", 2.0, 1.0, "three", "s"),
    ]
    assert "is not run" in manifest.bad[0].reason
    assert "not in wav.scp" in manifest.bad[1].reason
    assert [item.reason for item in manifest.bad[2:]] == ["start and end are not numbers of seconds"] * 5


@pytest.mark.parametrize(
    "command",
    [
        "sph2pipe -f wav -p -c 2 {two} |",
        "sph2pipe -f wav -p -t 1:2 {one} |",
        "sox {one} -t wav - speed 0.9 |",
        "sox {one} -t wav - trim 10 5 |",
        "flac -c -d -s --skip=0:01 {one} |",
        "ffmpeg -i {one} -ss 1 -f wav - |",
        "sph2pipe -f wav -p {one} | sox -t wav - -t wav - tempo 1.1 |",
        "sph2pipe -f wav -p {one} | curl -T - http://x |",
    ],
)
def test_a_command_that_makes_another_sound_of_its_file_is_no_path(tmp_path, make_wav, command):
    one, two = make_wav("a.wav", 1.0), tmp_path / "b.wav"
    soundfile.write(two, np.zeros((16000, 2)), 16000)
    (tmp_path / "wav.scp").write_text(f"good {one}\nrec {command.format(one=one, two=two)}\n")
    manifest = import_corpus(tmp_path)
    assert [u.id for u in manifest.utterances] == ["good"]
    assert "instead" in manifest.bad[0].reason


@pytest.mark.parametrize(
    "command",
    [
        "sph2pipe -f wav -p -c 1 {one} |",
        "sph2pipe -f wav -p {one} | sox -t wav - -r 16000 -c 1 -t wav - |",
        "sox --vol 1.6 {one} -t wav - rate 16k |",
        "ffmpeg -i '{one}' -ar 16000 -ac 1 -f wav - |",
    ],
)
def test_a_command_that_only_reads_its_file_is_its_path(tmp_path, make_wav, command):
    folder = tmp_path / "t"  # whose name is no option
    folder.mkdir()
    one = make_wav("t/speed.wav", 1.0)
    (tmp_path / "wav.scp").write_text(f"rec {command.format(one=one)}\n")
    manifest = import_corpus(tmp_path)
    assert [(u.id, u.duration) for u in manifest.utterances] == [("rec", 1.0)]
    assert not manifest.bad


def test_nemo_manifests_get_ids_and_can_be_narrowed(tmp_path, make_wav):
    make_wav("a.wav", 0.5)
    make_wav("b.wav", 0.5)
    lines = [
        {"audio_filepath": f"{n}.wav", "duration": 0.5, "text": n, "split": s} for n, s in (("a", "x"), ("b", "y"))
    ]
    (tmp_path / "m.json").write_text("".join(json.dumps(line) + "\n" for line in lines))
    manifest = import_corpus(tmp_path / "m.json")
    assert [u.id for u in manifest.utterances] == ["a", "b"]
    assert [u.id for u in keep_where(manifest, {"split": "y"}).utterances] == ["b"]
    with pytest.raises(ManifestError, match="split=z"):
        keep_where(manifest, {"split": "z"})


def test_the_official_an4_and_digit_archives_are_read_with_their_splits(tmp_path, make_wav):
    wav = make_wav("a.wav", 0.5)
    for place in ("an4/etc", "an4/wav/an4_clstk/fash", "an4/wav/an4test_clstk/fcaw", "fsdd/recordings"):
        (tmp_path / place).mkdir(parents=True)
    etc = tmp_path / "an4" / "etc"
    (etc / "an4_train.fileids").write_text("an4_clstk/fash/an251-fash-b\n")
    (etc / "an4_train.transcription").write_text("<s> YES </s> (an251-fash-b)\n<s> LOST </s> (an999-x)\n")
    (etc / "an4_test.fileids").write_text("an4test_clstk/fcaw/an406-fcaw-b\n")
    (etc / "an4_test.transcription").write_text("RUBOUT G (an406-fcaw-b)\n")
    shutil.copy(wav, tmp_path / "an4/wav/an4_clstk/fash/an251-fash-b.wav")
    shutil.copy(wav, tmp_path / "an4/wav/an4test_clstk/fcaw/an406-fcaw-b.wav")
    an4 = import_corpus(tmp_path / "an4")
    assert [(u.id, u.text, u.speaker, u.extra["split"]) for u in an4.utterances] == [
        ("an251-fash-b", "YES", "fash", "train"),
        ("an406-fcaw-b", "RUBOUT G", "fcaw", "test"),
    ]
    assert "an999-x" in an4.bad[0].reason
    for name in ("3_jackson_0", "7_theo_12", "odd"):
        shutil.copy(wav, tmp_path / "fsdd/recordings" / f"{name}.wav")
    digits = import_corpus(tmp_path / "fsdd")
    assert [(u.text, u.speaker, u.extra["split"]) for u in digits.utterances] == [
        ("three", "jackson", "test"),
        ("seven", "theo", "train"),
    ]
    assert len(digits.bad) == 1


def test_what_is_no_corpus_is_named(tmp_path):
    with pytest.raises(ManifestError, match="does not exist"):
        import_corpus(tmp_path / "none")
    with pytest.raises(ManifestError, match="not a corpus folder"):
        import_corpus(tmp_path)


def test_real_corpora_are_imported_whole(data):
    dev = import_corpus(data / "LibriSpeech/dev-full-band")
    assert (len(dev.utterances), dev.bad) == (496, [])
    an4 = import_corpus(data / "an4")
    assert len(keep_where(an4, {"split": "test"}).utterances) == 130
