"""Hidden Markov models with Gaussian mixtures, the acoustic models before neural networks (Rabiner 1989).

A token is a state; the blank is silence, which the search lets come between any two tokens and a text may do without.
Every step from state to state is as likely as staying, so that the search over CTC's paths is the search over theirs:
a lexicon of states (`asr tokens lexicon --states 3`) spells a word with each of its phones' states, one frame each at
least. Training is by Viterbi: align, estimate the mixtures from the frames of each state, align again, with twice the
Gaussians every few rounds (as HTK and Kaldi's monophone systems).
"""

from __future__ import annotations

import itertools
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from asr.audio.features import Features
from asr.audio.read import Samples
from asr.decode.alignment import chain_path
from asr.errors import TextError
from asr.gmm.model import Floats, GaussianMixtures, GaussianModel
from asr.train.log import AUDIO_SPEED, EpochLog, FinalLog, Report, Speed

SILENCE = 0
SILENT_SHARE = 0.3  # of the range of energies, from the lowest up, that is taken for silence at first
VARIANCE_FLOOR = 1e-2  # features are normalised to a variance of 1
LEAST_FRAMES = 20  # of a state for each of its Gaussians
MOST_FRAMES = 20_000  # of a state that its mixture is estimated from
EM_STEPS = 5  # of each round
SPLIT = 0.2  # standard deviations that the two halves of a split Gaussian move apart

Item = TypeVar("Item")
Words = list[list[int]]  # the states of each word of a text


class Chain(NamedTuple):
    """The states of a text in order, and which of them may be left out."""

    states: NDArray[np.int32]
    optional: NDArray[np.bool_]


def train_gaussians(
    model: GaussianModel,
    items: Iterable[tuple[Item, Words]],
    read: Callable[[Item], Samples | None],
    rounds: int,
    report: Report | None = None,
) -> FinalLog:
    """Train `model.mixtures` on utterances and the states of their words; return the final figures.

    read: an utterance's samples, None for one that cannot be read. The same texts and audio give the same mixtures.
    Raises TextError if no utterance has frames enough for its states.
    """
    mixtures, room = model.mixtures, model.mixtures.log_weights.shape[1]
    pairs = ((_frames(model.features, read(item)), _chain(words)) for item, words in items)
    pieces, chains = [], []
    for frames, chain in pairs:
        if len(frames) > len(chain.states):
            pieces.append(frames)
            chains.append(chain)
    if not pieces:
        raise TextError("no utterance has frames enough for the states of its text.")
    everything = np.concatenate(pieces)
    views = np.split(everything, np.cumsum([len(piece) for piece in pieces])[:-1])
    utterances = list(zip(views, chains, strict=True))
    del pieces
    paths = [_flat_start(frames, chain) for frames, chain in utterances]
    last = EpochLog(0, 0, 0.0)
    for number, gaussians in enumerate(_schedule(rounds, room), 1):
        started = time.perf_counter()
        _estimate(mixtures, everything, np.concatenate(paths), gaussians)
        aligned = [_align(mixtures, frames, chain) for frames, chain in utterances]
        paths = [path for path, _ in aligned]
        score = sum(value for _, value in aligned) / len(everything)
        seconds = len(everything) * model.config.features.frame_shift_ms / 1000
        speed = Speed(seconds / (time.perf_counter() - started), AUDIO_SPEED)
        last = EpochLog(number, number, -score, counts={"gaussians": gaussians}, speed=speed)
        if report is not None:
            report(last)
    return FinalLog(last.step, f"{last.counts['gaussians']:.0f} Gaussians a state", {"loss": last.loss})


