"""Marks, capitals and figures on words of the search."""

from __future__ import annotations

import json
import shutil

import pytest
import torch

from asr import Recognizer
from asr.errors import ConfigError
from asr.nlp.tagging.config import TaggerConfig
from asr.nlp.tagging.network import TagNetwork
from asr.nlp.tagging.tagger import save_tagger
from asr.nlp.tagging.text import PROSE_OUTPUTS
from asr.recognizer.reading import for_reading, paragraphs, text_of
from asr.recognizer.transcript import Word


class Tagger:
    """Sets the marks that a test asks for, by word; capitals of names."""

    class config:
        outputs = {"mark": ["", ",", ".", "?", "!", ";"], "case": ["lower", "capital", "upper"]}  # noqa: RUF012

    def __init__(self, marks: dict[str, str], names: tuple[str, ...] = ()) -> None:
        self.marks, self.names, self.asked = marks, names, []

    def tag(self, words, pauses=None):
        self.asked.append((list(words), list(pauses)))
        return {
            "mark": [self.marks.get(word, "") for word in words],
            "case": ["capital" if word in self.names else "lower" for word in words],
        }


def timed(text: str, gaps: dict[str, float] | None = None) -> list[Word]:
    words, at = [], 0.0
    for word in text.split():
        words.append(Word(word, at, at + 0.3, 0.9))
        at += 0.35 + (gaps or {}).get(word, 0.0)
    return words


def test_marks_and_figures_move_no_word_and_no_time():
    words = timed("mister king paid three dollars and fifty cents in nineteen eighty four did he")
    read = for_reading(words, Tagger({"four": ".", "he": "?"}, ("king", "mister")))
    assert text_of(read) == "Mr. King paid $3.50 in 1984. Did he?"
    assert [(w.word, w.start, w.end, w.confidence) for w in read] == [
        (w.word, w.start, w.end, w.confidence) for w in words
    ]
    spelled = for_reading(words, Tagger({"four": ".", "he": "?"}, ("king", "mister")), "words")
    assert text_of(spelled) == "Mr. King paid three dollars and fifty cents in nineteen eighty four. Did he?"
    with pytest.raises(ConfigError, match="digits or words"):
        for_reading(words, Tagger({}), "roman")


def test_hotwords_stay_as_the_user_writes_them():
    tagger = Tagger({"kneser": ","}, ("iphone",))
    read = for_reading(timed("an iPhone for Kneser and mcdonald"), tagger)
    assert text_of(read) == "An iPhone for Kneser, and mcdonald"
    assert tagger.asked[0][0] == ["an", "iphone", "for", "kneser", "and", "mcdonald"]


def test_a_number_ends_at_a_mark_or_a_pause():
    assert text_of(for_reading(timed("we saw twenty five left"), Tagger({"twenty": ","}))) == "We saw 20, five left"
    paused = timed("we saw twenty five left", {"twenty": 1.0})
    assert text_of(for_reading(paused, Tagger({}))) == "We saw 20 five left"
    scaled = timed("for ten thousand five hundred pounds")
    assert text_of(for_reading(scaled, Tagger({"thousand": ","}))) == "For 10,500 pounds"


def test_pauses_are_those_between_words_of_one_channel():
    words = [
        Word("yes", 0.0, 0.4, 1.0, channel=1), Word("no", 0.5, 0.8, 1.0, channel=2),
        Word("sir", 1.0, 1.4, 1.0, channel=1),
    ]  # fmt: skip
    tagger = Tagger({"sir": ".", "no": "."})
    assert [word.display for word in for_reading(words, tagger)] == ["Yes", "No.", "sir."]
    (first, first_pauses), (second, _) = tagger.asked
    assert (first, second) == (["yes", "sir"], ["no"])
    assert first_pauses[0] == pytest.approx(0.6)
    assert first_pauses[1] != first_pauses[1]  # not known


def test_paragraphs_end_with_sentences_at_pauses():
    words = for_reading(
        timed("he left they stayed then", {"left": 2.0, "stayed": 0.2}), Tagger({"left": ".", "stayed": "."})
    )
    assert [text_of(part) for part in paragraphs(words)] == ["He left.", "They stayed. Then"]
    long = for_reading(timed("a b " * 200), Tagger({"b": "."}))
    assert all(len(part) <= 162 for part in paragraphs(long))
    assert sum(map(len, paragraphs(long))) == 400
    assert paragraphs([]) == []
    assert len(paragraphs(timed("no marks at all " * 100, {"all": 3.0}))) == 1


@pytest.fixture
def model_with_tagger(tiny_model, tmp_path):
    """A model folder whose tagger sets a question mark after every word."""
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    torch.manual_seed(0)
    network = TagNetwork(TaggerConfig(outputs=PROSE_OUTPUTS, embedding_size=4, hidden_size=4, affixes=4), 2)
    arrays = {name: value.numpy() for name, value in network.state_dict().items()}
    save_tagger(folder / "marks", network.config, [], arrays, offsets={"mark": [0, 0, 0, 99, 0, 0]})
    return folder


def test_a_model_s_own_tagger_sets_marks_unless_words_stay_raw(model_with_tagger, tiny_model, make_wav, run):
    wav = make_wav("a.wav", 4.0)
    read = Recognizer.load(model_with_tagger).transcribe(wav)
    raw = Recognizer.load(model_with_tagger, raw=True).transcribe(wav)
    assert raw.words
    assert [(w.word, w.start, w.end) for w in read.words] == [(w.word, w.start, w.end) for w in raw.words]
    assert read.text.count("?") == len([word for word in read.words if word.display])
    assert read.text[0].isupper() or not read.text[0].isalpha()
    assert raw.text == raw.raw == read.raw
    assert Recognizer.load(tiny_model).transcribe(wav).text == raw.text
    options = ["transcribe", wav, "--model", model_with_tagger]
    assert run(*options)[1] == read.to_txt()
    assert run(*options, "--raw")[1] == raw.text + "\n"
    values = json.loads(run(*options, "--format", "json")[1])
    assert (values["text"], values["raw"]) == (read.text, raw.text)


def test_packing_keeps_the_tagger(model_with_tagger, tmp_path, run):
    code, _, errors = run("checkpoint", "pack", model_with_tagger, "--output", tmp_path / "packed")
    assert code == 0, errors
    assert sorted(path.name for path in (tmp_path / "packed" / "marks").iterdir()) == [
        "config.json", "model.safetensors", "words.txt.gz",
    ]  # fmt: skip
