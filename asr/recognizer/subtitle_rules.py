"""Rules for subtitles, and a check of cues against them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from asr.decode.timed import Word
from asr.recognizer.reading import text_of
from asr.recognizer.subtitles import DEFAULT_STYLE, Cue, SubtitleStyle
from asr.recognizer.turns import label, turns
from asr.text.phrases import SENTENCE_END, is_weak_end

TOLERANCE = 1e-6
HESITATION = 0.6  # seconds of silence within a phrase, at which a cue may end
LATE_END = 2.5  # seconds that a cue may stay after its last word, beyond what reading takes

RULES = {
    "order": "cues follow each other in time",
    "positive": "a cue ends after it begins",
    "gap": "two frames or more between cues",
    "flicker": "a short gap is exactly two frames",
    "lines": "two lines at most",
    "width": "42 characters a line at most",
    "empty": "no empty cue and no empty line",
    "shortest": "shown for a second or more",
    "longest": "shown for seven seconds at most",
    "speed": "20 characters a second at most",
    "words": "every word is shown, once, in order",
    "spaces": "no space at the ends of a line, none doubled",
    "one line": "what fits into one line is in one line",
    "orphan cue": "no short word alone in a cue, unless it is a sentence or pauses stand around it",
    "orphan line": "no short word alone in a line of a cue",
    "weak end": "no line ends in an article, a possessive or a title, unless the speaker pauses there",
    "new sentence": "no cue ends with the first one or two words of a sentence that began in it",
    "early": "not shown long before it is spoken",
    "late": "not shown long after it is spoken",
    "pause": "no long pause inside a cue",
    "frames": "times lie on frames",
}  # fmt: skip


@dataclass(frozen=True)
class Breach:
    """A rule that a cue breaks."""

    rule: str  # a key of `RULES`
    cue: int  # from 0
    detail: str


def breaches(cues: Sequence[Cue], words: Sequence[Word], style: SubtitleStyle = DEFAULT_STYLE) -> list[Breach]:
    """The rules that cues made of `words` break, in the order of the cues."""
    found = [
        Breach(rule, number, detail)
        for number, cue in enumerate(cues)
        for rule, detail in itertools.chain(
            _shape(cue, style), _duration(cue, style), _text(cue, words), _against_speech(cue, words, style)
        )
    ]
    for number, (before, after) in enumerate(itertools.pairwise(cues)):
        found += [Breach(rule, number, detail) for rule, detail in _between(before, after, style)]
    shown = " ".join(cue.text.replace("\n", " ") for cue in cues)
    told = " ".join(label(turn[0].channel) + text_of(turn) for turn in turns(words))
    if shown != told:
        found.append(Breach("words", 0, "the cues' text is not the words'"))
    return sorted(found, key=lambda breach: breach.cue)


def _shape(cue: Cue, style: SubtitleStyle) -> Iterator[tuple[str, str]]:
    lines = cue.text.split("\n")
    if len(lines) > style.lines:
        yield "lines", f"{len(lines)} lines"
    for line in lines:
        if len(line) > style.line_characters:
            yield "width", f"{len(line)} characters: {line}"
        if not line.strip():
            yield "empty", "a line without text"
        if line != " ".join(line.split()):
            yield "spaces", repr(line)
    if len(lines) == 2:
        if is_weak_end(lines[0].split(" ")[-1]):
            yield "weak end", lines[0]
        if len(cue.text) <= style.line_characters:
            yield "one line", cue.text
        for line in lines:
            if len(line.split()) == 1 and len(line) < 6:
                yield "orphan line", line


def _is_over(cue: Cue) -> bool:
    return cue.text[-1:] in SENTENCE_END


def _duration(cue: Cue, style: SubtitleStyle) -> Iterator[tuple[str, str]]:
    seconds = cue.end - cue.start
    if seconds <= 0:
        yield "positive", f"{seconds:.3f} s"
        return
    if seconds < style.shortest - TOLERANCE:
        yield "shortest", f"{seconds:.2f} s"
    if seconds > style.longest + TOLERANCE:
        yield "longest", f"{seconds:.2f} s"
    if len(cue.text) / seconds > style.characters_per_second + TOLERANCE:
        yield "speed", f"{len(cue.text) / seconds:.1f} characters a second"
    for time in (cue.start, cue.end):
        if abs(time * style.frame_rate - round(time * style.frame_rate)) > 1e-3:
            yield "frames", f"{time:.4f} s"


def _text(cue: Cue, words: Sequence[Word]) -> Iterator[tuple[str, str]]:
    shown = cue.text.split()
    if len(shown) == 1 and len(shown[0]) < 8 and not _is_over(cue):
        before = words[cue.first].start - words[cue.first - 1].end if cue.first else 9.0
        after = words[cue.last].start - words[cue.last - 1].end if cue.last < len(words) else 9.0
        if min(before, after) < 0.6:
            yield "orphan cue", cue.text
    if not _is_over(cue) and cue.last < len(words):
        pause = words[cue.last].start - words[cue.last - 1].end
        if is_weak_end(shown[-1]) and pause < HESITATION:
            yield "weak end", cue.text
        for place in (-2, -3):
            if len(shown) >= -place + 1 and shown[place][-1:] in SENTENCE_END and not _is_abbreviation(shown[place]):
                yield "new sentence", cue.text


def _is_abbreviation(word: str) -> bool:
    return is_weak_end(word) or len(word) <= 2


def _against_speech(cue: Cue, words: Sequence[Word], style: SubtitleStyle) -> Iterator[tuple[str, str]]:
    spoken = words[cue.first : cue.last]
    early, late = spoken[0].start - cue.start, cue.start - spoken[0].start
    if early > style.lead + 2 / style.frame_rate:
        yield "early", f"{early:.2f} s before its first word"
    if late > style.lag:
        yield "late", f"{late:.2f} s after its first word begins"
    kept = cue.end - max(spoken[-1].end, cue.start + style.needed(len(cue.text)))
    if kept > LATE_END:
        yield "late", f"{kept:.2f} s after its last word"
    if cue.end < spoken[-1].start:
        yield "early", "gone before its last word is spoken"
    for here, after in itertools.pairwise(spoken):
        if after.start - here.end > style.pause:
            yield "pause", f"{after.start - here.end:.2f} s after '{here.word}'"


def _between(before: Cue, after: Cue, style: SubtitleStyle) -> Iterator[tuple[str, str]]:
    gap = after.start - before.end
    if after.start < before.start:
        yield "order", f"{after.start:.2f} s after {before.start:.2f} s"
    if gap < style.gap - TOLERANCE:
        yield "gap", f"{gap:.3f} s"
    elif style.gap + TOLERANCE < gap < style.joined_below:
        yield "flicker", f"{gap:.3f} s"