def _schedule(rounds: int, most: int) -> Iterator[int]:
    """Gaussians a state in each round: one at first, doubled at even distances, `most` at the end."""
    sizes = [1]
    while sizes[-1] < most:
        sizes.append(min(most, 2 * sizes[-1]))
    for number in range(rounds):
        yield sizes[min(len(sizes) - 1, number * len(sizes) // rounds)]


def _frames(features: Features, samples: Samples | None) -> Floats:
    if samples is None or not len(samples):
        return np.zeros((0, features.config.dim), np.float32)
    with torch.inference_mode():
        values, _ = features(torch.from_numpy(np.ascontiguousarray(samples))[None])
    return np.asarray(values[0].numpy())


def _chain(words: Words) -> Chain:
    """The states of a text with silence before, between and after the words, which may be left out."""
    states, optional = [SILENCE], [True]
    for word in words:
        states += [*word, SILENCE]
        optional += [*([False] * len(word)), True]
    return Chain(np.array(states, np.int32), np.array(optional))


def _flat_start(frames: Floats, chain: Chain) -> NDArray[np.int32]:
    """A first path: quiet frames are silence, the others are divided evenly among the states of the text."""
    states = chain.states[~chain.optional]
    energy = frames[:, 0]
    low, high = np.quantile(energy, [0.02, 0.98])
    loud = np.flatnonzero(energy > low + SILENT_SHARE * (high - low))
    if len(loud) < len(states):
        loud = np.arange(len(frames))
    path = np.full(len(frames), SILENCE, np.int32)
    path[loud] = states[np.arange(len(loud)) * len(states) // len(loud)]
    return path


def _align(mixtures: GaussianMixtures, frames: Floats, chain: Chain) -> tuple[NDArray[np.int32], float]:
    """The best path through the states of a text, a state for each frame, and its log-likelihood."""
    with torch.inference_mode():
        scores = mixtures(torch.from_numpy(frames)).numpy()
    path = chain_path(scores, chain.states, chain.optional)
    return path, float(scores[np.arange(len(path)), path].sum())


def _estimate(mixtures: GaussianMixtures, frames: Floats, path: NDArray[np.int32], gaussians: int) -> None:
    """Estimate every state's mixture from its frames on the path; a state with too few frames stays as it is."""
    order = np.argsort(path, kind="stable")
    bounds = np.searchsorted(path[order], np.arange(mixtures.log_weights.shape[0] + 1))
    for state, (first, last) in enumerate(itertools.pairwise(bounds.tolist())):
        own = order[first:last]
        if len(own) >= LEAST_FRAMES:
            some = own[np.linspace(0, len(own) - 1, min(len(own), MOST_FRAMES)).astype(int)]
            count = max(1, min(gaussians, len(own) // LEAST_FRAMES))
            mixtures.set_state(state, *_mixture(frames[some].astype(np.float64), _start(mixtures, state, count)))


def _start(mixtures: GaussianMixtures, state: int, count: int) -> tuple[Floats, Floats, Floats]:
    """The state's Gaussians as they are, the heaviest ones split until there are `count`."""
    used = mixtures.log_weights[state] > -1e3
    weights = mixtures.log_weights[state][used].exp().double().numpy()
    means, variances = (part[state][used].double().numpy() for part in (mixtures.means, mixtures.variances))
    while len(weights) < count:
        place = int(weights.argmax())
        apart = SPLIT * np.sqrt(variances[place])
        weights[place] /= 2
        weights, variances = np.append(weights, weights[place]), np.vstack([variances, variances[place]])
        means = np.vstack([means, means[place] + apart])
        means[place] -= apart
    return weights[:count] / weights[:count].sum(), means[:count], variances[:count]


def _mixture(frames: Floats, start: tuple[Floats, Floats, Floats]) -> tuple[Floats, Floats, Floats]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    weights, means, variances = start
    mixture = GaussianMixture(
        len(weights), covariance_type="diag", reg_covar=VARIANCE_FLOOR, max_iter=EM_STEPS, tol=0.0,
        weights_init=weights, means_init=means, precisions_init=1 / variances, random_state=0,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a few steps of each round are meant
        mixture.fit(frames)
    return mixture.weights_, mixture.means_, mixture.covariances_
