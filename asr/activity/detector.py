"""A trained voice-activity detector in NumPy, for whole recordings and for streams. Loads without torch.

A folder holds `config.json`, `model.safetensors` (weights in 8 bits or wider) and the model card.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asr._native import lstm_step
from asr.activity.config import TYPE, ActivityConfig, normalized
from asr.audio.features_numpy import FeatureStream, NumpyFeatures
from asr.audio.pauses import HOP_SECONDS, Levels, LoudnessPauses, PauseFinder, smoothed
from asr.audio.read import Samples
from asr.config import from_dict, to_dict
from asr.errors import CheckpointError, ConfigError
from asr.model_folder import from_stored, read_arrays, read_config, to_stored, write_arrays, write_config

WEIGHTS = "model.safetensors"
SMOOTHED_HOPS = 8  # of 10 ms, over which log-odds are averaged before they decide
PAUSE_ODDS = 0.0  # log-odds of speech below which a hop is a pause
SILENT_ODDS = 1.0  # log-odds that are reached where anything is said: 2.2 or more in 400 utterances, also in noise
REMEMBERED_SECONDS = 30.0  # of a stream's levels, for what is cut from it later
JUDGED_SECONDS = 2.0  # shorter stretches are never taken for silent: a digit cut out by itself may not be noticed

Floats = NDArray[np.float32]


@dataclass
class SpeechDetector:
    """A detector of speech. Open one with `SpeechDetector.open`; safe to use from several threads at once."""

    config: ActivityConfig
    arrays: Mapping[str, Floats]

    def __post_init__(self) -> None:
        # Once, not for each of the streams: filters, and weights as they are multiplied.
        self.features = NumpyFeatures(self.config.features)
        self.layers = [
            (
                np.ascontiguousarray(self.arrays[_name(layer, "weight_ih")].T),
                np.ascontiguousarray(self.arrays[_name(layer, "weight_hh")].T),
                self.arrays[_name(layer, "bias_ih")] + self.arrays[_name(layer, "bias_hh")],
            )
            for layer in range(self.config.num_layers)
        ]

    @classmethod
    def open(cls, folder: str | Path) -> SpeechDetector:
        """The detector in a folder. Raises CheckpointError for a folder that holds none, or a damaged one."""
        folder = Path(folder)
        values = read_config(folder, TYPE)
        stored = read_arrays(folder / WEIGHTS)
        try:
            config = from_dict(ActivityConfig, values["model"])
            arrays = from_stored(stored)
            for name, shape in _shapes(config).items():
                if arrays[name].shape != shape:
                    raise ConfigError(f"'{name}' does not have the sizes that config.json names")
        except (KeyError, ConfigError) as error:
            raise CheckpointError(f"{folder} cannot be loaded ({error}); copy the detector again.") from None
        return cls(config, arrays)

    def log_odds(self, samples: Samples) -> Floats:
        """The log-odds of speech (frames,) in each frame of samples (time,) at the rate of its features."""
        stream = DetectorStream(self)
        return np.concatenate([stream.push(samples), stream.finish()])


def _shapes(config: ActivityConfig) -> dict[str, tuple[int, ...]]:
    gates, sizes = 4 * config.hidden_size, {"output.weight": (1, config.hidden_size), "output.bias": (1,)}
    shapes: dict[str, tuple[int, ...]] = dict(sizes)
    for layer in range(config.num_layers):
        inputs = config.hidden_size if layer else config.features.dim
        shapes |= {
            _name(layer, "weight_ih"): (gates, inputs),
            _name(layer, "weight_hh"): (gates, config.hidden_size),
            _name(layer, "bias_ih"): (gates,),
            _name(layer, "bias_hh"): (gates,),
        }
    return shapes


def _name(layer: int, part: str) -> str:
    return f"recurrent.forwards.{layer}.{part}_l0"


class DetectorStream:
    """One recording that arrives in blocks. The result does not depend on their sizes."""

    def __init__(self, detector: SpeechDetector) -> None:
        config, arrays = detector.config, detector.arrays
        self._features = FeatureStream(detector.features)
        self._arrays = arrays
        self._layers = detector.layers
        self._states = [np.zeros((1, config.hidden_size), np.float32) for _ in self._layers]
        self._cells = [np.zeros((1, config.hidden_size), np.float32) for _ in self._layers]
        self._pending = self._delay = config.delay  # outputs that are about frames before the beginning
        self._last = np.zeros((0, config.features.dim), np.float32)

    def push(self, samples: Samples) -> Floats:
        """The log-odds (frames,) of the frames that can be decided after the next samples (time,)."""
        return self._run(self._features.push(samples))

    def finish(self) -> Floats:
        """The log-odds (frames,) of the last frames, after which the last one is taken to go on."""
        odds = self._run(self._features.finish())
        return np.concatenate([odds, self._run(np.repeat(self._last, self._delay, axis=0))])

    def _run(self, features: Floats) -> Floats:
        if not len(features):
            return np.zeros(0, np.float32)
        self._last = features[-1:]
        hidden = normalized(features)
        for layer, (weights, recurrent, bias) in enumerate(self._layers):
            gates = hidden @ weights + bias
            hidden = np.empty((len(gates), len(recurrent)), np.float32)
            state, cells = self._states[layer], self._cells[layer]
            for step in range(len(gates)):
                state = lstm_step(gates[step : step + 1] + state @ recurrent, cells)
                hidden[step] = state[0]
            self._states[layer] = state
        odds = hidden @ self._arrays["output.weight"][0] + self._arrays["output.bias"][0]
        skipped = min(self._pending, len(odds))
        self._pending -= skipped
        decided: Floats = odds[skipped:]
        return decided


class DetectedPauses:
    """Pauses by a detector, as a `PauseFinder`: the levels are the log-odds of speech of each 10 ms."""

    def __init__(self, detector: SpeechDetector) -> None:
        self._stream, self._config = DetectorStream(detector), detector.config.features
        self._hops = round(self._config.frame_shift / self._config.sample_rate / HOP_SECONDS)
        self._samples = self._told = 0

    def push(self, samples: Samples) -> Levels:
        """The levels of the hops that can be decided after the next samples (time,)."""
        self._samples += len(samples)
        return self._levels(self._stream.push(samples))

    def finish(self) -> Levels:
        """The levels of the last whole hops; those without a frame of their own are as the one before."""
        levels = self._levels(self._stream.finish())
        missing = int(self._samples / self._config.sample_rate / HOP_SECONDS) - self._told
        last = levels[-1] if len(levels) else SILENT_ODDS - 1.0
        return np.concatenate([levels, np.full(max(0, missing), last)])

    def _levels(self, odds: Floats) -> Levels:
        levels = np.repeat(odds.astype(np.float64), self._hops)
        self._told += len(levels)
        return levels

    @staticmethod
    def quiet(levels: Levels) -> NDArray[np.bool_]:
        """Whether each hop is one of a pause."""
        found: NDArray[np.bool_] = smoothed(levels, SMOOTHED_HOPS) < PAUSE_ODDS
        return found

    @staticmethod
    def silent(levels: Levels) -> bool:
        """Whether nothing is spoken in any of the hops."""
        if len(levels) < round(JUDGED_SECONDS / HOP_SECONDS):
            return False
        return bool(smoothed(levels, SMOOTHED_HOPS).max(initial=-np.inf) < SILENT_ODDS)


class HeardPauses(DetectedPauses):
    """Pauses of a stream by a detector, which remembers the latest levels for the pieces that are cut from it."""

    def __init__(self, detector: SpeechDetector) -> None:
        super().__init__(detector)
        self.detector = detector
        self._latest, self._first = np.zeros(0), 0  # levels, and the hop of the stream that they begin with

    def push(self, samples: Samples) -> Levels:
        """The levels of the hops that can be decided after the next samples (time,)."""
        levels = super().push(samples)
        joined = np.concatenate([self._latest, levels])
        self._latest = joined[-round(REMEMBERED_SECONDS / HOP_SECONDS) :]
        self._first += len(joined) - len(self._latest)
        return levels

    def between(self, first: int, end: int) -> Levels:
        """The levels of the stream's hops from `first` to before `end`, as far as they are known."""
        return self._latest[max(0, first - self._first) : max(0, end - self._first)]


