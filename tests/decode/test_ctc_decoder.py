"""`CtcDecoder` on labels and outputs of other systems, against brute force and this project's own decoders."""

from __future__ import annotations

from itertools import groupby, product

import numpy as np
import pytest
import torch

from asr.decode.beam import BeamConfig, BeamDecoder
from asr.decode.ctc_decoder import CtcDecoder
from asr.decode.ctc_labels import read_labels
from asr.decode.hotwords import HOTWORD_BOOST, Hotword
from asr.errors import ConfigError, TextError
from asr.lm.ngram.arpa import write_arpa
from asr.lm.ngram.kneser_ney import Corpus, estimate
from asr.lm.ngram.tables import load_ngram
from asr.text.lexicon import Lexicon
from asr.text.tokens import BLANK, Tokens

TEXT = ["a bad cab", "dab a bad cab", "a cab", "bad dab a", "cab dab"] * 5
ALPHABET = ["", " ", "a", "b", "c", "d"]  # in pyctcdecode's form
WIDE = {"threshold": 1000.0, "token_threshold": 1000.0}


@pytest.fixture(scope="module")
def arpa(tmp_path_factory):
    path = tmp_path_factory.mktemp("lm") / "words.arpa"
    write_arpa(path, estimate(Corpus(TEXT), 3))
    return path


def _logits(frames: int, labels: int, seed: int = 0, sharpness: float = 2.0) -> np.ndarray:
    return (sharpness * np.random.default_rng(seed).standard_normal((frames, labels))).astype(np.float32)


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    values = logits.astype(np.float64)
    values = values - values.max(axis=1, keepdims=True)
    return values - np.log(np.exp(values).sum(axis=1, keepdims=True))


def _spoken(text: str, labels: list[str], frames_each: int = 3, confidence: float = 6.0) -> np.ndarray:
    """Logits (frames, labels) of a text said clearly: each sign for some frames, a blank after each."""
    blank = labels.index("")
    path = [blank] + [place for sign in text for place in [labels.index(sign)] * frames_each + [blank]]
    logits = np.random.default_rng(1).standard_normal((len(path), len(labels))).astype(np.float32)
    logits[np.arange(len(path)), path] += confidence
    return logits


def _brute_force(log_probs: np.ndarray, labels: list[str], blank: int, words: list[str], language) -> dict[str, float]:
    """Score of each sequence of words: the sum over all alignments, and its language score."""
    totals: dict[str, float] = {}
    for path in product(range(len(labels)), repeat=len(log_probs)):
        text = "".join(labels[place] for place, _ in groupby(path) if place != blank)
        score = float(sum(log_probs[frame, place] for frame, place in enumerate(path)))
        totals[text] = np.logaddexp(totals.get(text, -np.inf), score)
    found: dict[str, float] = {}
    for text, total in totals.items():
        parts = text.removesuffix(" ").split(" ") if text else []
        if all(part in words for part in parts):
            sentence = " ".join(parts)
            found[sentence] = np.logaddexp(found.get(sentence, -np.inf), total)
    return {sentence: total + language(sentence.split()) for sentence, total in found.items()}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("blank", [0, 2, 4])
def test_scores_equal_brute_force_wherever_the_blank_is(arpa, seed, blank):
    labels = [" ", "a", "b", "d"]
    labels.insert(blank, "")
    model = load_ngram(arpa)
    log_probs = _log_softmax(_logits(5, len(labels), seed))
    words = ["a", "bad", "dab"]  # of the n-gram's words those that the labels can spell

    def language(sentence: list[str]) -> float:
        return 0.7 * sum(model.score_sentence(sentence)) + 0.3 * len(sentence)

    expected = _brute_force(log_probs, labels, blank, words, language)
    decoder = CtcDecoder(labels, lm=arpa, lm_weight=0.7, word_score=0.3, beam_size=100_000, settings=WIDE)
    found = decoder.decode_nbest(log_probs, 10_000)
    assert {hypothesis.text for hypothesis in found} == set(expected)
    for hypothesis in found:
        assert hypothesis.score == pytest.approx(expected[hypothesis.text], abs=2e-3)
    assert [hypothesis.score for hypothesis in found] == sorted((h.score for h in found), reverse=True)


