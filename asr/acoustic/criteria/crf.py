"""CTC-CRF: CTC whose paths are weighed against all paths that a language model of the tokens allows.

Xiang & Ou 2019, "CRF-based single-stage acoustic modeling with CTC topology"; lattice-free MMI (Povey et al. 2016) with
CTC's states. A path p of one token or blank a frame has the score

    sum over frames of ln y(p_t) + ln P_LM(tokens of p)

and the loss of an utterance is minus the log of its reference's paths' share in the sum over all paths:

    -ln P(reference | audio) = CTC loss - ln P_LM(reference) + ln Z

Z is summed by a forward pass over the states (token before last, last token, whether a blank came after it). The
language model is a full trigram, so that one frame is a batch of small matrix products, one for each last token: no
graph. `_Passes` writes them so; `crf_cpu` has the same sums compiled for the CPU, `crf_gpu` for a GPU.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from asr.acoustic.criteria.base import Items, LogProbs, Outputs
from asr.acoustic.criteria.crf_cpu import log_partition_and_expectations
from asr.acoustic.criteria.ctc import Ctc, ctc_losses, frames_needed
from asr.lm.ngram.kneser_ney import BEGIN, END, UNKNOWN, Corpus, estimate

START = 0  # blank's id, in a history: no token yet
ORDER = 3
DEV_BATCH = 32  # utterances of the dev set whose loss is computed at once


@dataclass(frozen=True)
class TokenTrigrams:
    """P(next | before last, last) of tokens, as probabilities; id 0 stands for no token in a history."""

    following: Tensor  # (last, before, next); nothing goes on to id 0
    ends: Tensor  # (last, before): of the end

    @classmethod
    def estimate(cls, sequences: Iterable[Sequence[int]], num_tokens: int) -> TokenTrigrams:
        """Interpolated modified Kneser-Ney of token sequences. Raises TextError if there is none.

        Tokens that never occur share what an unknown one has: a validation set may hold them.
        """
        corpus = Corpus((" ".join(map(str, ids)) for ids in sequences), map(str, range(1, num_tokens)))
        model = estimate(corpus, ORDER)
        places = np.array([_place(word, num_tokens) for word in model.words])
        size = num_tokens + 2  # the last places are the end's and the unknown token's
        unigram, kept = np.full(size, 0.0), np.ones((size, size))
        grams = [places[level] for level in model.grams]
        unigram[grams[0][:, 0]] = np.exp(model.log_probs[0])
        weight = np.ones(size)
        weight[grams[0][:, 0]] = np.exp(model.backoffs[0])
        unigram[START] = 0.0
        absent = START + 1 + np.flatnonzero(unigram[START + 1 : num_tokens] == 0.0)
        unigram[absent] = unigram[num_tokens + 1] / max(1, len(absent))
        bigram = weight[:, None] * unigram[None, :]
        bigram[tuple(grams[1].T)] = np.exp(model.log_probs[1])
        kept[tuple(grams[1].T)] = np.exp(model.backoffs[1])
        trigram = kept[:, :, None] * bigram[None, :, :]  # (before, last, next)
        trigram[tuple(grams[2].T)] = np.exp(model.log_probs[2])
        # A sentence begins with one sign: the first history is that alone, the second (sign, first token).
        trigram[START, START] = bigram[START]
        table = torch.from_numpy(trigram[:num_tokens, :num_tokens]).transpose(0, 1)
        return cls(table[:, :, :num_tokens].contiguous(), table[:, :, num_tokens].contiguous())

    def log_prob(self, ids: Sequence[int]) -> float:
        """Natural log of P(tokens, end)."""
        history = torch.tensor([START, START, *ids], device=self.ends.device)
        steps = self.following[history[1:-1], history[:-2], history[2:]]
        return float(steps.log().sum() + self.ends[history[-1], history[-2]].log())

    def to(self, device: torch.device, dtype: torch.dtype) -> TokenTrigrams:
        """A copy on the given device and dtype."""
        return TokenTrigrams(self.following.to(device, dtype), self.ends.to(device, dtype))


def _place(word: str, num_tokens: int) -> int:
    signs = {BEGIN: START, END: num_tokens, UNKNOWN: num_tokens + 1}
    return signs[word] if word in signs else int(word)


class CtcCrf:
    """CTC-CRF's loss in nats per token, and a share of CTC; validated by its own loss.

    The errors of the best path are no measure of it: it is made to go with a language model.
    """

    metric, views = "crf", 1

    def __init__(self, ctc: Ctc, trigrams: TokenTrigrams, ctc_share: float) -> None:
        self._ctc, self._ctc_share = ctc, ctc_share
        self._trigrams = trigrams  # on the CPU
        self._copy: TokenTrigrams | None = None  # where the model is
        self._reference_log_probs: dict[tuple[int, ...], float] = {}

    def loss(self, outputs: Outputs) -> tuple[Tensor, dict[str, float]]:
        ctc = ctc_losses(outputs.log_probs, outputs.lengths, outputs.targets).sum()
        rivals = self._rivals(outputs.log_probs, outputs.lengths, outputs.targets)
        loss = ((1 + self._ctc_share) * ctc + rivals) / outputs.tokens
        return loss, {"ctc": float(ctc.detach()) / outputs.tokens}

    def validate(self, log_probs: LogProbs, dev: Items, device: torch.device) -> dict[str, float]:
        return self._ctc.validate(log_probs, dev, device) | self.dev_loss(log_probs, dev, device)

    def dev_loss(self, log_probs: LogProbs, dev: Items, device: torch.device) -> dict[str, float]:
        """`crf`: the loss in nats per token over the utterances that have frames enough for their tokens."""
        pairs = [(log_probs[utterance.id], target) for utterance, target in dev if utterance.id in log_probs]
        usable = [pair for pair in pairs if len(pair[0]) >= frames_needed(pair[1])]
        usable.sort(key=lambda pair: len(pair[0]))  # batches of nearly equal lengths
        total = 0.0
        for start in range(0, len(usable), DEV_BATCH):
            rows, targets = zip(*usable[start : start + DEV_BATCH], strict=True)
            padded = pad_sequence([torch.from_numpy(row) for row in rows], batch_first=True).to(device)
            lengths = torch.tensor([len(row) for row in rows])
            total += float(ctc_losses(padded, lengths, targets).sum() + self._rivals(padded, lengths, targets))
        return {"crf": round(total / max(1, sum(len(target) for _, target in usable)), 5)}

    def _rivals(self, log_probs: Tensor, lengths: Tensor, targets: Sequence[list[int]]) -> Tensor:
        """ln Z - ln P_LM(reference), summed over a batch: what CTC-CRF adds to the CTC losses."""
        references = sum(map(self._reference_log_prob, targets))
        trigrams = self._trigrams_like(log_probs)
        return log_partition(log_probs.transpose(0, 1), lengths, trigrams).sum() - references

    def _trigrams_like(self, log_probs: Tensor) -> TokenTrigrams:
        """The trigrams on the device and with the dtype of the log-probabilities."""
        copy = self._copy
        if copy is None or (copy.ends.device, copy.ends.dtype) != (log_probs.device, log_probs.dtype):
            copy = self._copy = self._trigrams.to(log_probs.device, log_probs.dtype)
        return copy

    def _reference_log_prob(self, target: Sequence[int]) -> float:
        """ln P_LM of an utterance's tokens, computed once for each."""
        key = tuple(target)
        if key not in self._reference_log_probs:
            self._reference_log_probs[key] = self._trigrams.log_prob(target)
        return self._reference_log_probs[key]


