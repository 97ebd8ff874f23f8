"""The detector of speech beside loudness alone and, where its package is installed, Silero's detector.

    python tools/bench/vad.py vad/training/dev.jsonl --noise NOISE [--kinds dog-bark,helicopter,sea-waves] [--model vad]

The manifest says in `spoken` when words are spoken, as `asr vad train` leaves it in the folder it writes. Examples of
16 s are made of it as in training, with kinds of noise of their own. Prints for each detector the area under the curve
of missed speech against false alarms over 20 ms frames, the false alarms where 5% of the speech is missed, and the CPU
time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from asr.activity.detector import SpeechDetector
from asr.activity.network import ActivityNetwork
from asr.activity.run import ActivityRunConfig, activity_task
from asr.activity.task import UNLABELLED
from asr.audio.pauses import HOP_SECONDS, LoudnessPauses, smoothed
from asr.data.manifest import read_manifest
from asr.shipped import detector_folder

RATE, SILERO_SAMPLES = 16000, 512


def main() -> None:
    """Make the examples, run each detector over them in turn, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--noise", required=True, help="folder of recorded noise, a folder a kind")
    parser.add_argument("--kinds", default="dog-bark,helicopter,sea-waves")
    parser.add_argument("--model", default="vad")
    parser.add_argument("--examples", type=int, default=320)
    options = parser.parse_args()
    detector = SpeechDetector.open(detector_folder(options.model))
    config = ActivityRunConfig(model=detector.config, dev_kinds=tuple(options.kinds.split(",")))
    config = replace(config, augment=replace(config.augment, noise_folder=options.noise))
    utterances = read_manifest(options.manifest).utterances
    task = activity_task(config, ActivityNetwork(detector.config), utterances, utterances)
    examples = list(task.dev_batches(torch.device("cpu"), options.examples))
    samples = [row.numpy() for batch in examples for row in batch.samples]
    labels = np.concatenate([row.numpy() for batch in examples for row in batch.labels])
    frames = examples[0].labels.shape[1]
    centres = (np.arange(frames) * 0.02) + 0.0125
    known = labels != UNLABELLED
    print(f"{len(samples)} examples of {len(samples[0]) / RATE:.0f} s, {np.mean(labels[known]):.0%} of it speech")
    methods: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "this detector": lambda each: detector.log_odds(each)[:frames],
        "loudness": lambda each: smoothed(LoudnessPauses(RATE).push(each), 5)[(centres / HOP_SECONDS).astype(int)],
    }
    silero = _silero()
    if silero is not None:
        methods["Silero"] = lambda each: silero(each)[(centres * RATE / SILERO_SAMPLES).astype(int)]
    for name, method in methods.items():
        started = time.process_time()
        scores = np.concatenate([method(each) for each in samples])
        used = (time.process_time() - started) / (len(samples) * len(samples[0]) / RATE)
        area = _area(scores[known], labels[known])
        false = _false_alarms(scores[known], labels[known], 0.05)
        print(f"{name:14} area {area:.2%}, false alarms at 5% missed {false:.2%}, CPU {used:.5f} of real time")


def _silero() -> Callable[[np.ndarray], np.ndarray] | None:
    """Silero's probabilities (blocks of 32 ms,) for samples, or None without the package `silero-vad`."""
    try:
        from silero_vad import load_silero_vad
    except ModuleNotFoundError:
        return None
    model = load_silero_vad(onnx=True)

    def run(samples: np.ndarray) -> np.ndarray:
        model.reset_states()
        padded = np.pad(samples, (0, SILERO_SAMPLES))
        blocks = padded[: len(padded) // SILERO_SAMPLES * SILERO_SAMPLES].reshape(-1, SILERO_SAMPLES)
        return np.array([float(model(torch.from_numpy(block), RATE)) for block in blocks])

    return run


def _area(scores: np.ndarray, labels: np.ndarray) -> float:
    """The area under the ROC curve: how often a frame of speech has a higher score than another frame."""
    ranks = np.argsort(np.argsort(scores)) + 1
    spoken = labels == 1
    count = int(spoken.sum())
    return float((ranks[spoken].sum() - count * (count + 1) / 2) / (count * (len(labels) - count)))


def _false_alarms(scores: np.ndarray, labels: np.ndarray, missed: float) -> float:
    """The share of frames without speech above the score that a share `missed` of speech does not reach."""
    return float((scores[labels == 0] >= np.quantile(scores[labels == 1], missed)).mean())


if __name__ == "__main__":
    main()