def test_it_is_the_search_that_the_recogniser_runs(arpa):
    tokens = Tokens([BLANK, "|", "a", "b", "c", "d"])
    words = ["a", "bad", "cab", "dab"]
    plain = BeamDecoder(tokens, Lexicon.of_characters(words, tokens), load_ngram(arpa), BeamConfig(0.9, 0.5, 50))
    decoder = CtcDecoder(ALPHABET, lm=arpa, lm_weight=0.9, word_score=0.5, beam_size=50, frame_seconds=0.02)
    for seed in range(5):
        logits = _logits(40, 6, seed, 3.0)
        expected = plain.decode(_log_softmax(logits).astype(np.float32))[0]
        found = decoder.decode(logits)
        assert found.text == expected.text
        assert found.score == pytest.approx(expected.score, abs=1e-3)
        assert found.acoustic_score == pytest.approx(expected.acoustic_score, abs=1e-3)
        assert found.lm_score == pytest.approx(expected.lm_score, abs=1e-3)
        for word, other in zip(found.words, expected.words, strict=True):
            assert (word.start, word.end) == pytest.approx((0.02 * other.start_frame, 0.02 * other.end_frame))
            assert word.confidence == pytest.approx(other.confidence, abs=1e-3)


def test_logits_log_probabilities_and_probabilities_are_told_apart(arpa):
    logits = _spoken("a bad cab ", ALPHABET)
    log_probs = _log_softmax(logits)
    inputs = {"logits": logits, "log_probs": log_probs, "probs": np.exp(log_probs)}
    for lm in (arpa, None):
        decoder = CtcDecoder(ALPHABET, lm=lm)
        expected = decoder.decode(logits)
        assert expected.text == "a bad cab"
        for kind, values in inputs.items():
            for found in (decoder.decode(values), CtcDecoder(ALPHABET, lm=lm, input=kind).decode(values)):
                assert found.text == expected.text
                assert found.score == pytest.approx(expected.score, abs=1e-2)
    assert CtcDecoder(ALPHABET, lm=arpa).decode(np.exp(log_probs).astype(np.float16)).text == "a bad cab"


def test_what_is_said_to_be_and_is_not_is_refused():
    logits = _logits(4, 6)
    for kind in ("probs", "log_probs"):
        with pytest.raises(TextError, match="these are no"):
            CtcDecoder(ALPHABET, input=kind).decode(logits)
    with pytest.raises(ConfigError, match="`input` is 'scores'"):
        CtcDecoder(ALPHABET, input="scores")
    decoder = CtcDecoder(ALPHABET)
    for values, message in (
        (np.zeros((3, 5)), "6 labels.; which label"), (np.zeros((3, 9)), r"\(3, 9\)"), (np.zeros(6), r"\(6,\)"),
        (np.full((2, 6), np.nan), "NaN"), (np.full((2, 6), np.inf), "infinite"),
    ):  # fmt: skip
        with pytest.raises(TextError, match=message):
            decoder.decode(values)
    certain = np.full((3, 6), -np.inf)
    certain[np.arange(3), [2, 0, 3]] = 0.0
    assert decoder.decode(certain).text == "ab"
    assert decoder.decode(np.exp(certain)).text == "ab"
    assert decoder.decode(np.zeros((0, 6))).text == ""


