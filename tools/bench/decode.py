"""The beam search beside its peers, flashlight-text and pyctcdecode, on the same log-probs, lexicon and ARPA file.

    pip install flashlight-text pyctcdecode 'numpy<2'      # in an environment of its own, beside this project
    python tools/bench/decode.py FOLDER [--beams 10,50,200] [--limit 200] [--rounds 3] [--settings FILE]

FOLDER holds log_probs.npz (natural logs, one array an utterance), refs.txt (`ID TEXT`), tokens.txt, lexicon.txt and
lm.arpa.gz. Every system gets the weights that are best for it and, of its pruning settings, the fastest whose WER lies
within 0.1 points of the best it reaches at that beam. Then the systems run in turn, utterance after utterance on one
thread, and the median of the rounds is printed. Peak memory is that of a process of its own for each system. What was
tuned is kept in --settings and used again by a later run.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import jiwer
import numpy as np

TOLERANCE = 0.001  # of the word error rate, as a fraction
TUNED_AT_BEAM = 50

Decode = Callable[[np.ndarray], str]


@dataclass
class Inputs:
    """What all systems share."""

    folder: Path
    arpa: str  # unpacked: flashlight and pyctcdecode read it through KenLM
    limit: int
    arrays: list[np.ndarray] = field(default_factory=list)
    references: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        texts = dict(line.split(" ", 1) for line in (self.folder / "refs.txt").read_text().splitlines())
        with np.load(self.folder / "log_probs.npz") as stored:
            ids = sorted(stored.files)[: self.limit]
            self.arrays = [stored[name].astype(np.float32) for name in ids]
        self.references = [texts[name] for name in ids]
        self.tokens = (self.folder / "tokens.txt").read_text().split("\n")[:-1]


class Project:
    """This project's search."""

    name = "asr"
    weights = tuple(itertools.product((0.4, 0.6, 0.8, 1.0), (-1.0, 0.0, 1.0, 2.0)))
    prunings = tuple(itertools.product((25.0, 15.0, 12.0, 10.0, 8.0), (12.0, 9.0, 7.0, 5.0)))

    def __init__(self, inputs: Inputs) -> None:
        from asr.decode.build import SearchOptions, open_decoder
        from asr.text.tokens import Tokens

        tokens = Tokens.read(inputs.folder / "tokens.txt")
        options = SearchOptions(lexicon=inputs.folder / "lexicon.txt", lm=inputs.folder / "lm.arpa.gz")
        self._decoder = open_decoder(tokens, options)

    def decoder(self, beam: int, weights: tuple[float, float], pruning: tuple[float, float] = prunings[0]) -> Decode:
        decoder = self._decoder.with_settings(
            lm_weight=weights[0],
            word_score=weights[1],
            beam_size=beam,
            threshold=pruning[0],
            token_threshold=pruning[1],
        )
        return lambda array: decoder.decode(array)[0].text


