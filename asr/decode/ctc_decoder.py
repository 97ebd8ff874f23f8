"""The search for CTC models of any origin: their labels and their outputs in, texts with times and confidence out.

decoder = CtcDecoder(labels, lm="lm.arpa.gz", frame_seconds=0.02)
print(decoder.decode(logits).text)
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from numbers import Real
from operator import index
from os import cpu_count
from pathlib import Path
from typing import Protocol, SupportsIndex, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from asr.callbacks import Note
from asr.decode.arguments import check_whole, checked_hotwords, checked_settings
from asr.decode.beam import BeamConfig, BeamDecoder
from asr.decode.build import SearchOptions, open_decoder, spelled_words
from asr.decode.ctc_labels import FLOOR, Labels, log_softmax, read_labels
from asr.decode.decoder import Decoder, DecodingSession
from asr.decode.hotwords import Hotwords, as_hotwords
from asr.decode.hypothesis import Hypothesis
from asr.decode.open_vocabulary import TokenDecoder, in_case_of, token_lexicon
from asr.decode.timed import Word, timed_words
from asr.errors import ConfigError, TextError
from asr.text.lexicon import Lexicon

INPUTS = ("auto", "logits", "log_probs", "probs")
SUM_TOLERANCE = 0.05  # by which a frame's probabilities may miss a sum of one (half precision)


@runtime_checkable
class Tensor(Protocol):
    """An array of torch, on whatever device."""

    def __iter__(self) -> Iterator[Tensor]: ...

    def detach(self) -> Tensor: ...

    def cpu(self) -> Tensor: ...

    def float(self) -> Tensor: ...


Emissions = NDArray[np.floating] | Sequence[Sequence[float]] | Tensor
"""A model's output, (frames, labels): an array of NumPy or torch, or nested lists."""


@dataclass(frozen=True)
class CtcHypothesis:
    """A text with its words, and its scores in nats; `score` is the sum of acoustic, language and word scores.

    The words' times are in seconds, or in frames where the decoder was not told how long a frame is.
    """

    words: tuple[Word, ...]
    score: float
    acoustic_score: float
    lm_score: float

    @property
    def text(self) -> str:
        """The words, separated by spaces."""
        return " ".join(word.word for word in self.words)