class _Again:
    """The levels that a `HeardPauses` has of a stretch of its stream, told as if the stretch were heard alone."""

    quiet, silent = staticmethod(DetectedPauses.quiet), staticmethod(DetectedPauses.silent)

    def __init__(self, heard: HeardPauses, start: int, rate: int) -> None:
        self._heard, self._rate = heard, rate
        self._first, self._samples, self._told = round(start / rate / HOP_SECONDS), 0, 0

    def push(self, samples: Samples) -> Levels:
        self._samples += len(samples)
        levels = self._heard.between(self._first + self._told, self._first + self._whole_hops())
        self._told += len(levels)
        return levels

    def finish(self) -> Levels:
        levels = self.push(np.zeros(0, np.float32))
        last = levels[-1] if len(levels) else SILENT_ODDS - 1.0
        return np.concatenate([levels, np.full(self._whole_hops() - self._told, last)])

    def _whole_hops(self) -> int:
        return int(self._samples / self._rate / HOP_SECONDS)


class LoudPauses:
    """Pauses by loudness and silence by a detector, as a `PauseFinder` for cutting recordings.

    Cut at the detector's pauses, joined utterances have as many errors, or a few more where the gaps are clean
    (`tools/bench/joined.py`). The levels (hops, 2) are the loudness and the log-odds of speech.
    """

    def __init__(self, detector: SpeechDetector, speech: PauseFinder | None = None) -> None:
        """speech: whose levels are the log-odds, if they are known already."""
        self._loudness = LoudnessPauses(detector.config.features.sample_rate)
        self._speech = speech or DetectedPauses(detector)
        self._levels = [np.zeros(0), np.zeros(0)]  # loudness whose odds are not known yet; no odds, but at the end

    def push(self, samples: Samples) -> Levels:
        """The levels of the hops that can be decided after the next samples (time,)."""
        return self._together(self._loudness.push(samples), self._speech.push(samples))

    def finish(self) -> Levels:
        """The levels of the last whole hops."""
        return self._together(self._loudness.finish(), self._speech.finish())

    def _together(self, loudness: Levels, odds: Levels) -> Levels:
        self._levels = [np.concatenate(pair) for pair in zip(self._levels, (loudness, odds), strict=True)]
        known = min(map(len, self._levels))
        levels = np.stack([part[:known] for part in self._levels], axis=1)
        self._levels = [part[known:] for part in self._levels]
        return levels

    def quiet(self, levels: Levels) -> NDArray[np.bool_]:
        """Whether each hop is one of a pause, by loudness."""
        return self._loudness.quiet(levels[:, 0])

    def silent(self, levels: Levels) -> bool:
        """Whether nothing is spoken in any of the hops."""
        return self._loudness.silent(levels[:, 0]) or DetectedPauses.silent(levels[:, 1])