def log_partition(log_probs: Tensor, lengths: Tensor, trigrams: TokenTrigrams) -> Tensor:
    """ln Z of each utterance (batch,), with its gradient.

    log_probs: (frames, batch, tokens), blank first; lengths: (batch,) in frames, at least 1; all on one device.
    """
    with torch.autocast(log_probs.device.type, enabled=False):  # bf16 is too coarse for sums over hundreds of frames
        result: Tensor = _LogPartition.apply(log_probs, lengths, trigrams)  # type: ignore[no-untyped-call]
    return result


class _LogPartition(torch.autograd.Function):
    """The gradient of ln Z by a frame's log-probabilities is how often each token is expected there."""

    @staticmethod
    def forward(ctx: Any, log_probs: Tensor, lengths: Tensor, trigrams: TokenTrigrams) -> Tensor:
        gradient = ctx.needs_input_grad[0]
        if log_probs.device.type == "cpu":
            log_sums, expectations = _on_the_cpu(log_probs.exp(), lengths, trigrams, gradient)
        elif log_probs.dtype == torch.float32 and find_spec("triton") is not None:
            from asr.acoustic.criteria import crf_gpu

            log_sums, expectations = crf_gpu.log_partition_and_expectations(
                log_probs.exp(), lengths, trigrams.following, trigrams.ends, gradient
            )
        else:
            passes = _Passes(log_probs.exp(), lengths.to(log_probs.device), trigrams)
            log_sums = passes.forward()
            expectations = passes.expectations() if gradient else log_sums
        if gradient:
            ctx.save_for_backward(expectations)
        return log_sums

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (expectations,) = ctx.saved_tensors
        return expectations * gradient[None, :, None], None, None


