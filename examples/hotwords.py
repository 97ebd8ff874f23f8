"""Favour words and phrases of your own: python examples/hotwords.py talk.wav"""

import sys

from asr import Recognizer

if len(sys.argv) < 2:
    sys.exit(__doc__)

# Boosts are in nats, natural logs of probabilities: 3 makes a phrase 20 times as likely. Words that the lexicon
# lacks are pronounced by rule. The default boost is 6, or 9 for a phrase with such a word.
recognizer = Recognizer.load(hotwords={"beautiful morning": 3.0, "the old man": 2.0})
print(recognizer.transcribe(sys.argv[1]).text)

# Other phrases for the next recording; the model is not loaded again.
print(recognizer.with_hotwords(["river"]).transcribe(sys.argv[1]).text)
