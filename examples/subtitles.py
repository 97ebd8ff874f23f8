"""Subtitles of a recording; with its text, of exactly that: python examples/subtitles.py talk.wav [talk.txt]"""

import sys
from pathlib import Path

from asr import Aligner, Recognizer

if len(sys.argv) < 2:
    sys.exit(__doc__)
audio = sys.argv[1]
if len(sys.argv) > 2:
    transcript = Aligner.load().align(audio, Path(sys.argv[2]).read_text())
else:
    transcript = Recognizer.load().transcribe(audio)
print(transcript.to_srt(), end="")
transcript.write("subtitles.vtt")