class Flashlight:
    """flashlight-text's LexiconDecoder; its language model scores are log10, the acoustic ones natural logs."""

    name = "flashlight"
    weights = tuple(itertools.product((1.0, 1.4, 1.8, 2.3), (-1.0, 0.0, 1.0, 2.0)))
    prunings = tuple(itertools.product((25.0, 15.0, 12.0, 10.0, 8.0), (29, 15, 10, 7)))

    def __init__(self, inputs: Inputs) -> None:
        from flashlight.lib.text.decoder import KenLM, SmearingMode, Trie
        from flashlight.lib.text.dictionary import Dictionary, create_word_dict, load_words

        lexicon = load_words(str(inputs.folder / "lexicon.txt"))
        self._words = create_word_dict(lexicon)
        self._lm = KenLM(inputs.arpa, self._words)
        self._boundary, self._tokens = inputs.tokens.index("|"), len(inputs.tokens)
        tokens = Dictionary(inputs.tokens)
        self._trie = Trie(tokens.index_size(), self._boundary)
        start = self._lm.start(False)
        for word, spellings in lexicon.items():
            index = self._words.get_index(word)
            _, score = self._lm.score(start, index)
            for spelling in spellings:
                self._trie.insert([tokens.get_index(token) for token in spelling], index, score)
        self._trie.smear(SmearingMode.MAX)

    def decoder(self, beam: int, weights: tuple[float, float], pruning: tuple[float, int] = prunings[0]) -> Decode:
        from flashlight.lib.text.decoder import CriterionType, LexiconDecoder, LexiconDecoderOptions

        options = LexiconDecoderOptions(
            beam_size=beam, beam_size_token=min(pruning[1], self._tokens), beam_threshold=pruning[0],
            lm_weight=weights[0], word_score=weights[1], unk_score=-np.inf, sil_score=0.0, log_add=False,
            criterion_type=CriterionType.CTC,
        )  # fmt: skip
        unknown = self._words.get_index("<unk>")
        decoder = LexiconDecoder(options, self._trie, self._lm, self._boundary, 0, unknown, [], False)

        def decode(array: np.ndarray) -> str:
            best = decoder.decode(array.ctypes.data, *array.shape)[0]
            return " ".join(self._words.get_entry(word) for word in best.words if word >= 0)

        return decode


class PyCtcDecode:
    """pyctcdecode; it lets unknown words through at a price."""

    name = "pyctcdecode"
    weights = tuple(itertools.product((0.4, 0.6, 0.8), (0.0, 1.0, 2.0)))
    prunings = tuple(itertools.product((-10.0, -8.0, -6.0), (-5.0, -4.0, -3.0)))

    def __init__(self, inputs: Inputs) -> None:
        from pyctcdecode import build_ctcdecoder

        lines = (inputs.folder / "lexicon.txt").read_text().splitlines()
        labels = ["" if token == "<blank>" else " " if token == "|" else token for token in inputs.tokens]
        self._decoder = build_ctcdecoder(labels, inputs.arpa, [line.split("\t")[0] for line in lines])

    def decoder(self, beam: int, weights: tuple[float, float], pruning: tuple[float, float] = prunings[0]) -> Decode:
        self._decoder.reset_params(alpha=weights[0], beta=weights[1])
        return lambda array: self._decoder.decode(
            array, beam_width=beam, beam_prune_logp=pruning[0], token_min_logp=pruning[1]
        )


SYSTEMS = {system.name: system for system in (Project, Flashlight, PyCtcDecode)}


def measure(decode: Decode, arrays: list[np.ndarray]) -> tuple[list[str], float]:
    """Texts, and seconds of the search alone."""
    started = time.perf_counter()
    texts = [decode(array) for array in arrays]
    return texts, time.perf_counter() - started


def error_rate(decode: Decode, inputs: Inputs, most: int) -> tuple[float, float]:
    texts, seconds = measure(decode, inputs.arrays[:most])
    return jiwer.wer(inputs.references[:most], texts), seconds


def choose(system: object, beam: int, weights: tuple, inputs: Inputs, most: int) -> tuple:
    """The fastest pruning within the tolerance of the best word error rate."""
    found = [(*error_rate(system.decoder(beam, weights, p), inputs, most), p) for p in system.prunings]
    best = min(found)[0]
    return min((seconds, wer, pruning) for wer, seconds, pruning in found if wer <= best + TOLERANCE)[2]


def tuned(name: str, system: object, inputs: Inputs, beams: list[int]) -> tuple[tuple, dict[int, tuple]]:
    """Weights, and the pruning for each beam. pyctcdecode is tuned on a quarter of the utterances: it is slow."""
    most = len(inputs.arrays) if name != "pyctcdecode" else len(inputs.arrays) // 4
    weights = min((error_rate(system.decoder(TUNED_AT_BEAM, w), inputs, most)[0], w) for w in system.weights)[1]
    return weights, {beam: choose(system, beam, weights, inputs, most) for beam in beams}


