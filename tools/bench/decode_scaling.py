"""How the search scales: threads, length, hotwords, a neural language model, and what starting costs.

    python tools/bench/decode_scaling.py FOLDER [--neural-lm LSTM] [--beam 50] [--rounds 5]

FOLDER holds log_probs.npz (natural logs, one array an utterance, 40 ms a frame), tokens.txt, lexicon.txt and
lm.arpa.gz. Variants run in turn; medians of the rounds are printed.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np

from asr.decode.build import SearchOptions, open_decoder
from asr.decode.decoder import Decoder
from asr.recognizer.bulk import decode_all
from asr.text.lexicon import Lexicon
from asr.text.tokens import Tokens

FRAME_SECONDS = 0.04
LENGTHS = (5, 60, 600, 3600)  # seconds of audio, concatenated
HOTWORDS = 1000
START = """
import time; started = time.perf_counter()
from asr.decode.build import SearchOptions, open_decoder
from asr.text.tokens import Tokens
import sys, numpy as np
folder = sys.argv[1]
options = SearchOptions(lexicon=folder + "/lexicon.txt", lm=sys.argv[2])
decoder = open_decoder(Tokens.read(folder + "/tokens.txt"), options)
decoder.decode(np.log(np.full((2, len(decoder.tokens)), 1 / len(decoder.tokens), np.float32)))
print(time.perf_counter() - started)
"""


def timed(decoder: Decoder, arrays: list[np.ndarray], threads: int = 1) -> float:
    return decode_all(decoder, {str(place): array for place, array in enumerate(arrays)}, threads)[1]


def paired(
    first: Decoder, second: Decoder, arrays: list[np.ndarray], rounds: int, threads: int = 1
) -> tuple[float, ...]:
    """Median seconds of two decoders run in turn, the second with `threads`, and the median ratio second / first."""
    times = [(timed(first, arrays), timed(second, arrays, threads)) for _ in range(rounds)]
    ratio = statistics.median(right / left for left, right in times)
    return *(statistics.median(column) for column in zip(*times, strict=True)), ratio


def growth(decoder: Decoder, arrays: list[np.ndarray]) -> None:
    everything = np.concatenate(arrays * (1 + int(LENGTHS[-1] / FRAME_SECONDS) // sum(map(len, arrays))))
    print("\n| seconds of audio | search seconds | per hour of audio | MB beyond the log-probs |\n|---|---|---|---|")
    for seconds in LENGTHS:
        piece = everything[: int(seconds / FRAME_SECONDS)]
        took = min(timed(decoder, [piece]) for _ in range(3 if seconds < 1000 else 1))
        tracemalloc.start()  # NumPy reports its arrays to it
        decoder.decode(piece)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        print(f"| {seconds} | {took:.3f} | {took / seconds * 3600:.1f} | {peak / 1e6:.1f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lm", type=Path, help="another ARPA file for the starting time  [default: the folder's]")
    parser.add_argument("--neural-lm", type=Path)
    parser.add_argument("--beam", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    folder, lm = options.folder, options.folder / "lm.arpa.gz"
    with np.load(folder / "log_probs.npz") as stored:
        arrays = [stored[name].astype(np.float32) for name in sorted(stored.files)]
    tokens, lexicon = Tokens.read(folder / "tokens.txt"), Lexicon.later(folder / "lexicon.txt")
    search = SearchOptions(lexicon=lexicon, lm=lm, settings={"beam_size": options.beam})
    decoder = open_decoder(tokens, search)
    decoder.decode(arrays[0])
    audio = sum(map(len, arrays)) * FRAME_SECONDS
    print(f"{len(arrays)} utterances, {audio:.0f} s, beam {options.beam}, medians of {options.rounds} rounds\n")
    one, two, ratio = paired(decoder, decoder, arrays, options.rounds, threads=2)
    print(f"threads: one {one:.2f} s, two {two:.2f} s: {1 / ratio:.2f} times as fast")
    words = np.random.default_rng(1).permutation(sorted(lexicon.spellings))
    phrases = {" ".join(words[2 * place : 2 * place + 1 + place % 2]): 3.0 for place in range(HOTWORDS)}
    hot = open_decoder(tokens, replace(search, hotwords=phrases))
    plain, favoured, ratio = paired(decoder, hot, arrays, options.rounds)
    print(f"{len(phrases)} hotwords: {plain:.2f} s without, {favoured:.2f} s with: {ratio - 1:+.1%}")
    if options.neural_lm:
        fused = open_decoder(tokens, replace(search, neural_lm=options.neural_lm))
        some = arrays[::4]
        took = timed(fused, some)
        seconds = sum(map(len, some)) * FRAME_SECONDS
        print(f"neural model in the search: {took:.2f} s for {seconds:.0f} s, real-time factor {took / seconds:.4f}")
    command = [sys.executable, "-c", START, str(folder), str(options.lm or lm)]
    starts = [float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(4)]
    print(f"start, import and load and first decoding, second run on: {statistics.median(starts[1:]):.2f} s")
    growth(decoder, arrays)


if __name__ == "__main__":
    main()