@pytest.mark.parametrize(
    ("labels", "names", "columns"),
    [
        (["", " ", "a", "b"], [BLANK, "|", "a", "b"], [0, 1, 2, 3]),  # pyctcdecode
        ([" ", "a", "b", "_"], [BLANK, "|", "a", "b"], [3, 0, 1, 2]),
        ({"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, "|": 4, "B": 6, "A": 5}, [BLANK, "|", "A", "B"], [0, 4, 5, 6]),
        ({"a": 0, "b": 1, "|": 2, "[UNK]": 3, "[PAD]": 4}, [BLANK, "a", "b", "|"], [4, 0, 1, 2]),  # fine-tuned wav2vec2
        ([" ", "a", "b"], [BLANK, "|", "a", "b"], [3, 0, 1, 2]),  # NeMo: the blank's column is the last
        (["-", "|", "a", "b"], [BLANK, "|", "a", "b"], [0, 1, 2, 3]),  # torchaudio
        (["<blank>", "▁", "a", "b"], [BLANK, "|", "a", "b"], [0, 1, 2, 3]),  # sentencepiece of characters
        (["<blk>", "▁the", "s", "▁"], [BLANK, "▁the", "s", "▁"], [0, 1, 2, 3]),
        (["[PAD]", "the", "##s", "[UNK]"], [BLANK, "▁the", "s"], [0, 1, 2]),  # word pieces
        (["-", "'", "a"], [BLANK, "'", "a"], [0, 1, 2]),
        (["'", "-", "a"], [BLANK, "'", "-", "a"], [3, 0, 1, 2]),  # a hyphen within is a hyphen
    ],
)
def test_labels_of_other_systems_are_understood(labels, names, columns):
    found = read_labels(labels)
    assert list(found.tokens.names) == names
    assert found.columns.tolist() == columns


def test_blank_and_boundary_can_be_said():
    found = read_labels(["x", "a", "/"], blank="x", boundary="/")
    assert (found.tokens.names, found.columns.tolist()) == ((BLANK, "a", "|"), [0, 1, 2])
    assert read_labels(["a", "b"], blank=-1).tokens.names == (BLANK, "a")
    assert read_labels(["a", "b"], blank=2).columns.tolist() == [2, 0, 1]
    for options, message in (
        ({"blank": "y"}, "blank 'y'"), ({"blank": 9}, "column 9"), ({"boundary": "y"}, "boundary 'y'"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=message):
            read_labels(["x", "a"], **options)
    with pytest.raises(ConfigError, match="may separate words"):
        read_labels(["", " ", "|", "a"])
    for labels, message in (("abc", "one string"), ({"": 0, "a": 2}, "columns"), (["", "a", "a"], "more than once")):
        with pytest.raises(TextError, match=message):
            read_labels(labels)


def test_signs_that_are_never_said_take_no_part(arpa):
    labels = ["<pad>", "<s>", "</s>", "<unk>", "|", "a", "b", "c", "d"]
    logits = np.full((12, 9), -4.0, np.float32)
    logits[:, 1:4] = 5.0  # all the mass lies on them
    logits[np.arange(12), [0, 5, 0, 4, 6, 6, 5, 8, 0, 0, 0, 0]] = 3.0
    plain = logits[:, [0, 4, 5, 6, 7, 8]]
    for options in ({}, {"lm": arpa}):
        found = CtcDecoder(labels, **options).decode(logits)
        assert found.text == "a bad"
        assert found.score == pytest.approx(CtcDecoder(ALPHABET, **options).decode(plain).score, abs=1e-3)


def test_columns_may_stand_in_any_order(arpa):
    order = np.random.default_rng(0).permutation(len(ALPHABET))
    logits = _logits(30, 6, 3, 3.0)
    found = CtcDecoder([ALPHABET[place] for place in order], lm=arpa).decode(logits[:, order])
    expected = CtcDecoder(ALPHABET, lm=arpa).decode(logits)
    assert found.text == expected.text
    assert found.score == pytest.approx(expected.score, abs=1e-4)


def test_a_language_model_mends_what_the_best_path_gets_wrong(arpa):
    """As pyctcdecode's own test has it: without a model the sounds alone decide, with one the words do."""
    logits = _spoken("a bab cab ", ALPHABET)
    confused = logits.copy()
    frames = [frame for frame in range(len(logits)) if logits[frame].argmax() == ALPHABET.index("b")][5:9]
    confused[frames, ALPHABET.index("d")] = confused[frames, ALPHABET.index("b")] - 0.1
    assert CtcDecoder(ALPHABET).decode(confused).text == "a bab cab"
    assert CtcDecoder(ALPHABET, lm=arpa).decode(confused).text == "a bad cab"


def test_hotwords_are_favoured_and_can_be_changed(arpa):
    logits = _spoken("cab ", ALPHABET, confidence=1.5)
    plain = CtcDecoder(ALPHABET, lm=arpa)
    assert "dab" not in plain.decode(logits).text
    favoured = plain.with_hotwords({"dab": 40.0})
    assert "dab" in favoured.decode(logits).text
    assert favoured.decode(logits) == CtcDecoder(ALPHABET, lm=arpa, hotwords={"dab": 40.0}).decode(logits)
    assert plain.with_hotwords(["dab"]).decode(logits) == plain.with_hotwords({"dab": HOTWORD_BOOST}).decode(logits)
    with pytest.raises(TextError, match="zebra"):
        plain.with_hotwords(["zebra"])


def test_hotwords_need_neither_a_lexicon_nor_a_language_model():
    logits = _spoken("cab bad ", ALPHABET, confidence=2.0)
    plain = CtcDecoder(ALPHABET)
    favoured = plain.with_hotwords({"dab": 8.0, "bad": 2.0})
    assert (plain.words, favoured.words) == (None, None)
    texts = [plain.decode(logits).text.split(), favoured.decode(logits).text.split()]
    assert "dab" in texts[1]
    assert "dab" not in texts[0]
    assert favoured.decode(logits) == CtcDecoder(ALPHABET, hotwords={"dab": 8.0, "bad": 2.0}).decode(logits)
    assert favoured.with_hotwords({}).decode(logits) == plain.decode(logits)
    strange = _spoken("ccc aad ", ALPHABET)  # any word can be written all the same
    assert favoured.decode(strange).text == "ccc aad"
    with pytest.raises(TextError, match="'zebra' cannot be spelled"):
        plain.with_hotwords(["zebra"])
    with pytest.raises(ConfigError, match="between words"):
        CtcDecoder(["", "a", "b"], hotwords=["ab"])


PIECES = ["<unk>", "▁a", "▁b", "ad", "▁ca", "b", "▁dab", "a", "d", "c", "▁"]  # the blank's column is the last


def test_sentencepiece_labels_make_words(arpa):
    path = [11, 1, 11, 2, 3, 11, 11, 4, 4, 5, 11]  # ▁a ▁b-ad ▁ca-b
    logits = np.random.default_rng(1).normal(size=(len(path), 12)).astype(np.float32)
    logits[np.arange(len(path)), path] += 7
    for options in ({}, {"lm": arpa}, {"lexicon": ["a", "bad", "cab", "dab"]}):
        found = CtcDecoder(PIECES, **options).decode(logits)
        assert found.text == "a bad cab"
        assert [(word.start, word.end) for word in found.words] == [(1, 2), (3, 5), (7, 10)]
        session = CtcDecoder(PIECES, **options).start()
        for row in logits:
            session.feed(row[None])
        assert session.finish()[0].text == "a bad cab"
    assert sorted(CtcDecoder(PIECES, lm=arpa).words) == ["a", "bad", "cab", "dab"]
    wordpieces = ["[PAD]", "a", "b", "##ad", "ca", "##b", "[UNK]"]
    assert CtcDecoder(wordpieces).decode(np.eye(7)[[1, 0, 2, 3, 0, 4, 5]] * 9).text == "a bad cab"


def test_a_lexicon_may_be_words_a_file_or_an_object(tmp_path):
    logits = _spoken("bad cab ", ALPHABET)
    (tmp_path / "lexicon.txt").write_text("bad\tb a d |\ncab\tc a b |\n")
    tokens = Tokens([BLANK, "|", "a", "b", "c", "d"])
    for lexicon in (
        ["bad", "cab"],
        tmp_path / "lexicon.txt",
        str(tmp_path / "lexicon.txt"),
        Lexicon.of_characters(["bad", "cab"], tokens),
    ):
        decoder = CtcDecoder(ALPHABET, lexicon=lexicon)
        assert sorted(decoder.words) == ["bad", "cab"]
        assert decoder.decode(logits).text == "bad cab"
    with pytest.raises(TextError, match="another case"):
        CtcDecoder(ALPHABET, lexicon=["BAD"])
    assert CtcDecoder(ALPHABET).words is None


def test_words_that_the_labels_cannot_spell_are_counted(arpa):
    notes: list[str] = []
    CtcDecoder(["", " ", "a", "b", "d"], lm=arpa, note=notes.append)
    CtcDecoder(ALPHABET, lexicon=["bad", "zebra"], note=notes.append)
    assert notes == [
        f"1 of 4 words of {arpa} cannot be spelled in the tokens and are left out, such as 'cab'",
        "1 of 2 words of the lexicon cannot be spelled in the tokens and are left out, such as 'zebra'",
    ]


def test_a_torchaudio_style_emission_is_decoded_with_its_lexicon(tmp_path, arpa):
    """Tokens with '-' for the blank and '|' for silence, a lexicon file, a batch with lengths, torch tensors."""
    tokens = ["-", "|", *"abcd"]
    (tmp_path / "lexicon.txt").write_text(
        "".join(f"{word}\t{' '.join(word)} |\n" for word in ("a", "bad", "cab", "dab"))
    )
    texts = ["a bad cab ", "dab "]
    emissions = [torch.from_numpy(_spoken(text, ALPHABET)).log_softmax(-1) for text in texts]
    lengths = torch.tensor([len(emission) for emission in emissions])
    batch = torch.nn.utils.rnn.pad_sequence(emissions, batch_first=True).requires_grad_()
    decoder = CtcDecoder(tokens, lexicon=tmp_path / "lexicon.txt", lm=arpa, lm_weight=2.0 / 2.303, word_score=0.5)
    found = decoder.decode_batch(batch, lengths=lengths, threads=2)
    assert [hypothesis.text for hypothesis in found] == [text.strip() for text in texts]
    assert found == [decoder.decode(emission) for emission in emissions]
    assert decoder.decode(emissions[0].to(torch.bfloat16)).text == texts[0].strip()


def test_a_batch_does_not_depend_on_threads(arpa):
    decoder = CtcDecoder(ALPHABET, lm=arpa)
    batch = [_logits(20 + seed, 6, seed, 3.0) for seed in range(12)]
    assert decoder.decode_batch(batch, threads=4) == [decoder.decode(logits) for logits in batch]
    with pytest.raises(TextError, match="3 lengths"):
        decoder.decode_batch(batch, lengths=[1, 2, 3])


@pytest.mark.parametrize("options", [{}, {"lm": True}, {"lexicon": ["a", "bad", "cab", "dab"]}])
def test_pieces_come_to_the_same_as_the_whole(arpa, options):
    decoder = CtcDecoder(ALPHABET, **({"lm": arpa} if "lm" in options else options), frame_seconds=0.02)
    logits = _spoken("a bad cab dab ", ALPHABET, confidence=3.0)
    session = decoder.start()
    partial = []
    for start in range(0, len(logits), 7):
        session.feed(logits[start : start + 7])
        partial.append(session.partial().text)
    assert partial[-1] == decoder.decode(logits).text
    assert len(set(partial)) > 2
    for found, expected in zip(session.finish(3), decoder.decode_nbest(logits, 3), strict=True):
        assert found.text == expected.text
        assert found.score == pytest.approx(expected.score, abs=1e-3)
        assert [(word.start, word.end) for word in found.words] == [(word.start, word.end) for word in expected.words]


def test_times_are_seconds_where_the_frame_is_known_and_frames_elsewhere(arpa):
    logits = _spoken("a bad ", ALPHABET)
    frames = CtcDecoder(ALPHABET, lm=arpa).decode(logits).words
    seconds = CtcDecoder(ALPHABET, lm=arpa, frame_seconds=0.02).decode(logits).words
    assert [word.start for word in frames] == [1, 9]
    assert [word.start for word in seconds] == pytest.approx([0.02, 0.18])
    with pytest.raises(ConfigError, match="frame_seconds"):
        CtcDecoder(ALPHABET, frame_seconds=0)


def test_settings_are_checked_by_name(arpa):
    decoder = CtcDecoder(ALPHABET, lm=arpa)
    logits = _logits(30, 6, 1)
    narrow = decoder.with_settings(beam_size=1)
    assert narrow.decode(logits) == CtcDecoder(ALPHABET, lm=arpa, beam_size=1).decode(logits)
    for make in (lambda: decoder.with_settings(beam_sise=3), lambda: CtcDecoder(ALPHABET, settings={"beam_sise": 3})):
        with pytest.raises(ConfigError, match="did you mean 'beam_size'"):
            make()


@pytest.mark.parametrize("words", [None, ["a", "cab"]], ids=["free", "lexicon"])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"lm_weight": float("nan")}, "`lm_weight` must be a number"),
        ({"word_score": float("inf")}, "`word_score` must be a number"),
        ({"beam_size": -1}, "beam size must lie in"),
        ({"beam_size": float("inf")}, "beam size must be a whole number"),
        ({"beam_size": "10"}, "`beam_size` must be a number"),
        ({"settings": {"threshold": float("nan")}}, "'threshold' must be a number"),
        ({"settings": {"threshold": -1}}, "thresholds"),
        ({"settings": [1]}, "settings are a dictionary"),
        ({"hotwords": ["cab", 3]}, "must be a text, not 3"),
        ({"hotwords": {"cab": "x"}}, "must be a number of nats, not 'x'"),
        ({"hotwords": 5}, "a list of phrases"),
        ({"rescore": 1.5}, "`rescore` must be a whole number"),
        ({"frame_seconds": float("inf")}, "`frame_seconds` must be a number above 0"),
        ({"hotwords": [Hotword("cab", "high")]}, "must be a number of nats, not 'high'"),
        ({"neural_share": "half"}, "`neural_share` must lie in 0..1, not half"),
        ({"lm": 5}, "`lm` must be a path, not 5"),
        ({"blank": True}, "the blank 'True' is not among the labels"),
    ],
)
def test_arguments_are_checked_in_one_sentence(words, given, message):
    with pytest.raises(ConfigError, match=message):
        CtcDecoder(ALPHABET, lexicon=words, **given)


