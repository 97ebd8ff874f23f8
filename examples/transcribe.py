"""Text, word times and confidence of a recording: python examples/transcribe.py talk.wav"""

import sys
from pathlib import Path

from asr import AsrError, Recognizer, load_audio

if len(sys.argv) < 2:
    sys.exit(__doc__)
path = Path(sys.argv[1])
recognizer = Recognizer.load()  # the default model; load it once, use it from as many threads as you like

try:
    transcript = recognizer.transcribe(path)
except AsrError as error:  # one sentence: what is wrong with which file, and what to do
    sys.exit(f"{error}")

print(transcript.text)
for word in transcript.words:
    print(f"{word.start:6.2f} {word.end:6.2f}  {word.confidence:4.0%}  {word.word}")

# What was uploaded, or is in memory already, needs no file.
from_bytes = recognizer.transcribe(path.read_bytes(), name=path.name)
from_samples = recognizer.transcribe(load_audio(path), rate=16000)
assert from_bytes.text == from_samples.text == transcript.text

transcript.write(path.name + ".json")  # or .txt, .srt, .vtt, .tsv, .ctm
