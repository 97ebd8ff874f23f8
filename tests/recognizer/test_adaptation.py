"""Models adapted to texts, words and recordings."""

import json

import numpy as np
import pytest
import torch

from asr.config import to_dict
from asr.data.manifest import Manifest, Utterance
from asr.decode.build import SearchOptions, open_decoder
from asr.errors import AsrError, ConfigError, ManifestError, TextError
from asr.lm.lstm.folder import load_lm, save_lm
from asr.lm.lstm.network import LstmLanguageModel, LstmLmConfig
from asr.lm.ngram.arpa import write_arpa
from asr.lm.ngram.kneser_ney import Corpus, estimate
from asr.lm.ngram.tables import build_tables, load_ngram
from asr.lm.open import load_word_model
from asr.lm.word_model import sentence_scores
from asr.model_folder import read_arrays
from asr.model_package import ModelPackage
from asr.recognizer.adaptation import acoustic, neural
from asr.recognizer.adaptation.acoustic import Recordings
from asr.recognizer.adaptation.adapt import adapt
from asr.recognizer.adaptation.language import EXTREME, WORD_GAIN, adapt_language
from asr.recognizer.packing import Replacements, pack_model
from asr.shipped import model_folder
from asr.text.lexicon import Lexicon

DIGITS = model_folder("digits")
NAMES = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "zero"]


def _quiet(_):
    pass


@pytest.fixture
def text(tmp_path):
    """Sentences in which a word follows its like."""
    random = np.random.default_rng(5)
    lines = [" ".join([NAMES[i], NAMES[(i + 1) % 10], NAMES[j], "Rex!"]) for i, j in random.integers(0, 10, (60, 2))]
    path = tmp_path / "domain.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def manifest(tmp_path, make_wav):
    rows = []
    for number in range(12):
        wav = make_wav(f"{number}.wav", 1.2)
        text = f"{NAMES[number % 10]} {NAMES[(number * 3) % 10]}"
        rows.append({"id": f"u{number:02d}", "audio_filepath": str(wav), "duration": 1.2, "text": text})
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_text_brings_its_words_and_its_phrases(tmp_path, text):
    notes = []
    outcome = adapt(DIGITS, tmp_path / "m", texts=[text], note=notes.append)
    language = outcome.language
    assert language.new_words == 1
    package = ModelPackage.open(tmp_path / "m")
    assert package.lexicon.spellings["rex"] == [("r", "e", "x", "|")]
    lm = load_ngram(package.lm_path)
    assert sum(lm.score_sentence(["one", "two", "rex"])) > sum(lm.score_sentence(["one", "six", "rex"]))
    assert language.perplexity[1] < language.perplexity[0]
    assert all(EXTREME / 2 < weight < 1 for weight in language.weights.values())
    assert sum(language.weights.values()) == pytest.approx(1.0)
    assert "rex" in open_decoder(package, SearchOptions()).words
    probabilities = np.exp([lm.tables.score([lm.begin], place) for place in range(len(lm.words)) if place != lm.begin])
    assert probabilities.sum() == pytest.approx(1.0, abs=2e-2)  # three decimals


