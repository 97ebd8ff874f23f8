"""Training for fewer word errors: the expected number of them over the best hypotheses of the search.

Prabhavalkar et al. 2018, "Minimum word error rate training for attention-based sequence-to-sequence models", for CTC:
the beam search proposes hypotheses, each is weighed by its share in the sum of their probabilities (CTC's of its
tokens, and the language model's as the search has them), and the loss is the weighted mean of their word errors. Its
gradient is that of REINFORCE (Williams 1992) over those hypotheses with the mean as baseline: what has fewer errors
than the mean becomes likelier.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from asr.decode.beam import BeamDecoder
from asr.score.edit_distance import align

Losses = Callable[[Tensor, Tensor, list[list[int]]], Tensor]  # log-probs, lengths, tokens -> -ln P of each row


class ExpectedErrors:
    """Word errors expected over the `hypotheses` best of a decoder.

    scale: of the hypotheses' scores before their shares are taken; below 1 they are more even, and more of them teach.
    """

    def __init__(self, decoder: BeamDecoder, ctc_losses: Losses, hypotheses: int = 8, scale: float = 0.5) -> None:
        self.decoder, self._losses, self.hypotheses, self.scale = decoder, ctc_losses, hypotheses, scale

    def __call__(self, log_probs: Tensor, lengths: Tensor, references: Sequence[Sequence[str]]) -> Tensor:
        """Expected word errors of each utterance (batch,), with their gradient.

        log_probs: (batch, frames, tokens); lengths: (batch,) in frames; references: words.
        """
        rows, tokens, others, errors = [], [], [], []
        arrays = log_probs.detach().float().cpu().numpy()
        for row, (array, length, words) in enumerate(zip(arrays, lengths.tolist(), references, strict=True)):
            found = [hyp for hyp in self.decoder.decode(array[:length], self.hypotheses) if hyp.words]
            heard = [[word.word for word in hyp.words] for hyp in found]
            errors += [float(alignment.counts.errors) for alignment in align([list(words)] * len(found), heard)]
            rows += [row] * len(found)
            tokens += [[token for word in hyp.words for token, _ in word.tokens] for hyp in found]
            others += [hyp.score - hyp.acoustic_score for hyp in found]
        place = torch.tensor(rows, dtype=torch.long, device=log_probs.device)
        if rows:
            acoustic = -self._losses(log_probs[place], lengths[place.to(lengths.device)], tokens)
            scores = self.scale * (acoustic + log_probs.new_tensor(others))
        found_errors = log_probs.new_tensor(errors)
        expected = [log_probs.new_tensor(float(len(words))) for words in references]  # of silence: all are missed
        for row in set(rows):
            expected[row] = scores[place == row].softmax(dim=0) @ found_errors[place == row]
        return torch.stack(expected)
