"""CTC-CRF: its sum over all paths, its gradient and its token model against enumeration and the n-gram tables."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from asr.acoustic.criteria.build import build_criterion
from asr.acoustic.criteria.config import CriterionConfig
from asr.acoustic.criteria.crf import TokenTrigrams, _Passes, log_partition
from asr.acoustic.task import CtcTask
from asr.audio.augment import AugmentConfig
from asr.data.config import DataConfig
from asr.data.manifest import Utterance
from asr.errors import ConfigError, TextError
from asr.lm.ngram.kneser_ney import Corpus, estimate
from asr.lm.ngram.tables import build_tables
from tests.conftest import tiny_checkpoint

TOKENS = 4


@pytest.fixture(scope="module")
def sequences():
    random = np.random.default_rng(0)
    return [random.integers(1, TOKENS, size=random.integers(1, 6)).tolist() for _ in range(60)]


@pytest.fixture(scope="module")
def trigrams(sequences):
    return TokenTrigrams.estimate(sequences, TOKENS)


def test_the_token_model_is_the_kneser_ney_trigram(sequences, trigrams):
    model = build_tables(estimate(Corpus(" ".join(map(str, ids)) for ids in sequences), 3))
    for ids in [*sequences[:20], [1], [3, 3, 3, 1], [2, 1, 2, 1]]:
        expected = sum(model.score_sentence([str(token) for token in ids]))
        assert trigrams.log_prob(ids) == pytest.approx(expected, abs=1e-5)
    mass = trigrams.following.sum(dim=2) + trigrams.ends
    assert float(mass.max()) < 1.0  # the rest is the unknown token's
    assert float(mass.min()) > 0.97
    assert float(trigrams.following[:, :, 0].max()) == 0.0


def test_tokens_that_never_occur_and_no_tokens_at_all():
    found = TokenTrigrams.estimate([[1, 2], [2, 1]], 5)
    model = build_tables(estimate(Corpus(["1 2", "2 1"]), 3))
    for ids in ([4], [4, 1], [1, 4, 3, 2]):
        unknown = [str(token) if token < 3 else "<unk>" for token in ids]
        shared = sum(token > 2 for token in ids) * np.log(2)
        assert found.log_prob(ids) == pytest.approx(sum(model.score_sentence(unknown)) - shared, abs=1e-5)
    assert torch.allclose(found.following.sum(dim=2) + found.ends, torch.ones(5, 5, dtype=torch.float64), atol=1e-6)
    with pytest.raises(TextError, match="no word"):
        TokenTrigrams.estimate([], 5)


def _enumerated(log_probs, trigrams):
    """ln of the sum over every path of a few frames (frames, tokens)."""
    total = torch.zeros((), dtype=log_probs.dtype)
    for path in itertools.product(range(TOKENS), repeat=len(log_probs)):
        tokens = [token for token, _ in itertools.groupby(path) if token]
        score = sum(log_probs[frame, token] for frame, token in enumerate(path))
        total = total + torch.exp(score + trigrams.log_prob(tokens))
    return total.log()


def test_the_sum_over_all_paths_and_its_gradient_are_those_of_enumeration(trigrams):
    torch.manual_seed(1)
    log_probs = (2 * torch.randn(5, 3, TOKENS, dtype=torch.float64)).log_softmax(-1).requires_grad_()
    lengths = torch.tensor([5, 3, 1])
    found = log_partition(log_probs, lengths, trigrams)
    expected = torch.stack([_enumerated(log_probs[:n, row], trigrams) for row, n in enumerate(lengths.tolist())])
    assert torch.allclose(found, expected, atol=1e-12)
    weights = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)
    (gradient,) = torch.autograd.grad((found * weights).sum(), log_probs)
    (exact,) = torch.autograd.grad((expected * weights).sum(), log_probs)
    assert torch.allclose(gradient, exact, atol=1e-12)
    assert float(gradient[3:, 1].abs().max()) == 0.0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_compiled_passes_equal_the_plain_ones(dtype):
    random = np.random.default_rng(3)
    tokens = 41
    trigrams = TokenTrigrams.estimate([random.integers(1, tokens, 50).tolist() for _ in range(50)], tokens)
    trigrams = trigrams.to(torch.device("cpu"), dtype)
    torch.manual_seed(3)
    log_probs = (4 * torch.randn(60, 3, tokens, dtype=dtype)).log_softmax(-1).requires_grad_()
    lengths = torch.tensor([60, 41, 1])
    passes = _Passes(log_probs.detach().exp(), lengths, trigrams)
    expected, expectations = passes.forward(), passes.expectations()
    found = log_partition(log_probs, lengths, trigrams)
    found.sum().backward()
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    assert torch.allclose(found, expected, rtol=tolerance)
    assert torch.allclose(log_probs.grad, expectations, atol=tolerance)


KERNELS = """
import numpy as np, torch
from asr.acoustic.criteria.crf import TokenTrigrams, _Passes
from asr.acoustic.criteria.crf_gpu import log_partition_and_expectations

