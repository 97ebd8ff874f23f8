"""A model's lexicon and language models adapted to texts and word lists, without torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr.callbacks import Note
from asr.data.manifest import sentences
from asr.decode.hotwords import parts, read_hotwords
from asr.decode.search.hotwords import check_boosts
from asr.errors import TextError
from asr.lm.mixture import comparable_words, mixture_log_probs, mixture_weights, of_known_words
from asr.lm.ngram.arpa import ArpaModel
from asr.lm.ngram.files import read_ngrams
from asr.lm.ngram.kneser_ney import Corpus, estimate
from asr.lm.ngram.merging import merge
from asr.lm.ngram.tables import NgramWordModel, build_tables
from asr.lm.open import load_word_model
from asr.lm.word_model import END, WordModel, known_words, sentence_scores
from asr.model_package import ModelPackage
from asr.text.lexicon import Lexicon
from asr.text.normalize import normalize_english
from asr.text.spelling import Speller, Way

ORDER = 3
HELD_OUT_EVERY = 10  # a sentence of so many is held out to find the weights on
HELD_OUT_MOST = 1000  # sentences
LEAST_SENTENCES = 20  # with fewer, no weights can be found
EXTREME = 0.02  # weights nearer to 0 and 1 are moved there and said
WORD_GAIN = 5.0  # nats that a word of a list is likelier than an unknown one: about a hotword's boost
MISSING = -18.0  # nats of an unknown word where the n-gram has none
TINY = 1e-30
MOST_OF_WORDS = 0.05  # of the probability goes to words of lists
VARIANTS = 2  # pronunciations by rule

Floats = NDArray[np.float64]
LEFT_OUT_SHOWN = 5


class Listed(NamedTuple):
    """A word of a list: its pronunciations, if it is given some, and its boost in nats, if it has one."""

    ways: list[Way]
    boost: float | None


Listing = dict[str, Listed]
TuneLm = Callable[[Path, Sequence[Sequence[str]], Sequence[Sequence[str]]], Path]
"""Fine-tunes the LSTM in a folder on sentences, stops on others, and gives the new folder."""


@dataclass(frozen=True)
class Adapted:
    """New parts of a model; None for those that stay."""

    lexicon: Lexicon | None
    lm: ArpaModel | None
    neural_share: float | None
    new_words: int
    weights: dict[str, float]  # in the mixture of language models
    perplexity: tuple[float, float] | None  # of the held-out sentences, before and after
    neural_lm: Path | None = None  # the LSTM fine-tuned, where that made the held-out sentences likelier


def adapt_language(
    package: ModelPackage, texts: Sequence[Path], word_lists: Sequence[Path], note: Note, tune_lm: TuneLm | None = None
) -> Adapted:
    """The lexicon and language models of a model for a domain: of its texts, and of lists of its words.

    tune_lm: None keeps the LSTM as it is.

    Raises TextError for texts without words, ConfigError for a list with what is no hotword.
    """
    if package.lexicon is None:
        raise TextError(f"{package.folder} has no lexicon, and only a model with one can learn words and texts.")
    speller = Speller(package.tokens, package.lexicon, package.letter_to_sound_path, note)
    own = read_ngrams(package.lm_path) if package.lm_path is not None else None
    listed = _listed_words(word_lists, speller, frozenset(own.words if own is not None else ()))
    if word_lists and not listed:
        raise TextError(f"{', '.join(map(str, word_lists))}: there is no word in the list.")
    written = {name.lower(): name for name in listed}
    lines = [
        [written.get(word, word) for word in words]
        for path in texts
        for line in sentences(path)
        if (words := normalize_english(line).split())
    ]
    if texts and not lines:
        raise TextError(f"{', '.join(map(str, texts))}: there is no word in the text.")
    added, left_out = _pronounced({word for words in lines for word in words}, listed, speller)
    if left_out:
        shown = ", ".join(left_out[:LEFT_OUT_SHOWN])
        listed = {word: entry for word, entry in listed.items() if word not in left_out}
        note(
            f"{len(left_out)} words cannot be pronounced and are left out: {shown}; give them with their "
            "pronunciations in a list of --words"
        )
    known = package.lexicon.spellings
    new = [word for word in added if word not in known]
    longer = {word: [*known.get(word, []), *ways] for word, ways in added.items()}
    lexicon = Lexicon({**known, **longer}) if longer else None
    if own is None:
        if any(entry.boost is not None for entry in listed.values()):
            note("the model has no n-gram, so that the boosts of the words have no effect")
        return Adapted(lexicon, None, None, len(new), {}, None)
    if not lines:
        merged, share = _with_words(own, listed)
        return Adapted(lexicon, merged, None, len(new), {"words": share} if share else {}, None)
    return _mixed(package, own, lines, listed, lexicon, len(new), note, tune_lm)


def _listed_words(paths: Sequence[Path], speller: Speller, modelled: Container[str]) -> Listing:
    """The words of lists: those that the model knows as it writes them, new ones as the lists do.

    A phrase's boost is shared by its words. modelled: the words of the n-gram.
    """
    listed: Listing = {}
    names: dict[str, str] = {}  # of words by their lower case
    ids = speller.tokens.ids
    end = ("|",) if "|" in ids else ()
    for path in paths:
        for entry in read_hotwords(path):
            if entry.boost is not None:
                check_boosts({entry.phrase: entry.boost})
            written = entry.phrase.replace("\u2019", "'").split()
            for place, word in enumerate(written):
                forms = (word.lower(), word.upper(), word)
                known = next((form for form in forms if speller.known(form) or form in modelled), word)
                name = names.setdefault(word.lower(), known)
                before = listed.get(name, Listed([], None))
                boost = before.boost if entry.boost is None else entry.boost / len(written)
                listed[name] = Listed(before.ways, boost)
                for said in entry.pronunciations:
                    way = [_token(token, ids) for token in parts(said)[place]]
                    if unknown := [token for token in way if token not in ids]:
                        raise TextError(f"{path}: '{unknown[0]}', in how '{name}' is said, is no token of the model.")
                    before.ways.append((*way, *end))
    return listed


def _token(name: str, ids: Container[str]) -> str:
    """A token in the model's case."""
    return next((form for form in (name, name.upper(), name.lower()) if form in ids), name)