def test_a_word_that_one_n_gram_lacks_is_impossible_in_it(tmp_path):
    """The text's weight is the best one by brute force; what a model gives to all unknown words is of none of them."""
    random = np.random.default_rng(2)
    lines = [" ".join(random.choice([*NAMES, "rex", "ada", "bob"], 4)) for _ in range(200)]
    path = tmp_path / "domain.txt"
    path.write_text("\n".join(lines) + "\n")
    sentences = [" ".join(random.choice(NAMES, 3)) for _ in range(20)]  # so few that unknown words have a large share
    write_arpa(tmp_path / "own.arpa", estimate(Corpus(sentences), 2))
    pack_model(DIGITS, tmp_path / "m", Replacements(lm=tmp_path / "own.arpa"))
    package = ModelPackage.open(tmp_path / "m")
    found = adapt_language(package, [path], [], _quiet).weights["text"]

    different = list(dict.fromkeys(lines))
    held_out = different[9::10]
    rest = [line for line in lines if line not in held_out]
    models = [load_ngram(package.lm_path), build_tables(estimate(Corpus(rest), 3, (0,)))]
    scores = []
    for line in held_out:
        words = line.split()
        each = np.array([model.score_sentence(words) for model in models])
        for place, word in enumerate(words):
            has = np.array([word in model.words for model in models])
            each[~has, place] = -np.inf if has.any() else each[~has, place]
        scores.append(each)
    own, text = np.exp(np.concatenate(scores, axis=1))
    shares = np.linspace(0.02, 0.98, 193)
    best = shares[np.argmax([np.log((1 - share) * own + share * text).sum() for share in shares])]
    assert found == pytest.approx(best, abs=0.01)


def test_weights_are_found_on_sentences_that_the_estimate_has_not_seen(text):
    # Each sentence twice: a copy among the others would be known by heart.
    package = ModelPackage.open(DIGITS)
    once = adapt_language(package, [text], [], _quiet)
    twice = adapt_language(package, [text, text], [], _quiet)
    assert twice.weights == pytest.approx(once.weights, abs=0.2)


@pytest.fixture
def lms(tmp_path):
    """Folders of LSTM language models of digits: one certain of what is wrong, one nearly even."""
    words = ["</s>", "<unk>", *NAMES]
    config = LstmLmConfig(embedding_size=8, hidden_size=16, num_layers=1, dropout=0.0)
    torch.manual_seed(3)
    state = LstmLanguageModel(config, len(words)).state_dict()
    for name, factor in (("wrong", 30.0), ("even", 1.0)):
        save_lm(tmp_path / name, {key: value.numpy() * factor for key, value in state.items()}, to_dict(config), words)
    return tmp_path / "wrong", tmp_path / "even"


def _sentences(text):
    return [line.lower().rstrip("!").split() for line in text.read_text().splitlines()]


def _with_lstm(lm, folder):
    return pack_model(DIGITS, folder, Replacements(neural_lm=lm))


def test_the_lstm_with_which_held_out_sentences_are_likelier_is_taken(tmp_path, text, lms):
    wrong, even = lms
    asked = []

    def tuned(source, train, held_out):
        asked.append((source, set(map(tuple, train)), set(map(tuple, held_out))))
        return even if package.folder.name == "of-wrong" else wrong

    package = _with_lstm(wrong, tmp_path / "of-wrong")
    kept, better = (adapt_language(package, [text], [], _quiet, tune) for tune in (None, tuned))
    assert (kept.neural_lm, better.neural_lm) == (None, even)
    assert better.perplexity[0] == pytest.approx(kept.perplexity[0])
    assert better.perplexity[1] < kept.perplexity[1]
    assert better.weights["LSTM"] > kept.weights["LSTM"]
    source, train, held_out = asked[0]
    assert source == package.neural_lm_path
    assert not train & held_out
    assert train | held_out == {tuple(words) for words in _sentences(text)}
    package = _with_lstm(even, tmp_path / "of-even")
    kept, worse = (adapt_language(package, [text], [], _quiet, tune) for tune in (None, tuned))
    assert worse.neural_lm is None
    assert (worse.weights, worse.perplexity) == (kept.weights, kept.perplexity)


def test_fine_tuning_an_lstm_on_sentences_makes_others_likelier(tmp_path, text, lms, monkeypatch):
    monkeypatch.setattr(neural, "LEARNING_RATE", 0.05)
    lines = _sentences(text)
    before = (lms[1] / "model.safetensors").read_bytes()
    folder = neural.fine_tune_lm(lms[1], lines[:50], lines[50:], tmp_path / "tuned", "cpu")
    likelihoods = [
        np.nanmean(np.concatenate(sentence_scores(load_word_model(lm), lines[50:]))) for lm in (lms[1], folder)
    ]
    assert likelihoods[0] == pytest.approx(-np.log(12), abs=0.1)
    assert likelihoods[1] > likelihoods[0] + 0.2
    assert list(load_lm(folder).words) == list(load_lm(lms[1]).words)
    assert (lms[1] / "model.safetensors").read_bytes() == before


