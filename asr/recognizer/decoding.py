"""Building a decoder for a model: which lexicon, which language model, which settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from asr.decode.beam import BeamConfig, BeamDecoder
from asr.decode.decoder import Decoder
from asr.decode.fusion import Fusion
from asr.decode.greedy import GreedyDecoder
from asr.decode.open_vocabulary import TokenDecoder, is_token_model, token_lexicon
from asr.errors import ConfigError, TextError
from asr.lm.kenlm_binary import is_kenlm_binary
from asr.lm.ngram_tables import load_ngram
from asr.lm.word_model import VocabularyModel, load_word_model
from asr.recognizer.shipped import NEURAL_LM_FOLDER
from asr.text.lexicon import Lexicon
from asr.text.tokens import Tokens

NO_LM = "none"
AUTO = "auto"
NEURAL_SHARE = 0.5

Announce = Callable[[str], None]


@dataclass(frozen=True)
class Extras:
    """What may join the search: a neural language model, and phrases to favour."""

    neural_lm: str | Path | None = AUTO  # folder of an LSTM language model; AUTO: what `resolved` finds; None: none
    share: float | None = None  # of the neural model in the mixture with the n-gram; None: as tuned, else a half
    rescore: int = 0  # let it score that many best hypotheses afterwards; 0: it takes part in the search
    hotwords: Mapping[str, float] = field(default_factory=dict)  # phrases and what each adds, in nats

    def resolved(self, model: Path | None) -> Extras:
        """With AUTO replaced by the LSTM in a model's folder; by None where it has none, or there is no model."""
        if self.neural_lm != AUTO:
            return self
        own = None if model is None else model / NEURAL_LM_FOLDER
        return replace(self, neural_lm=own if own is not None and own.is_dir() else None)


TUNED_ANEW = (  # for a search that a neural language model joins
    "lm_weight", "word_score", "beam_size", "threshold", "confidence_bias", "confidence_slope", "confidence_evidence",
)  # fmt: skip


def search_settings(tuned: dict[str, Any], chosen: dict[str, Any], extras: Extras | None = None) -> dict[str, Any]:
    """A model's tuned settings (those for a neural language model, if one joins), under those that were chosen."""
    found = dict(tuned)
    if extras is not None and extras.neural_lm not in (None, AUTO):
        found |= {name: tuned[f"neural_{name}"] for name in TUNED_ANEW if f"neural_{name}" in tuned}
    return found | {name: value for name, value in chosen.items() if value is not None}


def load_neural_lm(folder: str | Path) -> VocabularyModel:
    """A word model for the search. Raises TextError or CheckpointError."""
    return load_word_model(folder, quick=True)


def make_decoder(
    tokens: Tokens,
    lexicon: Lexicon | None = None,
    lm: str | Path | None = None,
    settings: dict[str, Any] | None = None,
    announce: Announce | None = None,
    extras: Extras | None = None,
) -> Decoder:
    """A decoder for token log-probabilities: a beam search where there is a lexicon or a language model, else greedy.

    lm: an ARPA file, a KenLM binary, or None. Without a lexicon the language model's own words are spelled in
    characters or subwords; if its words are the tokens themselves, the vocabulary is open. settings: values of
    BeamConfig that differ from its defaults. Raises TextError, CheckpointError or ConfigError if the parts do not fit.
    """
    extras = (extras or Extras()).resolved(None)
    if lexicon is None and lm is None:
        if extras.neural_lm is not None or extras.hotwords:
            raise ConfigError("neural language models and hotwords need the beam search: give a lexicon.")
        return GreedyDecoder(tokens)
    binary = lm is not None and is_kenlm_binary(Path(lm))
    model = load_ngram(lm) if lm is not None and not binary else None
    of_tokens = lexicon is None and model is not None and is_token_model(model, tokens)
    if of_tokens:
        lexicon = token_lexicon(tokens)
    elif lexicon is None and model is not None:
        if tokens.kind == "phones":
            raise TextError("these tokens are phones: a lexicon must say how words are spelled in them.")
        lexicon = Lexicon.of_characters((word for word in model.words if not word.startswith("<")), tokens)
        if not len(lexicon):
            raise TextError(f"no word of {lm} can be spelled in the tokens; is it in another case?")
    if lexicon is None:
        raise TextError("a KenLM binary cannot list its words: give a lexicon, or the ARPA file.")
    known = {field.name for field in dataclasses.fields(BeamConfig)}
    config = BeamConfig(**{key: value for key, value in (settings or {}).items() if key in known and value is not None})
    decoder = BeamDecoder(tokens, lexicon, model, config)
    if of_tokens:
        if extras.neural_lm is not None:
            raise ConfigError("a neural language model of words cannot join an n-gram of tokens: give a lexicon.")
        return TokenDecoder(decoder).with_hotwords(extras.hotwords)
    if extras.hotwords:
        decoder = decoder.with_hotwords(extras.hotwords)
    if binary:
        if extras.neural_lm is not None:
            raise ConfigError("a KenLM binary takes the place of a neural model in the search; give the ARPA file.")
        if announce is not None:
            announce(f"{lm} is a KenLM binary, asked word by word: slower than its ARPA file, and without look-ahead.")
        return decoder.with_fusion(Fusion(load_word_model(str(lm)), 1.0, every=1))
    if extras.neural_lm is None:
        return decoder
    share = extras.share if extras.share is not None else (settings or {}).get("neural_share", NEURAL_SHARE)
    fusion = Fusion(load_neural_lm(extras.neural_lm), share)
    return decoder.with_rescoring(fusion, extras.rescore) if extras.rescore else decoder.with_fusion(fusion)