def _on_the_cpu(probs: Tensor, lengths: Tensor, trigrams: TokenTrigrams, gradient: bool) -> tuple[Tensor, Tensor]:
    arrays = (probs.numpy(), lengths.numpy(), trigrams.following.numpy(), trigrams.ends.numpy())
    log_sums, expectations = log_partition_and_expectations(*arrays, gradient)
    return torch.from_numpy(log_sums), torch.from_numpy(expectations)


class _Passes:
    """Sums over all paths, forward and backward, as plain numbers scaled to a sum of 1 at each frame.

    A state's arrays are (last, batch, before): `blank` of the paths whose last frame was a blank, `token` of those
    whose last frame was the last token.
    """

    def __init__(self, probs: Tensor, lengths: Tensor, trigrams: TokenTrigrams) -> None:
        self.probs, self.lengths, self.ends = probs, lengths, trigrams.ends
        # A token follows itself only after a blank: those steps are taken apart.
        self.repeats = torch.diagonal(trigrams.following, dim1=0, dim2=2).T.contiguous()  # (last, before)
        self.others = trigrams.following.clone()
        torch.diagonal(self.others, dim1=0, dim2=2).zero_()
        self.states: list[tuple[Tensor, Tensor]] = []

    def forward(self) -> Tensor:
        """ln Z (batch,); keeps the states after each frame."""
        frames, batch, tokens = self.probs.shape
        blank = self.probs.new_zeros(tokens, batch, tokens)
        token = torch.zeros_like(blank)
        blank[START, :, START] = 1.0
        log_sums = self.probs.new_zeros(batch)
        self.states = [(blank, token)]
        for frame in range(frames):
            y = self.probs[frame]
            both = blank + token
            moved = torch.bmm(both, self.others)  # (last, batch, next)
            moved.diagonal(dim1=0, dim2=2).add_((blank * self.repeats[:, None, :]).sum(2).T)
            token = (moved.permute(2, 1, 0) + token) * y.T[:, :, None]
            blank = both * y[:, 0][None, :, None]
            scale = token.sum((0, 2)) + blank.sum((0, 2))
            goes_on = frame < self.lengths
            shared = (goes_on / scale)[None, :, None]
            before = self.states[-1]
            held = (~goes_on)[None, :, None]
            token = token * shared + before[1] * held
            blank = blank * shared + before[0] * held
            log_sums = log_sums + torch.where(goes_on, scale.log(), 0.0)
            self.states.append((blank, token))
        return log_sums + ((blank + token) * self.ends[:, None, :]).sum((0, 2)).log()

    def expectations(self) -> Tensor:
        """How often each token (or blank) is expected at each frame: (frames, batch, tokens); 0 beyond a length."""
        frames, batch, tokens = self.probs.shape
        ending = self.ends[:, None, :].expand(tokens, batch, tokens)
        blank, token = ending, ending
        found = torch.zeros_like(self.probs)
        for frame in range(frames - 1, -1, -1):
            y = self.probs[frame]
            goes_on = frame < self.lengths
            at_blank, at_token = self.states[frame + 1]
            share = (at_token * token).sum(2).T  # (batch, last)
            share[:, 0] += (at_blank * blank).sum((0, 2))
            found[frame] = share * (goes_on / share.sum(1))[:, None]
            stay = token * y.T[:, :, None]  # (token, batch, one before it)
            step = stay.permute(2, 1, 0)  # (last, batch, next)
            onward = torch.bmm(step, self.others.transpose(1, 2)) + blank * y[:, 0][None, :, None]
            again = self.repeats[:, None, :] * step.diagonal(dim1=0, dim2=2).T[:, :, None]
            scale = (goes_on / onward.amax((0, 2)))[None, :, None]
            held = (~goes_on)[None, :, None]
            blank, token = (onward + again) * scale + ending * held, (onward + stay) * scale + ending * held
        return found