@pytest.mark.parametrize("words", [None, ["a", "cab"]], ids=["free", "lexicon"])
def test_batches_and_outputs_are_checked_in_one_sentence(words):
    decoder, batch = CtcDecoder(ALPHABET, lexicon=words), _logits(24, 6).reshape(2, 12, 6)
    whole = "whole number of frames"
    for length, message in ((-1, "does not fit"), (13, "does not fit"), (1.5, whole), (torch.tensor(1.5), whole)):
        with pytest.raises(TextError, match=message):
            decoder.decode_batch(batch, lengths=[12, length])
    for lengths in (torch.tensor([0, 12]), np.array([0, 12]), iter([0, 12])):
        assert decoder.decode_batch(batch, lengths=lengths)[0].text == ""
    for threads in (-1, 1.5):
        with pytest.raises(ConfigError, match="`threads` must be a whole number"):
            decoder.decode_batch(batch, threads=threads)
    for nbest in (0, -1, 1.5):
        with pytest.raises(ConfigError, match="`nbest` must be a whole number"):
            decoder.decode_nbest(batch[0], nbest)
    for wrong in ("abc", [[1.0, 2.0], [3.0]], batch[0] * 1j):
        with pytest.raises(TextError, match="no array of real numbers"):
            decoder.decode(wrong)
    silent = batch[0].copy()
    silent[7] = -np.inf
    with pytest.raises(TextError, match="in frame 7 of the array no label"):
        decoder.decode(silent)
    for settings in ({"beam_size": float("nan")}, {"beam_size": 1.5}, {"beam_size": "1"}, {"lm_weight": None}):
        with pytest.raises(ConfigError, match="number"):
            decoder.with_settings(**settings)
    with pytest.raises(ConfigError, match="must be a text"):
        decoder.with_hotwords([3])