class CtcDecoder:
    """A beam search over the outputs of a CTC model. It may be used from several threads at once."""

    def __init__(
        self,
        labels: Labels,
        *,
        lm: str | Path | None = None,
        lexicon: Lexicon | str | Path | Iterable[str] | None = None,
        neural_lm: str | Path | None = None,
        neural_share: float | None = None,
        rescore: int = 0,
        hotwords: Hotwords | None = None,
        lm_weight: float | None = None,
        word_score: float | None = None,
        beam_size: int | None = None,
        settings: Mapping[str, float | None] | None = None,
        blank: str | int | None = None,
        boundary: str | None = None,
        input: str = "auto",
        frame_seconds: float | None = None,
        note: Note | None = None,
    ) -> None:
        """A decoder for a model with these labels, one a column.

        labels: a list, or a dictionary of labels and columns (a Hugging Face vocabulary). The blank is recognised by
        its name ('', '<blank>', '<pad>', '[PAD]', '_', …), else taken to be a column after the last label (NeMo);
        `blank` says otherwise, by name or column. Words end at ' ' or '|', or begin with '▁'; `boundary` says more.

        lm: n-grams (`.arpa`, `.ngrams`). lexicon: a `lexicon.txt`, a `Lexicon`, or words to be spelled in the labels;
        by default the words of `lm`. Without either, the best path is taken, and any word can be written. neural_lm:
        the folder of an LSTM language model, mixed with the n-gram by `neural_share`; with `rescore` it scores that
        many best hypotheses instead of joining the search. hotwords: phrases to favour, with boosts in nats or with the
        default one; with neither `lm` nor `lexicon` they may be any words that the labels spell, in characters or in
        subwords, of which each then counts as a word to `word_score`.

        lm_weight, word_score, beam_size: the most used settings of the search; `settings` takes all of them. All scores
        are natural logs: pyctcdecode's `alpha` is `lm_weight`, its `beta` the `word_score`; torchaudio's `lm_weight` is
        for log10, divide it by 2.303.

        input: what the model gives: "logits", "log_probs", "probs", or "auto" to tell by the values.
        frame_seconds: the time between two frames, for the times of words; without it they are counted in frames.
        note: called with lines for the user.

        Raises ConfigError, TextError or CheckpointError for what cannot be used.
        """
        if input not in INPUTS:
            raise ConfigError(f"`input` is '{input}'; it must be one of {', '.join(INPUTS)}.")
        if frame_seconds is not None and not (isinstance(frame_seconds, Real) and 0 < frame_seconds < math.inf):
            raise ConfigError(f"`frame_seconds` must be a number above 0, not {frame_seconds!r}.")
        self._labels = read_labels(labels, blank, boundary)
        self._input, self._frame = input, 1.0 if frame_seconds is None else float(frame_seconds)
        settings = checked_settings(settings)
        named = {"lm_weight": lm_weight, "word_score": word_score, "beam_size": beam_size}
        self._options = SearchOptions(
            lexicon=self._lexicon(lexicon, note),
            lm=lm,
            neural_lm=neural_lm,
            neural_share=neural_share,
            rescore=rescore,
            hotwords=checked_hotwords(hotwords),
            settings=dict(settings) | {name: value for name, value in named.items() if value is not None},
        )
        self._decoder = self._open(self._options, note)

    @property
    def words(self) -> Sequence[str] | None:
        """The words that can be recognised; None where any can be."""
        return None if _is_free(self._options) else self._decoder.words

    def decode(self, emissions: Emissions) -> CtcHypothesis:
        """The best hypothesis of an utterance.

        emissions: (frames, labels), logits, log-probabilities or probabilities. Raises TextError for another shape, for
        NaN, or for what `input` says they are not.
        """
        return self.decode_nbest(emissions, 1)[0]

    def decode_nbest(self, emissions: Emissions, nbest: int) -> list[CtcHypothesis]:
        """The `nbest` best hypotheses of an utterance, best first; at least one."""
        check_whole("nbest", nbest, 1)
        return [self._timed(best) for best in self._decoder.decode(self._log_probs(emissions), nbest)]

    def decode_batch(
        self, batch: Sequence[Emissions] | NDArray[np.floating] | Tensor, *,
        lengths: Iterable[SupportsIndex] | None = None, threads: int = 0,
    ) -> list[CtcHypothesis]:  # fmt: skip
        """The best hypothesis of each utterance.

        batch: arrays (frames, labels), or one array (utterances, frames, labels) with the frames of each in `lengths`,
        a list or an array of whole numbers.
        threads: utterances decoded at once, 0 for the number of cores. The result does not depend on it.

        Raises TextError for lengths that do not fit, and as `decode` does.
        """
        check_whole("threads", threads, 0)
        arrays = [_array(emissions) for emissions in batch]
        if lengths is not None:
            lengths = list(lengths)
            if len(lengths) != len(arrays):
                raise TextError(f"there are {len(arrays)} utterances and {len(lengths)} lengths.")
            arrays = [_cut(array, length) for array, length in zip(arrays, lengths, strict=True)]
        with ThreadPoolExecutor(threads or cpu_count() or 1) as pool:
            return list(pool.map(self.decode, arrays))

    def start(self) -> CtcSession:
        """A session for one utterance that arrives in pieces."""
        return CtcSession(self, self._decoder.start())

    def with_hotwords(self, hotwords: Hotwords) -> CtcDecoder:
        """This decoder favouring other phrases; its tables are shared. Raises TextError or ConfigError."""
        options = replace(self._options, hotwords=checked_hotwords(hotwords))
        if _is_free(options):
            return self._with(self._open(options, None), options)
        return self._with(self._decoder.with_hotwords(options.hotwords), options)

    def with_settings(self, **settings: float | None) -> CtcDecoder:
        """This decoder with other settings of the search; its tables are shared. Raises ConfigError."""
        options = replace(self._options, settings={**self._options.settings, **settings})
        return self._with(self._decoder.with_settings(**settings), options)

    def _with(self, decoder: Decoder, options: SearchOptions) -> CtcDecoder:
        other = copy.copy(self)
        other._decoder, other._options = decoder, options
        return other

    def _open(self, options: SearchOptions, note: Note | None) -> Decoder:
        """The decoder that the options ask for; where any word can be written, hotwords are its only lexicon."""
        tokens = self._labels.tokens
        if _is_free(options) and options.hotwords:
            if not tokens.marks_words:
                raise ConfigError(
                    "without `lm` and `lexicon`, hotwords need labels that tell words apart: characters, one of them "
                    "between words, or subwords, some of which begin words."
                )
            if not tokens.are_characters:
                chosen: dict[str, float | None] = {
                    name: value for name, value in options.settings.items() if value is not None
                }
                searched = BeamDecoder(tokens, token_lexicon(tokens), None, BeamConfig().changed(chosen))
                return TokenDecoder(searched).with_hotwords(options.hotwords)
            favoured = [word for hotword in as_hotwords(options.hotwords) for word in hotword.phrase.split()]
            words = {in_case_of(tokens, word) for word in favoured}
            free = {"unknown_score": 0.0, **options.settings}
            options = replace(options, lexicon=Lexicon.of_characters(sorted(words), tokens), settings=free)
        return open_decoder(tokens, options, note=note)

    def _lexicon(
        self, chosen: Lexicon | str | Path | Iterable[str] | None, note: Note | None
    ) -> Lexicon | str | Path | None:
        if chosen is None or isinstance(chosen, Lexicon | str | Path):
            return chosen
        return spelled_words(chosen, self._labels.tokens, "the lexicon", note)

    def _log_probs(self, emissions: Emissions) -> NDArray[np.float32]:
        """Log-probabilities (frames, tokens), blank first."""
        values = _array(emissions)
        width = self._labels.width
        if values.ndim != 2 or values.shape[1] != width:
            hint = "; which label is the blank? say so: `blank`" if values.shape[-1:] == (width - 1,) else ""
            raise TextError(f"the array has the shape {values.shape}, not (frames, {width} labels){hint}.")
        if np.isnan(values).any() or (values == np.inf).any():
            raise TextError("the array holds NaN or infinite values; compute it again.")
        if len(empty := np.flatnonzero(np.isneginf(values.max(axis=1, initial=-np.inf)))):
            raise TextError(
                f"in frame {empty[0]} of the array no label has a probability above zero; compute it again."
            )
        likely = _are_probabilities(values)
        if self._input == "probs" and not likely:
            raise TextError("these are no probabilities: some are below 0, or frames do not sum to one.")
        if self._input == "probs" or (self._input == "auto" and likely):
            with np.errstate(divide="ignore"):
                values = np.maximum(np.log(values), np.float32(FLOOR))
        elif self._input == "log_probs" and not _are_probabilities(np.exp(values)):
            raise TextError("these are no log-probabilities: frames do not sum to one; say what they are: `input`.")
        return self._labels.arranged(log_softmax(values))

    def _timed(self, hypothesis: Hypothesis) -> CtcHypothesis:
        words = tuple(timed_words(hypothesis, self._frame))
        return CtcHypothesis(words, hypothesis.score, hypothesis.acoustic_score, hypothesis.lm_score)


