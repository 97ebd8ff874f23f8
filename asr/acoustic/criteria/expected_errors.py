"""Training for fewer word errors: the expected number of them over the best hypotheses of the search.

Prabhavalkar et al. 2018, "Minimum word error rate training for attention-based sequence-to-sequence models", for CTC:
the beam search proposes hypotheses, each is weighed by its share in the sum of their probabilities (CTC's of its
tokens, and the language model's as the search has them), and the loss is the weighted mean of their word errors. Its
gradient is that of REINFORCE (Williams 1992) over those hypotheses with the mean as baseline: what has fewer errors
than the mean becomes likelier.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from asr.acoustic.criteria.base import Items, LogProbs, Outputs
from asr.acoustic.criteria.crf import CtcCrf
from asr.acoustic.criteria.ctc import ctc_losses
from asr.acoustic.evaluate import search_figures
from asr.decode.beam import BeamDecoder
from asr.score.edit_distance import align


class ExpectedErrors:
    """Word errors expected over the `hypotheses` best of a decoder.

    scale: of the hypotheses' scores before the softmax that gives their shares; below 1 the shares are more even.
    """

    def __init__(self, decoder: BeamDecoder, hypotheses: int = 8, scale: float = 0.5) -> None:
        self.decoder, self.hypotheses, self.scale = decoder, hypotheses, scale

    def __call__(self, log_probs: Tensor, lengths: Tensor, references: Sequence[Sequence[str]]) -> Tensor:
        """Expected word errors of each utterance (batch,), with their gradient.

        log_probs: (batch, frames, tokens); lengths: (batch,) in frames; references: words.
        """
        rows, tokens, others, errors = [], [], [], []
        arrays = log_probs.detach().float().cpu().numpy()
        for row, (array, length, words) in enumerate(zip(arrays, lengths.tolist(), references, strict=True)):
            nbest = [hyp for hyp in self.decoder.decode(array[:length], self.hypotheses) if hyp.words]
            texts = [[word.word for word in hyp.words] for hyp in nbest]
            errors += [float(alignment.counts.errors) for alignment in align([list(words)] * len(nbest), texts)]
            rows += [row] * len(nbest)
            tokens += [[token for word in hyp.words for token, _ in word.tokens] for hyp in nbest]
            others += [hyp.score - hyp.acoustic_score for hyp in nbest]
        place = torch.tensor(rows, dtype=torch.long, device=log_probs.device)
        if rows:
            acoustic = -ctc_losses(log_probs[place], lengths[place.to(lengths.device)], tokens)
            scores = self.scale * (acoustic + log_probs.new_tensor(others))
        word_errors = log_probs.new_tensor(errors)
        expected = [log_probs.new_tensor(float(len(words))) for words in references]  # an empty one misses all words
        for row in set(rows):
            expected[row] = scores[place == row].softmax(dim=0) @ word_errors[place == row]
        return torch.stack(expected)


class MinimumWordErrors:
    """Expected errors per word, and a share of CTC-CRF; validated by the word error rate of its search."""

    metric, views = "wer", 1

    def __init__(self, expected: ExpectedErrors, crf: CtcCrf, crf_share: float) -> None:
        self._expected, self._crf, self._crf_share = expected, crf, crf_share

    def loss(self, outputs: Outputs) -> tuple[Tensor, dict[str, float]]:
        crf, figures = self._crf.loss(outputs)
        errors = self._expected(outputs.log_probs, outputs.lengths, outputs.words).sum()
        words = float(sum(map(len, outputs.words)))
        figures |= {"expected_errors": float(errors.detach()), "words": words}
        return errors / max(1.0, words) + self._crf_share * crf, figures

    def validate(self, log_probs: LogProbs, dev: Items, device: torch.device) -> dict[str, float]:
        figures = search_figures(log_probs, dev, self._expected.decoder)
        return figures | self._crf.dev_loss(log_probs, dev, device)