@pytest.mark.parametrize("labels", [[], [1, 2], {1: 0}, set(ALPHABET), None, 5])
def test_labels_are_texts(labels):
    with pytest.raises(TextError, match="labels must be a list of texts"):
        CtcDecoder(labels)


def test_columns_of_labels_are_numbers_from_0():
    for columns in ((0, None), (0, "1"), (1, 2), (0, 0)):
        with pytest.raises(TextError, match="the columns of the labels are not 0, 1, 2"):
            CtcDecoder(dict(zip(("", "a"), columns, strict=True)))


def test_numbers_of_numpy_are_taken_as_python_s():
    logits = _logits(12, 6)
    decoder = CtcDecoder(ALPHABET, blank=np.int64(0), frame_seconds=np.float32(0.02))  # type: ignore[arg-type]
    times = [time for word in decoder.decode(logits).words for time in (word.start, word.end)]
    assert times
    assert {type(time) for time in times} == {float}
    assert decoder.decode(logits).text == CtcDecoder(ALPHABET, blank="").decode(logits).text


def test_words_of_a_lexicon_hold_no_boundary_and_are_texts():
    notes: list[str] = []
    decoder = CtcDecoder(ALPHABET, lexicon=["a|b", "cab", ""], note=notes.append)
    assert decoder.words is not None
    assert list(decoder.words) == ["cab"]
    assert ["1 of 2 words" in note and "'a|b'" in note for note in notes] == [True]
    with pytest.raises(TextError, match="a word of the lexicon is no text, but 1"):
        CtcDecoder(ALPHABET, lexicon=[1, 2])  # type: ignore[list-item]


