"""The criterion that a configuration asks for."""

from __future__ import annotations

from asr.acoustic.criteria.base import Criterion, Items
from asr.acoustic.criteria.config import CriterionConfig
from asr.acoustic.criteria.consistency import Consistency
from asr.acoustic.criteria.crf import CtcCrf, TokenTrigrams
from asr.acoustic.criteria.ctc import Ctc, CtcFirst
from asr.acoustic.criteria.expected_errors import ExpectedErrors, MinimumWordErrors
from asr.decode.beam import BeamConfig, BeamDecoder
from asr.errors import ConfigError
from asr.lm.ngram.tables import load_ngram
from asr.text.lexicon import Lexicon
from asr.text.tokens import Tokens


def build_criterion(config: CriterionConfig, tokens: Tokens, lexicon: Lexicon | None, train: Items) -> Criterion:
    """The criterion of a training run.

    lexicon: what spells the references, None for characters; train: what CTC-CRF's token trigrams are estimated from.
    Raises ConfigError or TextError for parts that are missing or do not fit.
    """
    ctc = Ctc(tokens)
    criterion: Criterion = ctc
    if config.kind != "ctc":
        trigrams = TokenTrigrams.estimate((ids for _, ids in train), len(tokens))
        crf = CtcCrf(ctc, trigrams, config.ctc_share)
        criterion = crf
        if config.kind == "mwer":
            criterion = MinimumWordErrors(_expected_errors(config, tokens, lexicon), crf, config.crf_share)
        if config.ctc_epochs:
            criterion = CtcFirst(ctc, criterion, config.ctc_epochs)
    return Consistency(criterion, config.consistency) if config.consistency else criterion


def _expected_errors(config: CriterionConfig, tokens: Tokens, lexicon: Lexicon | None) -> ExpectedErrors:
    if not config.lm:
        raise ConfigError("criterion.kind = 'mwer' needs criterion.lm, the language model of its search.")
    model = load_ngram(config.lm)
    lexicon = Lexicon.read(config.lexicon) if config.lexicon else lexicon
    if lexicon is None:
        lexicon = Lexicon.of_characters((word for word in model.words if not word.startswith("<")), tokens)
    settings = BeamConfig(config.lm_weight, config.word_score, config.beam_size)
    return ExpectedErrors(BeamDecoder(tokens, lexicon, model, settings), config.hypotheses)
