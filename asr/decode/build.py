"""Opens decoders: the one place that decides which lexicon, language models and settings a search uses."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path

from asr.callbacks import Note
from asr.decode.arguments import check_whole
from asr.decode.beam import BeamDecoder
from asr.decode.decoder import Decoder
from asr.decode.fusion import Fusion
from asr.decode.greedy import GreedyDecoder
from asr.decode.hotwords import Hotwords
from asr.decode.open_vocabulary import TokenDecoder, is_token_model, token_lexicon
from asr.decode.search.settings import BeamConfig
from asr.errors import CheckpointError, ConfigError, TextError
from asr.lm.ngram.kenlm_binary import is_kenlm_binary
from asr.lm.ngram.tables import load_ngram
from asr.lm.open import load_word_model
from asr.lm.word_model import WordModel
from asr.model_package import ModelPackage
from asr.text.lexicon import Lexicon
from asr.text.tokens import Tokens

NONE = "none"
AUTO = "auto"
NEURAL_SHARE = 0.5  # of a neural model in the mixture with the n-gram, where nothing was tuned

TUNED_WITH_NEURAL = (  # settings that a model has tuned twice: as they are, and as neural_… for use with a neural model
    "lm_weight", "word_score", "beam_size", "threshold", "confidence_bias", "confidence_slope", "confidence_evidence",
    "confidence_context", "confidence_entropy",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """What the caller chooses for a search; the rest is the model's own.

    `lexicon`, `lm` and `neural_lm` are a path, "none", or None (or "auto") for the model's own. A model's own neural
    language model belongs to its own lexicon and n-gram: where either is replaced, it is left out.
    """

    lexicon: Lexicon | str | Path | None = None
    lm: str | Path | None = None  # an ARPA file, one in columns (.ngrams), or a KenLM binary
    neural_lm: str | Path | None = None  # folder of an LSTM language model
    neural_share: float | None = None  # of the neural model in the mixture, 0..1; None: as tuned, else a half
    rescore: int = 0  # let it score that many best hypotheses afterwards; 0: it takes part in the search
    hotwords: Hotwords = ()  # phrases to favour
    settings: Mapping[str, float | None] = field(default_factory=dict)  # fields of BeamConfig; None: as tuned
    tuned: bool = True  # start from the settings that the model was tuned to
    greedy: bool = False  # the best path alone, without lexicon and language model

    def __post_init__(self) -> None:
        check_settings(self.settings, search_settings_names())
        for name in ("lexicon", "lm", "neural_lm"):
            chosen = getattr(self, name)
            if not (chosen is None or isinstance(chosen, str | Path | Lexicon)):
                raise ConfigError(f"`{name}` must be a path, not {chosen!r:.60}.")
        share = self.neural_share
        if share is not None and not (isinstance(share, Real) and 0 <= share <= 1):
            raise ConfigError(f"`neural_share` must lie in 0..1, not {share}.")
        check_whole("rescore", self.rescore, 0)


@dataclass(frozen=True)
class SearchParts:
    """What a search is made of, decided but not yet loaded."""

    tokens: Tokens
    lexicon: Lexicon | None
    lm: Path | None
    neural_lm: Path | None
    neural_share: float
    settings: Mapping[str, float]  # fields of BeamConfig
    letter_to_sound: Path | None  # how hotwords are pronounced that the lexicon lacks


def open_decoder(
    model: ModelPackage | Tokens, options: SearchOptions | None = None, *, note: Note | None = None
) -> Decoder:
    """A decoder for a model's log-probabilities: a beam search where there is a lexicon or an n-gram, else greedy.

    model: a model's package, or the tokens of log-probabilities of any origin. Without a lexicon the n-gram's words are
    spelled in characters or subwords; where its words are the tokens themselves, the vocabulary is open.

    Raises ConfigError for settings that do not exist or choices that exclude each other, TextError or CheckpointError
    for files that cannot be used.
    """
    options = options or SearchOptions()
    parts = choose_parts(model, options)
    if parts.lexicon is None and parts.lm is None:
        return _greedy(parts, options, note)

    if parts.lm is not None and is_kenlm_binary(parts.lm):
        return _with_kenlm_binary(parts, options, note)
    return _with_ngram(parts, options, note)


def choose_parts(model: ModelPackage | Tokens, options: SearchOptions) -> SearchParts:
    """The lexicon, language models and settings of a search.

    Raises CheckpointError for a model folder whose tuned settings have unknown names or whose files are missing, or
    for a neural language model that does not exist.
    """
    package = model if isinstance(model, ModelPackage) else None
    tokens = model.tokens if isinstance(model, ModelPackage) else model
    lexicon = None if options.greedy else choose_lexicon(package, options.lexicon)
    own_lm = package.lm_path if package is not None else None
    lm = None if options.greedy else _choose_path(options.lm, own_lm)
    if _is_own(options.neural_lm):
        whole = not options.greedy and _is_own(options.lm) and _is_own(options.lexicon)
        neural = package.neural_lm_path if package is not None and whole else None
    else:
        neural = _choose_path(options.neural_lm, None)
    if neural is not None and not neural.exists():
        raise CheckpointError(f"there is no neural language model at '{neural}'; check the path.")
    if neural is None and (options.rescore or options.neural_share is not None):
        name = "rescore" if options.rescore else "neural_share"
        raise ConfigError(f"`{name}` needs a neural language model, and there is none: give a `neural_lm`.")
    tuned = _tuned_settings(package, neural is not None) if package is not None and options.tuned else {}
    share = options.neural_share if options.neural_share is not None else tuned.get("neural_share", NEURAL_SHARE)
    fields = search_settings_names()
    chosen = {name: value for name, value in options.settings.items() if value is not None}
    settings = {name: value for name, value in tuned.items() if name in fields} | chosen
    sound = package.letter_to_sound_path if package is not None else None
    return SearchParts(tokens, lexicon, lm, neural, share, settings, sound)


def choose_lexicon(package: ModelPackage | None, chosen: Lexicon | str | Path | None = None) -> Lexicon | None:
    """The lexicon chosen, or the package's own. It is read when it is first used."""
    if isinstance(chosen, Lexicon):
        return chosen
    if _is_own(chosen):
        return package.lexicon if package is not None else None
    path = _choose_path(chosen, None)
    return None if path is None else Lexicon.later(path)


