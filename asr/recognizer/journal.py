"""The words of long recordings as they are completed, in a file that outlives the process.

The first line says of what the journal is; each other one holds the words of a channel up to a pause. It is only ever
added to and flushed to disk, so that a kill leaves at most one torn line at its end, which is dropped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from asr.atomic_file import replacing
from asr.decode.timed import Word
from asr.json_text import parse_json

FORMAT = 1


class Journal:
    """A journal in a file, of one recording and one way to transcribe it. It is written from the first entry on.

    What an earlier one holds is taken over if it is of the same recording and settings, else replaced.
    """

    def __init__(self, path: str | Path, subject: Mapping[str, object]) -> None:
        """subject: what a transcript depends on, as values of JSON."""
        self._path = Path(path)
        self._head = json.dumps({"format": FORMAT, **subject}, sort_keys=True)
        self._words: dict[int, list[Word]] = {}
        self._stops: dict[int, int] = {}
        self._begun = False
        self._read()

    def words(self, channel: int = 0) -> list[Word]:
        """The words of a channel so far."""
        return list(self._words.get(channel, []))

    def stop(self, channel: int = 0) -> int:
        """How far they go, in samples; a pause is there."""
        return self._stops.get(channel, 0)

    def add(self, words: Sequence[Word], stop: int, channel: int = 0) -> None:
        """Keep the next words of a channel, up to a pause at sample `stop`."""
        self._take(words, stop, channel)
        if not self._begun:
            with replacing(self._path) as temporary:
                temporary.write_text(self._head + "\n", encoding="utf-8")
            self._begun = True
        rows = [[word.word, word.start, word.end, word.confidence] for word in words]
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"channel": channel, "stop": stop, "words": rows}, ensure_ascii=False) + "\n")
            file.flush()
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
        whole = data[: data.rfind(b"\n") + 1]
        lines = whole.splitlines()
        if not lines or lines[0] != self._head.encode():
            return
        try:
            for line in lines[1:]:
                entry = parse_json(line)
                words = [Word(word, start, end, confidence) for word, start, end, confidence in entry["words"]]
                self._take(words, entry["stop"], entry["channel"])
        except (ValueError, KeyError, TypeError):
            self._words, self._stops = {}, {}
            return
        if len(whole) < len(data):
            os.truncate(self._path, len(whole))
        self._begun = True
