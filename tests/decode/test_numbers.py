"""Numbers that a search cannot count with are refused where they come from, and never come back as scores."""

from __future__ import annotations

import math

import numpy as np
import pytest

from asr.decode.beam import BeamConfig, BeamDecoder
from asr.decode.greedy import GreedyDecoder
from asr.errors import ConfigError, TextError
from asr.lm.ngram.tables import load_ngram
from asr.text.lexicon import Lexicon
from asr.text.tokens import Tokens

TOKENS = Tokens.characters("abcd")
LEXICON = Lexicon.of_characters(["a", "cab", "bad", "dab"], TOKENS)
LOG_PROBS = np.log(np.random.default_rng(0).dirichlet(np.full(len(TOKENS), 0.3), 50)).astype(np.float32)

SPELLED = [TOKENS.ids[token] for token in "cab|" * 20 + "bad|"]
WORDS = np.log(np.full((len(SPELLED), len(TOKENS)), 0.01))  # says "cab" twenty times, then "bad"
WORDS[np.arange(len(SPELLED)), SPELLED] = math.log(1 - 0.01 * (len(TOKENS) - 1))


@pytest.mark.parametrize("decoder", [BeamDecoder(TOKENS, LEXICON), GreedyDecoder(TOKENS)])
def test_a_frame_in_which_nothing_is_possible_is_named(decoder):
    values = LOG_PROBS.copy()
    values[7] = -np.inf
    with pytest.raises(TextError, match="u-1: in frame 7"):
        decoder.decode(values, name="u-1")


@pytest.mark.parametrize("boost", [800.0, 1e308, math.inf, -math.inf, math.nan])
def test_boosts_of_hotwords_must_be_numbers_of_a_size(boost):
    with pytest.raises(ConfigError, match="hotword 'cab'"):
        BeamDecoder(TOKENS, LEXICON).with_hotwords({"cab": boost})


def test_boosts_up_to_the_limit_and_nested_phrases_give_numbers():
    phrases = {"cab " * length + "bad": 100.0 for length in range(20)}
    for favoured in (phrases, {"cab": 100.0, "bad": -100.0}):  # 20 phrases that end at once may win 2,000 nats
        (hypothesis,) = BeamDecoder(TOKENS, LEXICON).with_hotwords(favoured).decode(WORDS)
        assert math.isfinite(hypothesis.score)
        assert all(0 <= word.confidence <= 1 for word in hypothesis.words)


@pytest.mark.parametrize(
    "setting",
    [{"word_score": 1000.0}, {"word_score": math.nan}, {"lm_weight": math.inf}, {"lm_weight": -1.0},
     {"beam_size": 10**12}, {"beam_size": 0}, {"threshold": math.nan}, {"confidence_slope": math.nan},
     {"unknown_score": math.inf}, {"letter_score": 1e300}],
)  # fmt: skip
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(ConfigError):
        BeamConfig(**setting)


ARPA = """\\data\\
ngram 1=4
ngram 2=1

\\1-grams:
{0}\t<s>\t-0.5
{1}\t</s>
{2}\tcab\t{3}
-1\tbad

\\2-grams:
-0.3\t<s> cab

\\end\\
"""


def _model(tmp_path, value: str, place: int):
    values = ["-1"] * 4
    values[place] = value
    (tmp_path / "a.arpa").write_text(ARPA.format(*values))
    return load_ngram(tmp_path / "a.arpa")


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("value", ["800", "inf", "1e30", "nan"])
def test_values_that_no_language_model_has_are_named(tmp_path, value, place):
    with pytest.raises(TextError, match="1-gram"):
        _model(tmp_path, value, place)


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("value", ["-inf", "-1e30", "-99"])
def test_impossible_words_of_a_language_model_give_numbers(tmp_path, value, place):
    decoder = BeamDecoder(TOKENS, LEXICON, _model(tmp_path, value, place))
    for hypothesis in decoder.decode(LOG_PROBS, 3):
        assert math.isfinite(hypothesis.score)
        assert all(0 <= word.confidence <= 1 for word in hypothesis.words)