def open_neural_lm(path: str | Path) -> WordModel:
    """A language model for fusion. Raises TextError or CheckpointError."""
    return load_word_model(path, quick=True)


def search_settings_names() -> Collection[str]:
    """The names of the settings of a search, the fields of `BeamConfig`."""
    return [entry.name for entry in dataclasses.fields(BeamConfig)]


def tuned_settings_names() -> Collection[str]:
    """The names of the settings that a model may have been tuned to."""
    return [*search_settings_names(), *(f"neural_{name}" for name in TUNED_WITH_NEURAL), "neural_share"]


def check_settings(settings: Mapping[str, object], names: Collection[str]) -> None:
    """Raise ConfigError for a setting that is not among `names`, with the nearest that is."""
    for name in settings:
        if name not in names:
            from difflib import get_close_matches

            near = get_close_matches(name, names, 1, 0.5)
            hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(names)}."
            raise ConfigError(f"the search has no setting '{name}'; {hint}")


def _is_own(chosen: object) -> bool:
    """Whether the caller left a choice to the model."""
    return chosen is None or chosen == AUTO


def _choose_path(chosen: str | Path | None, own: Path | None) -> Path | None:
    if _is_own(chosen):
        return own
    assert chosen is not None
    return None if str(chosen) == NONE else Path(chosen)


def _tuned_settings(package: ModelPackage, neural: bool) -> dict[str, float]:
    """The settings that a model was tuned to, those for a neural language model in their place if one is used."""
    try:
        check_settings(package.search, tuned_settings_names())
    except ConfigError as error:
        raise CheckpointError(f"{package.folder / 'config.json'}: {error}") from None
    tuned = dict(package.search)
    if neural:
        tuned |= {name: tuned[f"neural_{name}"] for name in TUNED_WITH_NEURAL if f"neural_{name}" in tuned}
    return tuned