def pauses_by(detector: SpeechDetector | None, sample_rate: int) -> PauseFinder:
    """What finds the pauses at which a recording is cut, and the stretches without speech; None: loudness alone."""
    return LoudnessPauses(sample_rate) if detector is None else LoudPauses(detector)


def silences_by(detector: SpeechDetector | None, sample_rate: int) -> PauseFinder:
    """What finds the silence that ends an utterance in a stream; None: loudness alone."""
    return LoudnessPauses(sample_rate) if detector is None else HeardPauses(detector)


def pauses_within(silences: PauseFinder, start: int, sample_rate: int) -> PauseFinder:
    """What finds the pauses of a stream from sample `start` on, by what `silences_by` has heard of it already.

    Not earlier than some seconds ago; of samples that it has heard before.
    """
    if not isinstance(silences, HeardPauses):
        return LoudnessPauses(sample_rate)
    return LoudPauses(silences.detector, _Again(silences, start, sample_rate))


def save_detector(folder: Path, config: ActivityConfig, arrays: Mapping[str, Floats], bits: int = 8) -> None:
    """Write a detector's files, each atomically, config.json last."""
    folder.mkdir(parents=True, exist_ok=True)
    write_arrays(folder / WEIGHTS, to_stored(arrays, bits))
    write_config(folder, TYPE, {"model": to_dict(config)})


def speech_stretches(detector: SpeechDetector, blocks: Iterable[Samples]) -> list[tuple[float, float]]:
    """Start and end in seconds of each stretch of speech in a recording that comes in blocks of samples (time,)."""
    pauses = DetectedPauses(detector)
    levels = np.concatenate([*(pauses.push(block) for block in blocks), pauses.finish()])
    edges = np.flatnonzero(np.diff(np.concatenate([[True], pauses.quiet(levels), [True]]).astype(np.int8)))
    return [
        (round(start * HOP_SECONDS, 2), round(end * HOP_SECONDS, 2)) for start, end in edges.reshape(-1, 2).tolist()
    ]