for tokens, sharpness in ((5, 1.0), (41, 2.0), (41, 30.0)):
    random = np.random.default_rng(4)
    sequences = [random.integers(1, tokens, 30).tolist() for _ in range(50)]
    trigrams = TokenTrigrams.estimate(sequences, tokens).to(torch.device("cpu"), torch.float32)
    torch.manual_seed(4)
    probs = (sharpness * torch.randn(20, 3, tokens)).softmax(-1)
    lengths = torch.tensor([20, 13, 1])
    passes = _Passes(probs.double(), lengths, trigrams.to(torch.device("cpu"), torch.float64))
    expected, expectations = passes.forward(), passes.expectations()
    found = log_partition_and_expectations(probs, lengths, trigrams.following, trigrams.ends, True)
    assert torch.allclose(found[0].double(), expected, rtol=1e-5), (tokens, found[0], expected)
    assert torch.allclose(found[1].double(), expectations, atol=1e-5), tokens
    alone, _ = log_partition_and_expectations(probs, lengths, trigrams.following, trigrams.ends, False)
    assert torch.equal(alone, found[0])
print("equal")
"""


def test_kernels_of_a_gpu_equal_the_plain_passes():
    pytest.importorskip("triton", reason="torch brings Triton on Linux only")
    # Triton decides at import whether it compiles or interprets: a process of its own
    run = subprocess.run(
        [sys.executable, "-c", KERNELS], env=os.environ | {"TRITON_INTERPRET": "1"}, capture_output=True, text=True
    )
    assert run.stdout == "equal\n", run.stderr[-2000:]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same_sums_and_gradient():
    random = np.random.default_rng(6)
    tokens = 41
    trigrams = TokenTrigrams.estimate([random.integers(1, tokens, 60).tolist() for _ in range(200)], tokens)
    torch.manual_seed(6)
    log_probs = (2 * torch.randn(200, 4, tokens)).log_softmax(-1)
    lengths = torch.tensor([200, 180, 3, 1])
    found = []
    for device in (torch.device("cpu"), torch.device("cuda")):
        inputs = log_probs.detach().to(device).requires_grad_()
        sums = log_partition(inputs, lengths, trigrams.to(device, torch.float32))
        sums.sum().backward()
        found.append((sums.detach().cpu(), inputs.grad.cpu()))
    assert torch.allclose(found[0][0], found[1][0], rtol=1e-5)
    assert torch.allclose(found[0][1], found[1][1], atol=1e-5)


def test_single_precision_holds_over_a_long_utterance(trigrams):
    torch.manual_seed(2)
    log_probs = (6 * torch.randn(800, 1, TOKENS, dtype=torch.float64)).log_softmax(-1)
    exact = log_partition(log_probs, torch.tensor([800]), trigrams)
    single = log_partition(log_probs.float(), torch.tensor([800]), trigrams.to(torch.device("cpu"), torch.float32))
    assert float(single) == pytest.approx(float(exact), rel=1e-5)


def test_the_loss_is_minus_the_log_of_the_references_share(make_wav):
    checkpoint = tiny_checkpoint()
    texts = ["cab", "a bad cab"]
    items = [
        (Utterance(str(n), str(make_wav(f"{n}.wav", 1.0)), 1.0, text), checkpoint.tokens.encode(text))
        for n, text in enumerate(texts)
    ]
    plain = AugmentConfig(speeds=(), freq_masks=0, time_masks_per_second=0)

    def loss(criterion, epoch=0):
        built = build_criterion(criterion, checkpoint.tokens, None, items)
        task = CtcTask(checkpoint.model, items, items, DataConfig(), plain, built)
        task.model.eval()
        found, figures = task.loss(task.prepare([0, 1], epoch, torch.device("cpu")))
        return float(found.detach()), figures, task.validate(torch.device("cpu"))

    ctc, _, dev = loss(CriterionConfig())
    assert set(dev) == {"ter", "wer"}
    alone, figures, dev = loss(CriterionConfig("crf", 0.0))
    both, _, _ = loss(CriterionConfig("crf", 0.5))
    assert dev["crf"] == pytest.approx(alone, abs=1e-4)
    assert figures["ctc"] == pytest.approx(ctc, rel=1e-5)
    assert both == pytest.approx(alone + 0.5 * ctc, rel=1e-4)
    assert alone > 0  # a share is below 1
    assert loss(CriterionConfig("crf", 0.0, ctc_epochs=2), epoch=1)[0] == pytest.approx(ctc, rel=1e-5)
    assert loss(CriterionConfig("crf", 0.0, ctc_epochs=2), epoch=2)[0] == pytest.approx(alone, rel=1e-5)
    with pytest.raises(ConfigError, match="ctc, crf or mwer"):
        CriterionConfig("mmi")