def kept_settings(path: Path | None, systems: dict, inputs: Inputs, wanted: dict[str, list[int]]) -> dict:
    """What `tuned` finds for each system, or what the file at `path` says an earlier run found."""
    if path is not None and path.exists():
        stored = json.loads(path.read_text())
        return {
            name: (
                tuple(float(weight) for weight in weights),
                {int(beam): tuple(values) for beam, values in prunings.items()},
            )
            for name, (weights, prunings) in stored.items()
        }
    found = {name: tuned(name, system, inputs, wanted[name]) for name, system in systems.items()}
    if path is not None:
        path.write_text(json.dumps(found))
    return found


def peak_memory(name: str, options: argparse.Namespace, beam: int, weights: tuple, pruning: tuple) -> int:
    """MB of a process that runs one system once."""
    numbers = ",".join(map(str, (beam, *weights, *pruning)))
    command = [sys.executable, __file__, str(options.folder), "--limit", str(options.limit), "--only", name, numbers]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def run_once(inputs: Inputs, name: str, numbers: str) -> None:
    beam, weight, word_score, *pruning = (float(number) for number in numbers.split(","))
    if name == "flashlight":
        pruning[1] = int(pruning[1])
    measure(SYSTEMS[name](inputs).decoder(int(beam), (weight, word_score), tuple(pruning)), inputs.arrays)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(int(status["VmHWM"].split()[0]) // 1024)  # unlike ru_maxrss not inherited from the process that started it


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--beams", default="10,50,200")
    parser.add_argument("--slow-beams", default="100", help="beams for pyctcdecode")
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--settings", type=Path, help="JSON file of tuned settings, made if it is not there")
    parser.add_argument("--only", nargs=2, metavar=("SYSTEM", "NUMBERS"), help="run once, print peak memory in MB")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        arpa = Path(scratch) / "lm.arpa"
        with gzip.open(options.folder / "lm.arpa.gz") as source, arpa.open("wb") as target:
            shutil.copyfileobj(source, target)
        inputs = Inputs(options.folder, str(arpa), options.limit)
        if options.only:
            run_once(inputs, *options.only)
            return
        compare(inputs, options)


def compare(inputs: Inputs, options: argparse.Namespace) -> None:
    beams = [int(beam) for beam in options.beams.split(",") if beam]
    slow = [int(beam) for beam in options.slow_beams.split(",") if beam]
    wanted = {"flashlight": beams, "pyctcdecode": slow, "asr": sorted({*beams, *slow})}
    systems = {name: SYSTEMS[name](inputs) for name, some in wanted.items() if some}
    settings = kept_settings(options.settings, systems, inputs, wanted)
    frames = sum(len(array) for array in inputs.arrays)
    print(f"{len(inputs.arrays)} utterances, {frames} frames, one thread, median of {options.rounds} rounds\n")
    print("| beam | system | weights | pruning | WER | seconds | frames/s | times asr's seconds | peak MB |")
    print("|---|---|---|---|---|---|---|---|---|")
    for beam in wanted["asr"]:
        present = [name for name in systems if beam in wanted[name]]
        seconds: dict[str, list[float]] = {name: [] for name in present}
        texts: dict[str, list[str]] = {}
        for _ in range(options.rounds):
            for name in present:
                weights, prunings = settings[name]
                decode = systems[name].decoder(beam, weights, prunings[beam])
                decode(inputs.arrays[0])
                texts[name], took = measure(decode, inputs.arrays)
                seconds[name].append(took)
        for name in present:
            weights, prunings = settings[name]
            median = statistics.median(seconds[name])
            ratio = statistics.median(a / b for a, b in zip(seconds[name], seconds["asr"], strict=True))
            memory = peak_memory(name, options, beam, weights, prunings[beam])
            print(
                f"| {beam} | {name} | {weights[0]:g}, {weights[1]:g} | {prunings[beam][0]:g}, {prunings[beam][1]:g} "
                f"| {jiwer.wer(inputs.references, texts[name]):.2%} | {median:.2f} | {frames / median:,.0f} "
                f"| {ratio:.2f} | {memory} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
