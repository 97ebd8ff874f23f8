"""Word error rate and time beside pocketsphinx with the model that it installs with (pip install pocketsphinx).

    python tools/bench/sphinx_peer.py MANIFEST [--utterances 60] [--model english]

Every n-th utterance of the manifest goes through both, in turn, one thread each; loading is not counted. pocketsphinx
runs with its own acoustic model, dictionary and trigrams at its defaults.
"""

from __future__ import annotations

import argparse
import time

import torch
from pocketsphinx import Decoder

from asr import Recognizer
from asr.audio.read import read_audio
from asr.data.manifest import read_manifest
from asr.score.edit_distance import count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest")
    parser.add_argument("--utterances", type=int, default=60)
    parser.add_argument("--model", default="english")
    options = parser.parse_args()
    sphinx = Decoder(samprate=16000, loglevel="FATAL")
    torch.set_num_threads(1)
    recognizer = Recognizer.load(options.model, threads=1)
    utterances = [u for u in read_manifest(options.manifest).utterances if u.text]
    utterances = utterances[:: max(1, len(utterances) // options.utterances)]
    recognizer.transcribe(utterances[0].audio_filepath)  # compiles
    found: dict[str, list[list[str]]] = {"asr": [], "pocketsphinx": []}
    seconds = dict.fromkeys(found, 0.0)
    for utterance in utterances:
        samples = read_audio(utterance.audio_filepath)
        started = time.perf_counter()
        text = recognizer.transcribe(utterance.audio_filepath).text
        seconds["asr"] += time.perf_counter() - started
        found["asr"].append(text.split())
        raw = (samples.clip(-1, 1) * 32767).astype("<i2").tobytes()
        started = time.perf_counter()
        sphinx.start_utt()
        sphinx.process_raw(raw, full_utt=True)
        sphinx.end_utt()
        hypothesis = sphinx.hyp()
        seconds["pocketsphinx"] += time.perf_counter() - started
        found["pocketsphinx"].append(hypothesis.hypstr.lower().split() if hypothesis else [])
    wanted = [str(u.text).lower().split() for u in utterances]
    audio = sum(u.duration for u in utterances)
    rates = {name: count(wanted, texts).rate for name, texts in found.items()}
    print(f"{len(utterances)} utterances, {audio:.0f} s of audio")
    for name, rate in rates.items():
        print(f"{name:<14} WER {rate:.2%}, {seconds[name]:7.1f} s, real-time factor {seconds[name] / audio:.3f}")
    print(
        f"asr: {rates['asr'] / rates['pocketsphinx']:.2f} of its word error rate, "
        f"{seconds['asr'] / seconds['pocketsphinx']:.3f} of its time"
    )


if __name__ == "__main__":
    main()
