"""Word errors of utterances apart and joined to one recording, cut by loudness and by the detector of speech.

    python tools/bench/joined.py MANIFEST [--utterances 60] [--first 0] [--gaps 0,0.2,0.6] [--noise 15] [--vad vad]

Every n-th utterance of the manifest, from `--first` on, each with its level as it is, is joined with gaps of silence of
so many seconds; the last row has pink noise at so many dB below the whole, with the second gap. n-gram model alone.
"""

from __future__ import annotations

import argparse

import numpy as np

from asr import Recognizer
from asr.activity.detector import SpeechDetector
from asr.audio.augment import add_noise
from asr.audio.read import read_audio
from asr.data.manifest import read_manifest
from asr.recognizer.recognizer import Recognizer as Loaded
from asr.score.edit_distance import count
from asr.shipped import detector_folder

RATE = 16000


def main() -> None:
    """Transcribe apart and joined, print word errors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest")
    parser.add_argument("--utterances", type=int, default=60)
    parser.add_argument("--first", type=int, default=0, help="another one, other utterances")
    parser.add_argument("--gaps", default="0,0.2,0.6")
    parser.add_argument("--noise", type=float, default=15.0)
    parser.add_argument("--model", default="english")
    parser.add_argument("--vad", default="vad")
    options = parser.parse_args()
    utterances = [each for each in read_manifest(options.manifest).utterances if each.text]
    utterances = utterances[options.first :: max(1, len(utterances) // options.utterances)]
    pieces = [read_audio(u.audio_filepath, u.offset, u.duration or None, RATE) for u in utterances]
    words = [str(utterance.text).split() for utterance in utterances]
    loudness = Recognizer.load(options.model, neural_lm="none", raw=True, vad=False, threads=1)
    detector = SpeechDetector.open(detector_folder(options.vad))
    systems = {"loudness": loudness, "detector": Loaded(loudness.backend, loudness.decoder, detector=detector)}
    print(f"{len(pieces)} utterances, {sum(map(len, words))} words, {sum(map(len, pieces)) / RATE:.0f} s")
    gaps = [float(gap) for gap in options.gaps.split(",")]
    conditions = [("gap", gap, None) for gap in gaps] + [("noise", gaps[min(1, len(gaps) - 1)], options.noise)]
    apart = {name: _errors(system, pieces, words) for name, system in systems.items()}
    print("apart:", ", ".join(f"{name} {errors}" for name, errors in apart.items()), flush=True)
    for kind, gap, snr in conditions:
        silence = np.zeros(round(gap * RATE), np.float32)
        joined = np.concatenate([part for piece in pieces for part in (piece, silence)])
        ends = np.cumsum([len(piece) + len(silence) for piece in pieces])
        if snr is not None:
            joined = add_noise(joined, snr, 1.0, np.random.default_rng(1))
            single = [part[: len(part) - len(silence)] for part in np.split(joined, ends[:-1])]
            apart = {name: _errors(system, single, words) for name, system in systems.items()}
            print(f"apart, noise at {snr:g} dB:", ", ".join(f"{name} {errors}" for name, errors in apart.items()))
        whole = [[word for each in words for word in each]]
        found = {name: _errors(system, [joined], whole) for name, system in systems.items()}
        shown = ", ".join(f"{name} {errors}" for name, errors in found.items())
        print(f"joined, {kind}, gaps of {gap:g} s: {shown}", flush=True)


def _errors(system: Loaded, recordings: list[np.ndarray], words: list[list[str]]) -> int:
    found = [[word.word for word in system.transcribe(samples, rate=RATE).words] for samples in recordings]
    return count(words, found).errors


if __name__ == "__main__":
    main()
