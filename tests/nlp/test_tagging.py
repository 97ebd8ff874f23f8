"""Labels of printed prose, the tagger in NumPy against the network in torch, training and use by commands."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import torch

from asr.errors import CheckpointError, ConfigError, DataError
from asr.nlp.tagging.baselines import HiddenEvents
from asr.nlp.tagging.config import TaggerConfig, affix_ids, pause_features
from asr.nlp.tagging.marks import marked
from asr.nlp.tagging.network import TagNetwork
from asr.nlp.tagging.pauses import READ_SPEECH
from asr.nlp.tagging.prose import CASES, MARKS, is_verse, marked_words, paragraphs_of, shown
from asr.nlp.tagging.tagger import CONTEXT, WINDOW, Tagger, save_tagger
from asr.nlp.tagging.task import PauseConfig, PauseSampler, SequenceConfig, TagTask
from asr.nlp.tagging.text import PROSE_OUTPUTS, read_columns, read_prose
from asr.text.normalize import normalize_english


def printed(text: str) -> str:
    """The words of a text, each with the case and the mark that were read; ~ after an uncertain case."""
    return " ".join(
        shown(word.word, word.case) + ("~" if word.case < 0 else "") + MARKS[word.mark] for word in marked_words(text)
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"Come here," said Mr. King -- he\'s gone.', "Come here, said Mister King, he's gone."),
        ("A. B. King went home; why?", "A B King went home; why?"),
        ("He said, \"Is it you?\" and 'Tom' ran!", "He said, is~ it you? and Tom ran!"),
        ("On the 3rd of May: 12 men.", "On the third of May, twelve men."),
        ("I DID it ... perhaps ... It was NASA's.", "I DID it, perhaps. It was NASA'S."),
        ("self-taught Anglo-American boys' (O'Brien's)", "self taught Anglo American boys O'Brien's"),
        ('"I thought--" He stopped. \'Tis so.', "I thought. He stopped. Tis so."),
    ],
)
def test_printed_words_have_marks_and_case(text, expected):
    assert printed(text) == expected


def test_labelled_words_are_those_of_the_normaliser():
    for text in ('Well, it\'s 25 men; "Ah!" said Dr. Who.', "The U.S. Army -- in 1914 -- won."):
        assert " ".join(word.word for word in marked_words(text)) == normalize_english(text.replace("--", " "))


def test_verse_is_told_from_prose():
    assert is_verse(marked_words("And the sun went down And the stars came out The night was cold,"))
    assert not is_verse(marked_words("And the sun went down. The stars came out, and Tom went to the house of God."))
    assert list(paragraphs_of(iter(["a", "b", "", "", "c"]))) == ["a b", "c"]


def small(outputs=PROSE_OUTPUTS, **changes) -> tuple[TagNetwork, list[str]]:
    words = [f"word{number}" for number in range(30)]
    config = TaggerConfig(outputs=outputs, embedding_size=6, hidden_size=5, affixes=8, **changes)
    torch.manual_seed(0)
    return TagNetwork(config, len(words) + 2).eval(), words


def saved(folder, network, words, bits=32, **options) -> Tagger:
    arrays = {name: value.numpy() for name, value in network.state_dict().items()}
    save_tagger(folder, network.config, words, arrays, bits, **options)
    return Tagger.open(folder)


def by_torch(network, words, text, pauses):
    ids = {word: number for number, word in enumerate(words, 2)}
    with torch.no_grad():
        scores = network(
            torch.tensor([[ids.get(word, 1) for word in text]]),
            torch.from_numpy(affix_ids(text, network.config))[None],
            torch.from_numpy(pause_features(np.array(pauses)))[None], torch.tensor([len(text)]),
        )  # fmt: skip
    return [score[0].log_softmax(1).numpy() for score in scores]


@pytest.mark.parametrize("changes", [{}, {"num_layers": 1, "pauses": False}])
def test_the_tagger_without_torch_equals_the_network(tmp_path, changes):
    network, words = small(**changes)
    tagger = saved(tmp_path, network, words)
    draw = random.Random(1)
    text = draw.choices([*words, "unknown", "é"], k=WINDOW + CONTEXT - 7)
    pauses = [draw.choice([float("nan"), 0.0, 0.5, 9.0]) for _ in text]
    found = tagger.scores(text, pauses)
    expected = by_torch(network, words, text, pauses)
    assert np.allclose(found["mark"][:WINDOW], expected[0][:WINDOW], atol=1e-5)
    assert np.allclose(found["case"][:WINDOW], expected[1][:WINDOW], atol=1e-5)
    rest = by_torch(network, words, text[WINDOW - CONTEXT :], pauses[WINDOW - CONTEXT :])
    assert np.allclose(found["mark"][WINDOW:], rest[0][CONTEXT:], atol=1e-5)


def test_long_texts_and_short_ones_are_labelled_alike(tmp_path):
    network, words = small()
    tagger = saved(tmp_path, network, words)
    text = random.Random(2).choices(words, k=3000)
    assert np.allclose(tagger.scores(text)["mark"][:WINDOW], tagger.scores(text[: WINDOW + CONTEXT])["mark"][:WINDOW])
    assert tagger.tag([]) == {"mark": [], "case": []}
    assert len(tagger.tag(text)["mark"]) == 3000


def test_weights_in_8_bits_are_close_and_offsets_are_added(tmp_path):
    network, words = small()
    exact = saved(tmp_path / "a", network, words).scores(words)
    packed = saved(tmp_path / "b", network, words, bits=8)
    assert np.abs(packed.scores(words)["mark"] - exact["mark"]).max() < 0.02
    pushed = saved(tmp_path / "c", network, words, offsets={"mark": [0, 0, 0, 99, 0, 0]})
    assert set(pushed.tag(words)["mark"]) == {"?"}
    assert set(pushed.tag(words)["case"]) <= set(CASES)


def test_a_damaged_tagger_is_named(tmp_path):
    network, words = small()
    saved(tmp_path, network, words)
    (tmp_path / "words.txt.gz").write_bytes(b"not packed")
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        Tagger.open(tmp_path)
    with pytest.raises(CheckpointError, match="do not belong together"):
        saved(tmp_path, network, words[:-1])


def test_sentences_begin_with_capitals_whatever_the_tagger_says(tmp_path):
    network, words = small()
    tagger = saved(tmp_path, network, words, offsets={"mark": [0, 0, 99, 0, 0, 0], "case": [99, 0, 0]})
    assert marked(tagger, ["word1", "i", "i'm"]) == ["Word1.", "I.", "I'm."]
    assert shown("o'brien", 1) == "O'Brien"
    assert shown("'tis", 1) == "'Tis"
    assert shown("nasa", 2) == "NASA"


def test_pauses_follow_the_labels_in_most_sequences():
    sampler = PauseSampler(PauseConfig(quantiles=READ_SPEECH, unknown=0.0, careless=0.0), MARKS)
    draws = np.random.default_rng(0)
    labels = np.array([0, 2] * 400, np.int8)
    drawn = sampler.draw(labels, draws)
    assert np.nanmedian(drawn[1::2]) > 4 * np.nanmedian(drawn[::2]) > 0
    assert np.isnan(drawn[-1])
    unknown = PauseSampler(PauseConfig(quantiles=READ_SPEECH, unknown=1.0), MARKS)
    assert np.isnan(unknown.draw(labels, draws)).all()
    with pytest.raises(ConfigError, match="same number of quantiles"):
        PauseSampler(PauseConfig(quantiles={"": [0.0, 1.0], ",": [0.0]}), MARKS)


NAMES, THINGS = ["tom", "anna", "peter"], ["house", "river", "dog", "garden"]


def prose(seed: int, sentences: int) -> str:
    """Sentences whose marks follow from their words: questions begin with a verb, statements with a name."""
    draw = random.Random(seed)
    lines = []
    for _ in range(sentences):
        name, first, second = draw.choice(NAMES).title(), *draw.sample(THINGS, 2)
        lines.append(
            f"Did {name} see the {first}?" if draw.random() < 0.4 else f"{name} saw the {first}, but not the {second}."
        )
    return "".join(f"{line}\n" + ("\n" if draw.random() < 0.2 else "") for line in lines)


TINY = ["--set", "train.epochs=6", "--set", "train.threads=1", "--set", "train.peak_lr=0.03", "--set",
        "model.embedding_size=8", "--set", "model.hidden_size=12", "--set", "model.num_layers=1", "--set",
        "model.dropout=0.0", "--set", "sequences.words=400", "--set", "sequences.longest=60"]  # fmt: skip


def test_a_tagger_of_marks_is_trained_measured_and_used_by_commands(run, tmp_path):
    (tmp_path / "train.txt").write_text(prose(1, 700))
    (tmp_path / "dev.txt").write_text(prose(2, 100))
    code, _, errors = run(
        "nlp", "tag", "train", tmp_path / "train.txt", "--dev", tmp_path / "dev.txt", "--output", tmp_path / "m", *TINY
    )
    assert code == 0, errors
    code, out, errors = run(
        "nlp", "tag", "evaluate", tmp_path / "dev.txt", "--model", tmp_path / "m", "--json", "--baselines",
        tmp_path / "train.txt",
    )  # fmt: skip
    assert code == 0, errors
    found = json.loads(out)
    for mark in ",.?":
        assert found["mark"]["labels"][mark]["f1"] > 0.95
        assert found["mark"]["labels"][mark]["baselines"]["4-gram"]["f1"] > 0.8
    assert found["case"]["accuracy"] > 0.97
    (tmp_path / "words.txt").write_text("did tom see the dog anna saw the river but not the house\n")
    code, out, _ = run("nlp", "tag", "apply", tmp_path / "words.txt", "--model", tmp_path / "m")
    assert (code, out) == (0, "Did Tom see the dog? Anna saw the river, but not the house.\n")
    code, out, _ = run("nlp", "tag", "apply", tmp_path / "words.txt", "--model", tmp_path / "m", "--table")
    assert out.splitlines()[:3] == ["word\tmark\tcase", "did\t\tcapital", "tom\t\tcapital"]
    code, _, errors = run(
        "nlp", "tag", "train", tmp_path / "train.txt", "--dev", tmp_path / "dev.txt", "--output", tmp_path / "n",
        "--set", f"init={tmp_path / 'm'}", *TINY[:4],
    )  # fmt: skip
    assert code == 0, errors
    assert Tagger.open(tmp_path / "n").vocabulary == Tagger.open(tmp_path / "m").vocabulary


def test_columns_of_any_labels_are_learned(run, tmp_path):
    draw = random.Random(3)
    rows = []
    for _ in range(300):
        rows += [
            ("the", "DET"),
            (draw.choice(THINGS), "NOUN"),
            ("is", "VERB"),
            (draw.choice(["old", "big"]), "ADJ"),
            None,
        ]
    body = "".join("\n" if row is None else "\t".join(row) + "\n" for row in rows)
    (tmp_path / "t.tsv").write_text(f"word\tpos\n{body}")
    (tmp_path / "d.tsv").write_text("word\tpos\nthe\tDET\ndog\tNOUN\nis\tODD\nold\tADJ\n\n")
    code, _, errors = run(
        "nlp", "tag", "train", tmp_path / "t.tsv", "--dev", tmp_path / "d.tsv", "--columns", "--output", tmp_path / "m",
        *TINY,
    )  # fmt: skip
    assert code == 0, errors
    code, out, _ = run("nlp", "tag", "evaluate", tmp_path / "d.tsv", "--columns", "--model", tmp_path / "m", "--json")
    found = json.loads(out)["pos"]
    assert found["accuracy"] == 1.0
    assert found["labels"]["NOUN"]["count"] == 1
    text, outputs = read_columns(tmp_path / "t.tsv")
    assert outputs == {"pos": ["DET", "NOUN", "VERB", "ADJ"]}
    assert text.ends.sum() == 300


def test_what_cannot_be_learned_from_is_named(tmp_path):
    (tmp_path / "a.tsv").write_text("word\tpos\nthe\n")
    with pytest.raises(DataError, match="line 2 has 1 columns"):
        read_columns(tmp_path / "a.tsv")
    (tmp_path / "b.tsv").write_text("the\tpos\n")
    with pytest.raises(DataError, match="must begin with a header"):
        read_columns(tmp_path / "b.tsv")
    (tmp_path / "c.tsv").write_text("word\tlabel\n" + "".join(f"w\t{number}\n" for number in range(200)))
    with pytest.raises(DataError, match=r"c.tsv line 129: a column has more than 127 labels"):
        read_columns(tmp_path / "c.tsv")
    (tmp_path / "c.txt").write_text("\n...\n")
    with pytest.raises(DataError, match="no word"):
        read_prose([tmp_path / "c.txt"])
    with pytest.raises(ConfigError, match="shortest"):
        SequenceConfig(shortest=9, longest=5)


def test_every_word_is_in_one_sequence_of_an_epoch(tmp_path):
    (tmp_path / "t.txt").write_text(prose(1, 200))
    text = read_prose([tmp_path / "t.txt"])
    network = TagNetwork(TaggerConfig(outputs=PROSE_OUTPUTS, embedding_size=4, hidden_size=4), 10)
    task = TagTask(network, ["<pad>", "<unk>"], text, text, SequenceConfig(words=300, longest=50))
    for epoch in range(2):
        plans = task.plan(epoch)
        assert sorted(place for plan in plans for start, end in plan for place in range(start, end)) == list(
            range(len(text))
        )
        assert all(max(end - start for start, end in plan) * len(plan) <= 300 for plan in plans)
    assert task.plan(0) != task.plan(1)
    assert task.plan(0) == task.plan(0)


def test_the_hidden_event_model_finds_marks_that_its_contexts_have():
    class Text:
        types = ("a", "b", "c")
        words = np.array([0, 1, 2] * 200, np.int32)
        labels = {"mark": np.array([0, 1, 0] * 200, np.int8)}  # noqa: RUF012

        def __len__(self):
            return len(self.words)

        def counts(self):
            return np.bincount(self.words)

    assert HiddenEvents.fit(Text(), "mark", 2).predict(["a", "b", "c", "a", "b", "c"]).tolist() == [0, 1, 0, 0, 1, 0]