@pytest.mark.parametrize("seed", range(3))
def test_subwords_take_hotwords_without_lexicon_and_language_model(seed):
    labels = ["▁a", "▁b", "b", "▁", ""]
    hotwords = {"ab": 2.0, "b a": 1.5, "bb": -1.0}
    log_probs = _log_softmax(_logits(5, len(labels), seed))
    totals: dict[tuple[int, ...], float] = {}
    for path in product(range(len(labels)), repeat=len(log_probs)):
        pieces = tuple(label for label, _ in groupby(path) if labels[label])
        score = float(sum(log_probs[frame, label] for frame, label in enumerate(path)))
        totals[pieces] = np.logaddexp(totals.get(pieces, -np.inf), score)
    expected = []
    for pieces, total in totals.items():
        words = "".join(labels[label] for label in pieces).replace("▁", " ").split()
        for phrase, boost in hotwords.items():
            wanted = phrase.split()
            total += boost * sum(words[place : place + len(wanted)] == wanted for place in range(len(words)))
        expected.append((total, " ".join(words)))
    decoder = CtcDecoder(labels, hotwords=hotwords, beam_size=20_000, settings=WIDE, input="log_probs")
    found = decoder.decode_nbest(log_probs, 30)
    best = sorted(expected, reverse=True)[:30]
    assert [hypothesis.score for hypothesis in found] == pytest.approx([score for score, _ in best], abs=1e-3)
    assert [hypothesis.text for hypothesis in found[:8]] == [text for _, text in best[:8]]
    assert decoder.with_hotwords({}).decode(log_probs) == CtcDecoder(labels, input="log_probs").decode(log_probs)


def test_hotwords_may_be_in_another_case_than_the_labels():
    labels = ["", "|", "A", "B", "C", "D"]
    logits = _spoken("BAD|CAB|", labels)
    plain = CtcDecoder(labels).decode(logits)
    decoder = CtcDecoder(labels, hotwords={"Cab": 2.0, "dab": 2.0})
    assert (plain.text, decoder.decode(logits).text) == ("BAD CAB", "BAD Cab")
    unlike = CtcDecoder(labels, hotwords={"Dab": 2.0}).decode(logits)
    assert decoder.decode(logits).score == pytest.approx(unlike.score + 2.0, abs=0.01)
    with pytest.raises(TextError, match="'zebra' cannot be spelled"):
        CtcDecoder(labels, hotwords=["zebra"])


def test_hotwords_need_labels_that_tell_words_apart():
    with pytest.raises(ConfigError, match="labels that tell words apart"):
        CtcDecoder(["", "a", "b"], hotwords=["ab"])