class CtcSession:
    """One utterance that arrives in pieces. Open one with `CtcDecoder.start`; not for use by several threads."""

    def __init__(self, decoder: CtcDecoder, session: DecodingSession) -> None:
        self._decoder, self._session = decoder, session

    def feed(self, emissions: Emissions) -> None:
        """Decode the next piece, (frames, labels), of any size."""
        self._session.feed(self._decoder._log_probs(emissions))

    def partial(self) -> CtcHypothesis:
        """The best hypothesis so far, as if the utterance ended here; its last words may still change."""
        return self._decoder._timed(self._session.partial())

    def finish(self, nbest: int = 1) -> list[CtcHypothesis]:
        """The `nbest` best hypotheses of the utterance, as if it had been decoded whole; the session is over."""
        check_whole("nbest", nbest, 1)
        return [self._decoder._timed(hypothesis) for hypothesis in self._session.finish(nbest)]


def _array(emissions: Emissions) -> NDArray[np.float32]:
    """An array of NumPy in single precision. Raises TextError for what is no array of real numbers."""
    if isinstance(emissions, Tensor):
        emissions = emissions.detach().cpu().float()
    try:
        if isinstance(emissions, np.ndarray) and emissions.dtype.kind == "c":
            raise TypeError
        with np.errstate(over="ignore"):  # an infinity is said to be one
            return np.asarray(emissions, dtype=np.float32)
    except (TypeError, ValueError):
        raise TextError("what a model gave is no array of real numbers, (frames, labels).") from None


def _cut(array: NDArray[np.float32], length: SupportsIndex) -> NDArray[np.float32]:
    """The first `length` frames. Raises TextError if there are not as many."""
    try:
        frames = index(length)
    except TypeError:
        raise TextError(f"a length must be a whole number of frames, not {length!r}.") from None
    if not 0 <= frames <= len(array):
        raise TextError(f"a length of {frames} does not fit an utterance of {len(array)} frames.")
    return array[:frames]


def _are_probabilities(values: NDArray[np.float32]) -> bool:
    """Whether values (frames, labels) are probabilities: none below 0, each frame's sum one."""
    if not values.size:
        return True
    with np.errstate(over="ignore"):
        return bool(values.min() >= 0 and np.abs(values.sum(axis=1) - 1).max() <= SUM_TOLERANCE)


def _is_free(options: SearchOptions) -> bool:
    """Whether neither lexicon nor language model says which words there are."""
    return options.lexicon is None and options.lm is None
