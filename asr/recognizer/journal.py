"""The words of long recordings as they are completed, in a file that outlives the process.

Each line holds the words of a channel from one pause to a later one, and says of which recording and settings they are.
Lines are only ever added, each by one write, and flushed to disk. Of what is there, those lines count that go on where
the one before ended: so a kill, which may tear a line, or several processes that write the same journal neither double
nor lose words.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from asr.atomic_file import naming
from asr.decode.timed import Word
from asr.json_text import parse_json

FORMAT = 2


class Journal:
    """A journal in a file, of one recording and one way to transcribe it. It is written from the first entry on.

    What an earlier one holds is taken over if it is of the same recording and settings, else passed over.
    """

    def __init__(self, path: str | Path, subject: Mapping[str, object]) -> None:
        """subject: what a transcript depends on, as values of JSON."""
        self._path = Path(path)
        text = json.dumps({"format": FORMAT, **subject}, sort_keys=True)
        self._subject = hashlib.sha256(text.encode()).hexdigest()[:32]
        self._words: dict[int, list[Word]] = {}
        self._stops: dict[int, int] = {}
        self._read()

    def words(self, channel: int = 0) -> list[Word]:
        """The words of a channel so far."""
        return list(self._words.get(channel, []))

    def stop(self, channel: int = 0) -> int:
        """How far they go, in samples; a pause is there."""
        return self._stops.get(channel, 0)

    def add(self, words: Sequence[Word], stop: int, channel: int = 0) -> None:
        """Keep the next words of a channel, up to a pause at sample `stop`."""
        entry = {
            "of": self._subject, "channel": channel, "start": self.stop(channel), "stop": stop,
            "words": [[word.word, word.start, word.end, word.confidence] for word in words],
        }  # fmt: skip
        self._take(words, stop, channel)
        line = f"\n{json.dumps(entry)}"  # the line before it may be torn
        with naming(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab", buffering=0) as file:
                file.write(line.encode())
                os.fsync(file.fileno())

    def remove(self) -> None:
        """Delete the file, once the transcript is where it belongs."""
        self._path.unlink(missing_ok=True)

    def _take(self, words: Sequence[Word], stop: int, channel: int) -> None:
        self._words.setdefault(channel, []).extend(words)
        self._stops[channel] = stop

    def _read(self) -> None:
        try:
            data = self._path.read_bytes()
        except OSError:
            return
        for line in data.split(b"\n"):
            try:
                entry = parse_json(line)
                words = [Word(word, start, end, confidence) for word, start, end, confidence in entry["words"]]
                if entry["of"] == self._subject and entry["start"] == self.stop(entry["channel"]):
                    self._take(words, entry["stop"], entry["channel"])
            except (ValueError, KeyError, TypeError):
                continue  # torn, or of an earlier format
