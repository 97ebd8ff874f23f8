"""Checks the subtitles of transcripts against the rules: python tools/check_subtitles.py TRANSCRIPT.json...

TRANSCRIPT.json is what `asr transcribe --format json` wrote. Prints each broken rule and the number of each; the exit
code is 1 if any is broken.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

from asr.recognizer.subtitle_rules import RULES, breaches
from asr.recognizer.transcript import Transcript, Word


def main(paths: list[str]) -> int:
    broken: Counter[str] = Counter()
    cues = 0
    for path in paths:
        for line in Path(path).read_text(encoding="utf-8").splitlines():
            values = json.loads(line)
            words = tuple(Word(**word) for word in values["words"])
            transcript = Transcript(values["file"], values["duration"], words)
            cues += len(transcript.cues)
            for breach in breaches(transcript.cues, words):
                broken[breach.rule] += 1
                print(f"{path}: cue {breach.cue + 1}: {RULES[breach.rule]}: {breach.detail}")
    print(f"{cues} cues, {len(RULES)} rules, {broken.total()} broken: {dict(broken)}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
