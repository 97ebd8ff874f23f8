"""A CTC model of any origin with this project's search, for users of pyctcdecode.

    from pyctcdecode import build_ctcdecoder                  from asr import CtcDecoder
    decoder = build_ctcdecoder(                               decoder = CtcDecoder(
        labels, "lm.arpa", alpha=0.5, beta=1.0)                   labels, lm="lm.arpa", lm_weight=0.5, word_score=1.0)
    text = decoder.decode(logits)                             text = decoder.decode(logits).text
    pool.map(decoder.decode, batch)                           decoder.decode_batch(batch)

Labels stay as they are ('' or '<pad>' for the blank, ' ' or '|' between words, in any order), logits too. What differs:
`alpha` and `beta` are `lm_weight` and `word_score`; with an n-gram only its words (or those of `lexicon`) are written;
words have times and calibrated confidence; every alignment counts, not the best one alone.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

from asr import CtcDecoder
from asr.cli.main import cli

labels = ["", " ", "a", "b", "c", "d"]  # '' is the blank


def made_up_logits(text: str) -> np.ndarray:
    """What a model might give for a text: (frames, labels), each sign for three frames and a blank, some unsure."""
    path = [place for sign in text for place in [labels.index(sign)] * 3 + [0]]
    logits = np.random.default_rng(1).normal(size=(len(path), len(labels)))
    logits[np.arange(len(path)), path] += 6
    logits[16:19, labels.index("b")] = logits[16:19, labels.index("d")] + 0.2  # "bad" sounds like "bab"
    logits[24:27, labels.index("d")] = logits[24:27, labels.index("c")] - 0.5  # "cab" could be "dab"
    return logits


with tempfile.TemporaryDirectory() as folder:
    text, arpa = Path(folder) / "text.txt", Path(folder) / "lm.arpa"
    text.write_text("a bad cab\ndab a bad cab\na cab\nbad dab a\n" * 5)
    cli(["lm", "ngram", str(text), "--order", "3", "--output", str(arpa)], standalone_mode=False)
    logits = made_up_logits("a bad cab ")

    print("best path:  ", CtcDecoder(labels).decode(logits).text)
    decoder = CtcDecoder(labels, lm=arpa, lm_weight=0.5, word_score=1.0, frame_seconds=0.02)
    best = decoder.decode(logits)
    print("with n-gram:", best.text)
    for word in best.words:
        print(f"  {word.start:5.2f} s to {word.end:5.2f} s, confidence {word.confidence:.2f}: {word.word}")
    for other in decoder.decode_nbest(logits, 3):
        print(f"  {other.score:8.2f} {other.text}")
    print("hotword:    ", decoder.with_hotwords({"dab": 5.0}).decode(logits).text)

    sys.exit(0 if best.text == "a bad cab" else 1)