def test_the_model_has_the_lstm_that_was_taken(tmp_path, text, lms, run, monkeypatch):
    monkeypatch.setattr(neural, "EPOCHS", range(1, 3))
    source = _with_lstm(lms[1], tmp_path / "model").neural_lm_path
    options = ("--text", text, "--lstm", "tune", "--json", "--output", tmp_path / "m")
    code, out, errors = run("adapt", "--model", tmp_path / "model", *options)
    assert code == 0, errors
    weights = [(folder / "model.safetensors").read_bytes() for folder in (source, tmp_path / "m" / "lstm")]
    assert json.loads(out)["lstm_changed"] == (weights[0] != weights[1])
    assert "perplexity with the LSTM as it was" in errors
    assert open_decoder(ModelPackage.open(tmp_path / "m"), SearchOptions()).words


def test_fine_tuning_the_lstm_needs_a_text_and_an_lstm(tmp_path, text):
    for options, message in (
        ({"texts": [text], "lstm": "tune"}, "an LSTM language model"),
        ({"words": [text], "lstm": "tune"}, "`texts`"),
        ({"texts": [text], "lstm": "drop"}, "keep or tune"),
    ):
        with pytest.raises(ConfigError, match=message):
            adapt(DIGITS, tmp_path / "m", **options, note=_quiet)


