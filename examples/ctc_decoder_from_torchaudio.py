"""A CTC model of any origin with this project's search, for users of torchaudio's `ctc_decoder`.

    from torchaudio.models.decoder import ctc_decoder         from asr import CtcDecoder
    decoder = ctc_decoder(                                    decoder = CtcDecoder(
        lexicon="lexicon.txt", tokens=tokens,                     tokens, lexicon="lexicon.txt", lm="lm.arpa",
        lm="lm.arpa", lm_weight=3.23, word_score=-0.26)           lm_weight=3.23 / 2.303, word_score=-0.26)
    results = decoder(emissions, lengths)                     results = decoder.decode_batch(emissions, lengths=lengths)
    text = " ".join(results[0][0].words)                      text = results[0].text

`tokens` are the labels of the columns, '-' or '<blank>' for the blank and '|' between words. Scores are natural logs
here, log10 there: divide `lm_weight` by 2.303.
"""

import tempfile
from pathlib import Path

import numpy as np

from asr import CtcDecoder

tokens = ["-", "|", *"eilnotsw"]
words = ["listen", "silent", "to", "two", "ten", "ton", "it"]


def made_up_emission(text: str) -> np.ndarray:
    """What a model might give for a text: log-probabilities (frames, tokens)."""
    path = [place for sign in text for place in [tokens.index("|" if sign == " " else sign)] * 2 + [0]]
    logits = np.random.default_rng(2).normal(size=(len(path), len(tokens)))
    logits[np.arange(len(path)), path] += 6
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


with tempfile.TemporaryDirectory() as folder:
    lexicon = Path(folder) / "lexicon.txt"
    lexicon.write_text("".join(f"{word}\t{' '.join(word)} |\n" for word in words))
    decoder = CtcDecoder(tokens, lexicon=lexicon, beam_size=50, frame_seconds=0.02)

batch = [made_up_emission("listen to it "), made_up_emission("two ten ")]
for result in decoder.decode_batch(batch, threads=2):
    print(result.text, [(word.word, round(word.start, 2)) for word in result.words])

session = decoder.start()  # what arrives in pieces
for start in range(0, len(batch[0]), 10):
    session.feed(batch[0][start : start + 10])
    print("so far:", session.partial().text)
print("in the end:", session.finish()[0].text)
