"""Expected word errors: against finite differences, and what training on them does."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from asr.acoustic.criteria.base import Outputs
from asr.acoustic.criteria.crf import CtcCrf, TokenTrigrams
from asr.acoustic.criteria.ctc import Ctc, CtcFirst, ctc_losses
from asr.acoustic.criteria.expected_errors import ExpectedErrors, MinimumWordErrors
from asr.data.manifest import Utterance
from asr.decode.beam import BeamConfig, BeamDecoder
from asr.lm.ngram.arpa import ArpaModel
from asr.lm.ngram.tables import build_tables
from asr.text.lexicon import Lexicon
from asr.text.tokens import Tokens

TOKENS = Tokens.characters("abc")
WORDS = ["a", "b", "ab", "ba", "c"]


@pytest.fixture
def decoder():
    names = ["<s>", "</s>", *WORDS]
    scores = np.log(np.array([1e-9, 0.2, 0.3, 0.1, 0.2, 0.1, 0.1])).astype(np.float32)
    grams = np.arange(len(names), dtype=np.int32)[:, None]
    lm = build_tables(ArpaModel(names, [grams], [scores], [np.zeros(len(names), np.float32)]), "test")
    return BeamDecoder(TOKENS, Lexicon.of_characters(WORDS, TOKENS), lm, BeamConfig(beam_size=50, threshold=100.0))


def _log_probs(seed, frames=8, batch=2):
    torch.manual_seed(seed)
    return (1.5 * torch.randn(batch, frames, len(TOKENS))).log_softmax(-1)


def test_the_value_is_the_weighed_mean_of_errors(decoder):
    log_probs, lengths = _log_probs(0), torch.tensor([8, 6])
    references = [["ab", "c"], ["ba"]]
    found = ExpectedErrors(decoder, 4, 0.5)(log_probs, lengths, references)
    for row, (length, words) in enumerate(zip(lengths.tolist(), references, strict=True)):
        hypotheses = [hyp for hyp in decoder.decode(log_probs[row, :length].numpy(), 4) if hyp.words]
        scores, errors = [], []
        for hyp in hypotheses:
            tokens = [token for word in hyp.words for token, _ in word.tokens]
            acoustic = -float(ctc_losses(log_probs[row : row + 1, :length], lengths[row : row + 1], [tokens])[0])
            scores.append(0.5 * (acoustic + hyp.lm_score + hyp.word_score))
            errors.append(_edits(words, [word.word for word in hyp.words]))
        shares = np.exp(np.array(scores) - np.max(scores))
        assert float(found[row]) == pytest.approx(float(shares / shares.sum() @ np.array(errors)), rel=1e-4)


def _edits(left, right):
    """Levenshtein's distance, by its recurrence."""
    if not left or not right:
        return len(left) + len(right)
    return min(
        _edits(left[1:], right) + 1, _edits(left, right[1:]) + 1, _edits(left[1:], right[1:]) + (left[0] != right[0])
    )


def test_the_gradient_is_that_of_finite_differences(decoder):
    logits = torch.randn(1, 7, len(TOKENS), generator=torch.Generator().manual_seed(5)).requires_grad_()
    lengths, references = torch.tensor([7]), [["a", "ba"]]
    criterion = ExpectedErrors(decoder, 5)

    def value(values):
        return criterion(values.log_softmax(-1), lengths, references).sum()

    (gradient,) = torch.autograd.grad(value(logits), logits)
    for frame, token in ((0, 1), (3, 2), (6, 0)):
        moved = [logits.detach().clone() for _ in range(2)]
        moved[0][0, frame, token] += 1e-2
        moved[1][0, frame, token] -= 1e-2
        slope = float(value(moved[0]) - value(moved[1])) / 2e-2
        assert float(gradient[0, frame, token]) == pytest.approx(slope, abs=2e-3)
    assert float(gradient.abs().max()) > 1e-2


def test_steps_along_the_gradient_bring_fewer_errors(decoder):
    logits = torch.randn(3, 8, len(TOKENS), generator=torch.Generator().manual_seed(2)).requires_grad_()
    lengths, references = torch.full((3,), 8), [["ab", "c"], ["c", "a"], ["ba"]]
    criterion = ExpectedErrors(decoder)
    optimizer = torch.optim.Adam([logits], lr=0.1)
    values = []
    for _ in range(60):
        loss = criterion(logits.log_softmax(-1), lengths, references).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(float(loss.detach()))
    assert values[-1] < 0.2 * values[0]


def test_an_utterance_without_hypotheses_misses_all_its_words(decoder):
    log_probs = torch.full((2, 3, len(TOKENS)), -20.0)
    log_probs[:, :, 0] = 0.0  # blanks
    log_probs[1] = _log_probs(3, 3, 1)[0]
    log_probs.requires_grad_()
    found = ExpectedErrors(decoder)(log_probs, torch.tensor([3, 3]), [["a", "b"], ["a"]])
    found.sum().backward()
    assert torch.isfinite(log_probs.grad).all()
    assert float(found[0].detach()) <= 2.0


def test_minimum_word_errors_adds_a_share_of_ctc_crf_and_is_judged_by_its_search(decoder):
    log_probs, lengths = _log_probs(4), torch.tensor([8, 6])
    targets = [TOKENS.encode("ab c"), TOKENS.encode("ba")]
    outputs = Outputs(log_probs, lengths, targets, [["ab", "c"], ["ba"]], epoch=0)
    crf = CtcCrf(Ctc(TOKENS), TokenTrigrams.estimate(targets, len(TOKENS)), 0.1)
    expected = ExpectedErrors(decoder)
    criterion = MinimumWordErrors(expected, crf, 0.25)
    loss, figures = criterion.loss(outputs)
    errors = expected(log_probs, lengths, outputs.words).sum()
    assert float(loss) == pytest.approx(float(errors / 3 + 0.25 * crf.loss(outputs)[0]), rel=1e-5)
    assert figures["expected_errors"] == pytest.approx(float(errors))
    assert figures["words"] == 3.0
    dev = [(Utterance("a", "a.wav", 1.0, "ab c"), targets[0]), (Utterance("b", "b.wav", 1.0, "ba"), targets[1])]
    arrays = {"a": log_probs[0].numpy(), "b": log_probs[1, :6].numpy()}
    judged = criterion.validate(arrays, dev, torch.device("cpu"))
    texts = [decoder.decode(arrays[name])[0].text.split() for name in "ab"]
    wrong = sum(_edits(list(reference), text) for reference, text in zip(outputs.words, texts, strict=True))
    assert judged[criterion.metric] == pytest.approx(wrong / 3, abs=1e-4)
    assert set(judged) == {"wer", "crf"}
    first = CtcFirst(Ctc(TOKENS), criterion, 1)
    assert first.metric == "wer"
    assert float(first.loss(outputs)[0]) == pytest.approx(float(Ctc(TOKENS).loss(outputs)[0]))
    assert float(first.loss(dataclasses.replace(outputs, epoch=1))[0]) == pytest.approx(float(loss))