def test_listed_words_are_added_with_the_pronunciations_they_are_given(tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("# names\nTori\t\tt o r e |\nhowie\nOne\t3\tw o n\n")
    adapt(DIGITS, tmp_path / "m", words=[words], note=_quiet)
    package = ModelPackage.open(tmp_path / "m")
    spellings = package.lexicon.spellings
    assert spellings["Tori"] == [("t", "o", "r", "e", "|")]
    assert spellings["howie"] == [("h", "o", "w", "i", "e", "|")]
    assert spellings["one"] == [("o", "n", "e", "|"), ("w", "o", "n", "|")]
    lm, before = load_ngram(package.lm_path), load_ngram(DIGITS / "lm.arpa.gz")
    assert sum(lm.score_sentence(["Tori"])) > sum(before.score_sentence(["Tori"]))


def test_listed_words_keep_their_case_and_their_boosts(tmp_path, text):
    words = tmp_path / "words.txt"
    words.write_text("Howie\nKneser Ney\t14\nTori\t6\ntwo\nRex\t\tr e x |\n")
    adapt(DIGITS, tmp_path / "m", words=[words], note=_quiet)
    package = ModelPackage.open(tmp_path / "m")
    new = {"Howie", "Kneser", "Ney", "Tori", "Rex"}
    assert package.lexicon.spellings.keys() == ModelPackage.open(DIGITS).lexicon.spellings.keys() | new
    assert new < set(open_decoder(package, SearchOptions()).words)
    lm, own = load_ngram(package.lm_path), load_ngram(DIGITS / "lm.arpa.gz")

    def score(model, word):
        return model.tables.score([], model.words.get(word))

    howie = score(lm, "Howie")
    assert score(lm, "Tori") - howie == pytest.approx(6 - WORD_GAIN, abs=0.01)
    assert score(lm, "Kneser") - howie == pytest.approx(14 / 2 - WORD_GAIN, abs=0.01)
    assert score(lm, "Kneser") == pytest.approx(score(lm, "Ney"), abs=0.01)
    (tmp_path / "known.txt").write_text("One\t0.5\n")
    adapt(DIGITS, tmp_path / "known", words=[tmp_path / "known.txt"], note=_quiet)
    known = load_ngram(tmp_path / "known" / "lm.ngrams.gz")
    gain = (score(known, "one") - score(known, "two")) - (score(own, "one") - score(own, "two"))
    assert gain == pytest.approx(0.5, abs=0.05)
    outcome = adapt(DIGITS, tmp_path / "both", words=[words], texts=[text], note=_quiet)  # whose word is Rex
    both = ModelPackage.open(tmp_path / "both")
    assert "rex" not in both.lexicon.spellings
    assert "rex" not in load_ngram(both.lm_path).words
    assert outcome.language.new_words == len(new)


def test_listed_words_that_cannot_be_said_are_left_out_of_the_language_model_too(tmp_path):
    words, notes = tmp_path / "words.txt", []
    words.write_text("Tori\nqu1z!\n")
    adapt(DIGITS, tmp_path / "m", words=[words], note=notes.append)
    assert any("1 words cannot be pronounced and are left out: qu1z!; give them with their" in note for note in notes)
    package = ModelPackage.open(tmp_path / "m")
    assert "Tori" in load_ngram(package.lm_path).words
    assert "qu1z!" not in package.lexicon.spellings
    assert "qu1z!" not in load_ngram(package.lm_path).words


def test_recordings_without_texts_are_nothing_to_measure_on(tmp_path, manifest):
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    manifest.write_text(
        "".join(json.dumps({**row, "text": "" if place else None}) + "\n" for place, row in enumerate(rows))
    )
    (tmp_path / "words.txt").write_text("Tori\n")
    with pytest.raises(ManifestError, match="has a text to measure on"):
        adapt(DIGITS, tmp_path / "m", words=[tmp_path / "words.txt"], dev=manifest, note=_quiet)


def test_recordings_are_spelled_as_lists_say(tmp_path):
    package = ModelPackage.open(DIGITS)
    said = Recordings(Manifest([Utterance("a", str(tmp_path / "a.wav"), 1.0, "tori one")], []), Manifest([], []))
    lexicon = Lexicon({**package.lexicon.spellings, "Tori": [("t", "o", "r", "e", "|")]})
    assert acoustic._lexicon_of(package, said, lexicon).spellings["tori"] == [("t", "o", "r", "e", "|")]


def test_recordings_with_a_word_that_cannot_be_spelled_do_not_keep_others_from_training(tmp_path):
    said = Recordings(Manifest([Utterance("a", str(tmp_path / "a.wav"), 1.0, "zxqy yes")], []), Manifest([], []))
    package = ModelPackage.open(model_folder("an4"))
    assert list(acoustic._lexicon_of(package, said, None).spellings) == ["yes"]


def test_what_cannot_be_adapted_to_is_refused(tmp_path, run):
    few = tmp_path / "few.txt"
    few.write_text("one two\n" * 50)
    empty = tmp_path / "empty.txt"
    empty.write_text("...\n")
    for options, error, message in (
        ({"texts": [few]}, TextError, "1 different sentences"),
        ({"texts": [empty]}, TextError, "no word"),
        ({}, ConfigError, "nothing to adapt to"),
    ):
        with pytest.raises(error, match=message):
            adapt(DIGITS, tmp_path / "m", **options, note=_quiet)
    (tmp_path / "none.txt").write_text("# names\n\n")
    with pytest.raises(TextError, match="no word in the list"):
        adapt(DIGITS, tmp_path / "m", words=[tmp_path / "none.txt"], note=_quiet)
    wrong = tmp_path / "wrong.txt"
    wrong.write_text("rex\tr! e\n")
    code, _, errors = run("adapt", "--model", "digits", "--words", wrong, "--output", tmp_path / "m")
    assert (code, "'r!'" in errors) == (1, True)
    assert run("adapt", "--model", "digits", "--output", tmp_path / "m")[0] == 2
    assert not (tmp_path / "m").exists()


def test_recordings_fine_tune_the_network_only_if_that_helps(tmp_path, manifest, run, monkeypatch):
    monkeypatch.setattr(acoustic, "EPOCHS", range(1, 3))
    code, out, errors = run("adapt", "--model", "digits", "--audio", manifest, "--output", tmp_path / "m", "--json")
    assert code == 0, errors
    figures = json.loads(out)
    assert 0 <= figures["p_value"] <= 1
    names = [read_arrays(folder / "model.safetensors").keys() for folder in (tmp_path / "m", DIGITS)]
    changed = names[0] != names[1]  # names of scales among them
    assert figures["network_changed"] == (figures["wer"]["after"] < figures["wer"]["before"])
    if not figures["network_changed"]:
        assert not changed
        assert "stays as it was" in errors
    assert run("transcribe", tmp_path / "0.wav", "--model", tmp_path / "m")[0] == 0


def test_recordings_that_are_not_used_are_told(tmp_path, manifest, make_wav, run, monkeypatch):
    monkeypatch.setattr(acoustic, "EPOCHS", range(1, 2))
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    more = [
        {"id": "gone", "audio_filepath": str(tmp_path / "gone.wav"), "duration": 1.0, "text": "one"},
        {"id": "mute", "audio_filepath": rows[0]["audio_filepath"], "duration": 1.2, "text": "…"},
        {"id": "long", "audio_filepath": str(make_wav("long.wav", 21.0)), "duration": 21.0, "text": "one two"},
    ]
    train = tmp_path / "more.jsonl"
    train.write_text("".join(json.dumps(row) + "\n" for row in rows + more))
    options = ("--model", "digits", "--audio", train, "--dev", manifest, "--output", tmp_path / "m")
    code, _, errors = run("adapt", *options)
    assert code == 0, errors
    assert "2 items left out:" in errors
    assert "gone.wav" in errors
    assert "mute: it has no text" in errors
    assert "long" not in errors  # than a batch, but trained on


def test_what_cannot_be_read_or_written_is_told_before_the_work(tmp_path, text, manifest):
    place = tmp_path / "project"
    place.mkdir()
    (place / "README.md").write_text("mine\n")
    (tmp_path / "model").write_text("")
    mute = tmp_path / "mute.jsonl"
    mute.write_text(json.dumps({**json.loads(manifest.read_text().splitlines()[0]), "text": "…"}) + "\n")
    for options, output, message in (
        ({"dev": tmp_path / "no.jsonl"}, "m", "no.jsonl"),
        ({"audio": tmp_path / "no.jsonl"}, "m", "no.jsonl"),
        ({"audio": mute, "dev": manifest}, "m", "no recording of the manifest has a text"),
        ({}, "project", "holds other things than an acoustic model"),
        ({}, "model", "is a file; name a folder"),
    ):
        notes = []
        with pytest.raises(AsrError, match=message):
            adapt(DIGITS, tmp_path / output, texts=[text], **options, note=notes.append)
        assert notes == []
    with pytest.raises(ConfigError, match="name a new folder"):
        pack_model(DIGITS, place, Replacements())
    assert [path.name for path in place.iterdir()] == ["README.md"]


def test_a_part_of_the_recordings_is_held_out_the_same_each_time(manifest, tmp_path):
    from asr.data.manifest import read_manifest

    divided = [acoustic.divide(read_manifest(manifest), None) for _ in range(2)]
    assert divided[0] == divided[1]
    ids = [{utterance.id for utterance in part.utterances} for part in (divided[0].train, divided[0].held_out)]
    assert not ids[0] & ids[1]
    assert len(ids[0] | ids[1]) == 12
    assert len(ids[1]) in (2, 3)
    short = tmp_path / "short.jsonl"
    short.write_text("".join(manifest.read_text().splitlines(keepends=True)[:4]))
    with pytest.raises(ManifestError, match="10 are needed"):
        acoustic.divide(read_manifest(short), None)