def _greedy(parts: SearchParts, options: SearchOptions, note: Note | None) -> Decoder:
    if parts.neural_lm is not None or options.hotwords:
        raise ConfigError("neural language models and hotwords need a search: give a `lexicon` or an `lm`.")
    ignored = [name for name, value in options.settings.items() if value is not None]
    if ignored and note is not None:
        note(f"without lexicon and language model the best path is taken: {', '.join(ignored)} has no effect")
    return GreedyDecoder(parts.tokens, _config(parts))


def _with_ngram(parts: SearchParts, options: SearchOptions, note: Note | None) -> Decoder:
    """A search over a lexicon, or over what an n-gram model knows."""
    ngram = load_ngram(parts.lm) if parts.lm is not None else None
    if parts.lexicon is None and ngram is not None and is_token_model(ngram, parts.tokens):
        if parts.neural_lm is not None:
            raise ConfigError(
                f"{parts.lm} is a model over tokens, with which neural language models cannot be used; "
                "give one over words, or a `lexicon`."
            )
        opened = TokenDecoder(BeamDecoder(parts.tokens, token_lexicon(parts.tokens), ngram, _config(parts)))
        return opened.with_hotwords(options.hotwords) if options.hotwords else opened
    lexicon = parts.lexicon
    if lexicon is None:
        assert ngram is not None
        said = (word for word in ngram.words if not word.startswith("<"))
        lexicon = spelled_words(said, parts.tokens, str(parts.lm), note)
    decoder = BeamDecoder(parts.tokens, lexicon, ngram, _config(parts), parts.letter_to_sound)
    if options.hotwords:
        decoder = decoder.with_hotwords(options.hotwords)
    if parts.neural_lm is None:
        return decoder
    fusion = Fusion(open_neural_lm(parts.neural_lm), parts.neural_share)
    return decoder.with_rescoring(fusion, options.rescore) if options.rescore else decoder.with_fusion(fusion)


def _with_kenlm_binary(parts: SearchParts, options: SearchOptions, note: Note | None) -> Decoder:
    """A search that asks a KenLM binary word by word, since such a file cannot list its words."""
    assert parts.lm is not None
    if parts.lexicon is None:
        raise TextError("a KenLM binary cannot list its words: give a lexicon, or the ARPA file.")
    if parts.neural_lm is not None:
        raise ConfigError("a KenLM binary takes the place of a neural model in the search; give the ARPA file.")
    if note is not None:
        note(f"{parts.lm} is a KenLM binary, asked word by word: slower than its ARPA file, and without look-ahead")
    decoder = BeamDecoder(parts.tokens, parts.lexicon, None, _config(parts), parts.letter_to_sound)
    if options.hotwords:
        decoder = decoder.with_hotwords(options.hotwords)
    return decoder.with_fusion(Fusion(load_word_model(str(parts.lm), score_unknown=True), 1.0, every=1))


def spelled_words(words: Iterable[str], tokens: Tokens, source: str, note: Note | None = None) -> Lexicon:
    """Words spelled in characters or subwords; `note` is told how many cannot be. source: of the words, for messages.

    Raises TextError where no word can be spelled.
    """
    if not tokens.spells_words:
        raise TextError("these tokens are phones: a lexicon must say how words are spelled in them.")
    wanted = list(dict.fromkeys(words))
    for word in wanted:
        if not isinstance(word, str):
            raise TextError(f"a word of {source} is no text, but {word!r:.60}.")
    wanted = [word for word in wanted if word.strip()]  # the last line of a list is often empty
    lexicon = Lexicon.of_characters(wanted, tokens)
    if not len(lexicon):
        raise TextError(f"no word of {source} can be spelled in the tokens; is it in another case?")
    if len(lexicon) < len(wanted) and note is not None:
        missing = next(word for word in wanted if word not in lexicon.spellings)
        note(
            f"{len(wanted) - len(lexicon)} of {len(wanted)} words of {source} cannot be spelled in the tokens and are "
            f"left out, such as '{missing}'"
        )
    return lexicon


def _config(parts: SearchParts) -> BeamConfig:
    """The settings of a search. Raises ConfigError for impossible values."""
    return BeamConfig().changed(dict(parts.settings))