def _pronounced(words: Iterable[str], listed: Listing, speller: Speller) -> tuple[dict[str, list[Way]], list[str]]:
    """Spellings to be added, and the words that have none."""
    added = {word: entry.ways for word, entry in listed.items() if entry.ways}
    left_out = []
    for word in sorted({*words, *listed}):
        if word in added or speller.known(word):
            continue
        try:
            added[word] = speller.written(word, VARIANTS)
        except TextError:
            left_out.append(word)
    return added, left_out


def _mixed(
    package: ModelPackage, own: ArpaModel, lines: list[list[str]], listed: Listing,
    lexicon: Lexicon | None, new: int, note: Note, tune_lm: TuneLm | None,
) -> Adapted:  # fmt: skip
    """The n-gram merged with one of the texts, and the LSTM's share, by weights found on held-out sentences."""
    different = list(dict.fromkeys(map(tuple, lines)))
    if len(different) < LEAST_SENTENCES:
        raise TextError(
            f"the text has {len(different)} different sentences; {LEAST_SENTENCES} or more are needed to find out how "
            "much it should count. List its words with --words instead."
        )
    every = max(HELD_OUT_EVERY, len(different) // HELD_OUT_MOST)
    held_out = [list(sentence) for sentence in different[every - 1 :: every]] or [list(different[-1])]
    aside = set(map(tuple, held_out))
    rest = [words for words in lines if tuple(words) not in aside]
    ngrams = [NgramWordModel(build_tables(model), score_unknown=True) for model in (own, _estimated(rest, note))]
    models: list[WordModel] = [ngrams[0]]
    names = ["own n-gram"]
    if package.neural_lm_path is not None:
        models.append(load_word_model(package.neural_lm_path, quick=True))
        names.append("LSTM")
    models.append(ngrams[1])
    scores = [np.concatenate(sentence_scores(model, held_out)) for model in models]
    share = float(package.search.get("neural_share", 0.5))
    before = _perplexity(scores[:-1], np.array([1 - share, share]) if len(models) == 3 else np.ones(1))
    scores = _of_known(scores, ngrams, held_out)
    tuned = None
    if tune_lm is not None and package.neural_lm_path is not None:
        note("fine-tuning the LSTM language model …")
        folder = tune_lm(package.neural_lm_path, rest, held_out)
        others = [scores[0], np.concatenate(sentence_scores(load_word_model(folder), held_out)), scores[2]]
        pair = [_perplexity(given, mixture_weights(np.array(given))) for given in (scores, others)]
        note(f"perplexity with the LSTM as it was {pair[0]:.1f}, fine-tuned {pair[1]:.1f}")
        if pair[1] < pair[0]:
            tuned, scores = folder, others
    weights = _moved(mixture_weights(np.array(scores)), [*names, "text"], note)
    perplexity = before, _perplexity(scores, weights)
    grams = weights[[0, -1]] / weights[[0, -1]].sum()
    merged = merge([own, _estimated(lines, note)], grams.tolist())
    merged, of_words = _with_words(merged, listed)
    found = dict(zip([*names, "text"], weights.tolist(), strict=True)) | ({"words": of_words} if of_words else {})
    of_lstm = float(weights[1]) if len(models) == 3 else None
    return Adapted(lexicon, merged, of_lstm, new, found, perplexity, tuned)


def _of_known(scores: list[Floats], ngrams: list[NgramWordModel], sentences: list[list[str]]) -> list[Floats]:
    """ln P of the words, minus infinity where one n-gram, the first or the last model, lacks what the other one has."""
    words = [word for sentence in sentences for word in (*sentence, END)]
    knows = np.array([known_words(model, words) for model in ngrams])
    own, of_text = of_known_words(np.array([scores[0], scores[-1]]), knows)
    return [own, *scores[1:-1], of_text]


def _perplexity(scores: Sequence[Floats], weights: Floats) -> float:
    """Of a mixture, over the words that the LSTM can score and that are not impossible in all models."""
    rows = np.array(scores, np.float64)
    return float(np.exp(-mixture_log_probs(rows[:, comparable_words(rows)], weights).mean()))


def _estimated(lines: Iterable[Sequence[str]], note: Note) -> ArpaModel:
    return estimate(Corpus([" ".join(words) for words in lines]), ORDER, (0,))


def _moved(weights: Floats, names: Sequence[str], note: Note) -> Floats:
    """Weights that are not quite 0 or 1: what was held out is a small sample."""
    for name, weight in zip(names, weights, strict=True):
        if weight < EXTREME or weight > 1 - EXTREME:
            where = "0" if weight < EXTREME else "1"
            note(f"the best weight of the {name} on the sentences held out was {weight:.3f}, near {where}: "
                 + ("does the text repeat itself?" if where == "1" else "it hardly counts"))  # fmt: skip
    moved = np.clip(weights, EXTREME, 1 - EXTREME)
    return np.asarray(moved / moved.sum())


def _with_words(model: ArpaModel, listed: Listing) -> tuple[ArpaModel, float]:
    """A model in which listed words are likelier, and the share that was needed for it.

    A word that the model lacks becomes likelier than an unknown one by its boost, or somewhat; one that it has becomes
    likelier than before by its boost, if it has one.
    """
    alone = {
        model.words[gram]: score
        for gram, score in zip(model.grams[0][:, 0].tolist(), model.log_probs[0].tolist(), strict=True)
    }
    unknown = next((alone[name] for name in ("<unk>", "<UNK>") if name in alone), MISSING)
    wanted: dict[str, float] = {}
    for word, entry in listed.items():
        if word not in alone:
            wanted[word] = math.exp(unknown + (WORD_GAIN if entry.boost is None else entry.boost))
        elif entry.boost is not None and entry.boost > 0:
            wanted[word] = math.exp(alone[word] + entry.boost) - math.exp(alone[word])
    whole = sum(wanted.values())
    if not whole > 0:
        return model, 0.0
    share = min(MOST_OF_WORDS, whole)
    names = ["<s>", "</s>", *wanted]
    log_probs = np.array([-99.0, -99.0, *(math.log(max(part / whole, TINY)) for part in wanted.values())], np.float32)
    grams = [np.arange(len(names), dtype=np.int32)[:, None]]
    words = ArpaModel(names, grams, [log_probs], [np.zeros(len(names), np.float32)])
    return merge([model, words], [1 - share, share]), share
