"""Hotwords: how many are recognised, what they cost in other words, time and memory.

Three sets, each decoded from the log-probabilities of a model, with all its language models:

- `spoken`: sentences with names and terms that the lexicon lacks, in a manifest whose items have a `term`;
- `hidden`: utterances whose rare words are taken out of lexicon and language models first;
- `lists`: utterances with lists made as in Le et al. 2021, "Contextualized streaming end-to-end speech recognition
  with trie-based deep biasing": the utterance's rare words and others drawn from the vocabulary.

Example: python tools/bench/hotwords.py lists --manifest dev.jsonl --log-probs dev.npz --sizes 100 1000 --boosts 3 6
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from asr.decode.build import SearchOptions, choose_lexicon, choose_parts, open_decoder
from asr.decode.decoder import Decoder
from asr.decode.hotwords import Hotword
from asr.lm.ngram.tables import load_ngram
from asr.model_package import ModelPackage
from asr.recognizer.bulk import read_log_probs
from asr.score.edit_distance import align
from asr.shipped import model_folder
from asr.text.letter_to_sound_file import read_letter_to_sound
from asr.text.lexicon import Lexicon
from asr.text.normalize import normalize_english

COMMON = 5000  # most frequent words; the others are rare

Items = Sequence[dict[str, Any]]


class Counts:
    """Errors on the words that are looked for and on the others, and hotwords that were not said."""

    def __init__(self, wanted: Callable[[str], bool]) -> None:
        self.wanted = wanted
        self.rare = self.rare_errors = self.common = self.common_errors = self.recalled = self.words = self.false = 0

    def add(self, reference: Sequence[str], said: Sequence[str], favoured: set[str]) -> None:
        for edit in align([reference], [said])[0].edits:
            left, right = edit.reference, edit.hypothesis
            word = left or right or ""
            if self.wanted(word):
                self.rare += left is not None
                self.rare_errors += left != right
                self.recalled += left == right
            else:
                self.common += left is not None
                self.common_errors += left != right
            self.false += right is not None and right in favoured and left != right
        self.words += len(reference)

    def line(self) -> str:
        return (
            f"recall {self.recalled / max(1, self.rare):6.1%} of {self.rare:4d}  errors on them "
            f"{self.rare_errors / max(1, self.rare):6.1%}, on others {self.common_errors / max(1, self.common):6.2%}  "
            f"false insertions {self.false / max(1, self.words):6.2%}"
        )


def main() -> None:
    """Run one of the benchmarks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=["spoken", "hidden", "lists", "speed"])
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--log-probs", type=Path, required=True)
    parser.add_argument("--model", default="english")
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100], help="distractors (spoken, hidden), or lists")
    parser.add_argument("--boosts", nargs="+", default=["default"])
    parser.add_argument("--neural-lm", default="auto")
    parser.add_argument("--rounds", type=int, default=7, help="of speed")
    parser.add_argument("--letter-to-sound", type=Path, help="of hidden words, trained without them")
    options = parser.parse_args()
    items = [json.loads(line) for line in options.manifest.read_text().splitlines()]
    items = items[: options.limit or None]
    package = ModelPackage.open(model_folder(options.model))
    bench = Bench(package, items, options)
    getattr(bench, options.set)()


class Bench:
    """The utterances and the model's parts."""

    def __init__(self, package: ModelPackage, items: Items, options: argparse.Namespace) -> None:
        self.package, self.items, self.options = package, items, options
        self.log_probs = read_log_probs(options.log_probs).arrays
        lm = load_ngram(choose_parts(package, SearchOptions()).lm or "")
        order = (-lm.arrays.unigram_log_probs).argsort(kind="stable")
        ranked = [lm.words[place] for place in order if not lm.words[place].startswith("<")]
        self.common = set(ranked[:COMMON])
        lexicon = choose_lexicon(package)
        assert lexicon is not None
        self.lexicon = lexicon
        self.rare = sorted(set(ranked[COMMON:]) & set(lexicon.spellings))

    def open(self, lexicon: Lexicon | None = None) -> Decoder:
        neural = self.package.neural_lm_path if self.options.neural_lm == "auto" else self.options.neural_lm
        search = dict(choose_parts(self.package, SearchOptions()).settings)
        return open_decoder(self.package, SearchOptions(lexicon=lexicon, neural_lm=neural, settings=search))

    def boost(self, text: str) -> float | None:
        return None if text == "default" else float(text)

    def spoken(self) -> None:
        """Terms that the lexicon lacks, each sentence with the term's hotword and distractors."""
        decoder = self.open()
        terms = sorted({item["term"] for item in self.items})
        self._terms(decoder, [normalize_english(item["text"]).split() for item in self.items],
                    [[item["term"]] for item in self.items], terms, lambda word: [Hotword(word)])  # fmt: skip

    def hidden(self) -> None:
        """Rare words taken out of lexicon and language models; their hotwords bear names that no model knows."""
        rules = read_letter_to_sound(self.options.letter_to_sound or self.package.letter_to_sound_path or "")
        references = [item["text"].split() for item in self.items]
        rare = [[word for word in words if word not in self.common and word in self.lexicon.spellings]
                for words in references]  # fmt: skip
        hidden = {word for words in rare for word in words}
        known = Lexicon({word: ways for word, ways in self.lexicon.spellings.items() if word not in hidden})
        decoder = self.open(known)

        def hotword(word: str) -> list[Hotword]:
            ways = rules.pronunciations(word, 3)
            return [Hotword(f"{word}-hidden", None, tuple(" ".join(way) for way in ways))] if ways else []

        self._terms(decoder, references, rare, sorted(hidden), hotword)

    def _terms(
        self, decoder: Decoder, references: Sequence[list[str]], terms: Sequence[Sequence[str]], pool: Sequence[str],
        hotword: Callable[[str], list[Hotword]],
    ) -> None:  # fmt: skip
        wanted = {word.lower() for word in pool}
        random_ = random.Random(29)
        others = random_.sample(sorted(set(self.rare) - wanted), 4000)
        for size in [-1, *self.options.sizes]:
            for boost in self.options.boosts if size >= 0 else ["default"]:
                counts = Counts(lambda word: word in wanted)
                for item, reference, own in zip(self.items, references, terms, strict=True):
                    chosen = []
                    if size >= 0:
                        rest = [word for word in pool if word not in own]
                        distractors = random_.sample(rest, min(len(rest), size // 2))
                        distractors += random_.sample(others, size - len(distractors))
                        chosen = [entry for word in [*own, *distractors] for entry in hotword(word)]
                    chosen = [Hotword(entry.phrase, self.boost(boost), entry.pronunciations) for entry in chosen]
                    said = decoder.with_hotwords(chosen).decode(self.log_probs[item["id"]])[0].text
                    words = said.lower().replace("-hidden", "").split()
                    counts.add(reference, words, {entry.phrase.lower().replace("-hidden", "") for entry in chosen})
                print(f"{'none' if size < 0 else size:>6} distractors, boost {boost:>7}: {counts.line()}", flush=True)

    def lists(self) -> None:
        """Lists of the utterance's rare words and of others."""
        decoder, random_ = self.open(), random.Random(29)
        rare = set(self.rare)
        for size in [0, *self.options.sizes]:
            lists = []
            for item in self.items:
                own = sorted({word for word in item["text"].split() if word in rare})
                lists.append(sorted({*own, *random_.sample(self.rare, max(0, size - len(own)))}) if size else [])
            for boost in self.options.boosts if size else ["default"]:
                counts = Counts(lambda word: word in rare)
                began = time.process_time()
                for item, phrases in zip(self.items, lists, strict=True):
                    chosen = decoder.with_hotwords([Hotword(word, self.boost(boost)) for word in phrases])
                    said = chosen.decode(self.log_probs[item["id"]])[0].text.lower().split()
                    counts.add(item["text"].split(), said, set(phrases))
                spent = time.process_time() - began
                print(f"list of {size:5d}, boost {boost:>7}: {counts.line()}  {spent:.1f} s of CPU", flush=True)

    def speed(self) -> None:
        """Time and memory of lists of words, half of them absent from the lexicon: searches in turn, in rounds."""
        decoders = {0: self.open()}
        random_ = random.Random(29)
        for size in self.options.sizes:
            strange = [f"{word[:4]}{other[-4:]}" for word, other in zip(random_.sample(self.rare, size),
                       random_.sample(self.rare, size), strict=True)][: size // 2]  # fmt: skip
            phrases = [*random_.sample(self.rare, size - len(strange)), *strange]
            before, began = _memory(), time.process_time()
            decoders[size] = decoders[0].with_hotwords([Hotword(word) for word in phrases])
            made, spent = time.process_time() - began, _memory() - before
            print(f"{size:6d} hotwords: made in {made:.2f} s of CPU and {spent:.0f} MB", flush=True)
        times: dict[int, list[float]] = {size: [] for size in decoders}
        for _ in range(self.options.rounds):
            for size, decoder in decoders.items():
                began = time.process_time()
                for item in self.items:
                    decoder.decode(self.log_probs[item["id"]])
                times[size].append(time.process_time() - began)
        for size, spent_in in times.items():
            more = statistics.median(with_ / without for with_, without in zip(spent_in, times[0], strict=True)) - 1
            print(f"{size:6d} hotwords: searched in {min(spent_in):.3f} s at least; {more:+.1%}, the middle of rounds")
        print(f"most memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def _memory() -> float:
    """Memory of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


if __name__ == "__main__":
    main()
