"""Subtitles as broadcasters ask for them: when to break, where to break a line, how long to show.

The breaks are chosen for the whole recording at once (dynamic programming), so that cues end at the ends of sentences
and phrases, can be read in the time they have, and leave no word alone. The limits are those that the BBC's guidelines,
Netflix's and EBU's share; `asr.recognizer.subtitle_rules` checks them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from asr.decode.timed import Word
from asr.errors import ConfigError
from asr.recognizer.turns import label
from asr.text.phrases import SENTENCE_END, break_cost, is_weak_end

MOST_WORDS = 30  # of a cue
IMPOSSIBLE = 1e6


@dataclass(frozen=True)
class SubtitleStyle:
    """The limits of subtitles; times in seconds."""

    line_characters: int = 42
    lines: int = 2  # 1 or 2
    shortest: float = 1.0
    longest: float = 7.0
    characters_per_second: float = 20.0
    frame_rate: float = 25.0  # times lie on frames
    gap_frames: int = 2  # between one cue and the next
    joined_below: float = 0.5  # shorter gaps are closed to `gap_frames`
    linger: float = 0.4  # shown after the last word, where there is time
    lead: float = 0.6  # at most so early, where what is said is too fast to be read
    lag: float = 1.0  # at most so late, for the same reason
    pause: float = 1.5  # a longer one is inside no cue
    shots: tuple[float, ...] = ()  # changes of the picture: a cue near one begins or ends there

    def __post_init__(self) -> None:
        if self.lines not in (1, 2) or self.line_characters < 10:
            raise ConfigError("subtitles have one or two lines of 10 characters or more.")
        rates = self.characters_per_second, self.frame_rate
        if not 0 < self.shortest < self.longest < math.inf or not all(0 < rate < math.inf for rate in rates):
            raise ConfigError("subtitles need 0 < shortest < longest, and a rate of characters and frames above 0.")
        if not all(map(math.isfinite, self.shots)):
            raise ConfigError("changes of the picture must be numbers of seconds.")

    @property
    def gap(self) -> float:
        """The least time between cues, in seconds."""
        return self.gap_frames / self.frame_rate

    def needed(self, characters: int) -> float:
        """The time in seconds that a text of so many characters must be shown, in whole frames."""
        seconds = max(self.shortest, characters / self.characters_per_second)
        return math.ceil(seconds * self.frame_rate - 1e-6) / self.frame_rate


DEFAULT_STYLE = SubtitleStyle()


@dataclass(frozen=True)
class Cue:
    """A subtitle: its times in seconds, its text with a line break where there are two lines, its words' places."""

    start: float
    end: float
    text: str
    first: int = 0  # the first word
    last: int = 0  # the word after its last


@dataclass(frozen=True)
class _Piece:
    """What is shown of one word or of several that are written as one, such as a number."""

    text: str
    start: float
    end: float
    first: int
    last: int
    channel: int | None = None


def cues(words: Sequence[Word], style: SubtitleStyle = DEFAULT_STYLE, duration: float = math.inf) -> list[Cue]:
    """Subtitles for words in the order they are spoken, as they are to be read (`Word.display`).

    duration: of the recording, in seconds; none is shown after it, unless words are.
    """
    pieces = _pieces(words)
    spans = _divide(pieces, style)
    planned = [
        Cue(
            pieces[first].start, pieces[last - 1].end, _in_lines([piece.text for piece in pieces[first:last]], style),
            pieces[first].first, pieces[last - 1].last,
        )
        for first, last in spans
    ]  # fmt: skip
    return _timed(planned, [pieces[last - 1].start for _, last in spans], style, duration)


def _pieces(words: Sequence[Word]) -> list[_Piece]:
    pieces: list[_Piece] = []
    for place, word in enumerate(words):
        text = word.word if word.display is None else word.display
        if not text and pieces:
            pieces[-1] = replace(pieces[-1], end=word.end, last=place + 1)
        else:
            turn = not pieces or pieces[-1].channel != word.channel
            shown = (label(word.channel) if turn else "") + (text or word.word)
            pieces.append(_Piece(shown, word.start, word.end, place, place + 1, word.channel))
    return pieces


def _divide(pieces: Sequence[_Piece], style: SubtitleStyle) -> list[tuple[int, int]]:
    """The cheapest division of pieces into cues, as (first, end)."""
    count = len(pieces)
    after = [_cost_after(pieces, place, style) for place in range(count)]
    best = [0.0] + [math.inf] * count
    origin = [0] * (count + 1)
    for end in range(1, count + 1):
        length = -1
        for first in range(end - 1, max(-1, end - 1 - MOST_WORDS), -1):
            length += len(pieces[first].text) + 1
            if pieces[first].channel != pieces[end - 1].channel:
                break
            if length > style.lines * style.line_characters and end - first > 1:
                break
            cost = best[first] + _cue_cost(pieces, first, end, length, style) + after[end - 1]
            if cost < best[end]:
                best[end], origin[end] = cost, first
    spans: list[tuple[int, int]] = []
    while count:
        spans.append((origin[count], count))
        count = origin[count]
    return spans[::-1]


def _cost_after(pieces: Sequence[_Piece], place: int, style: SubtitleStyle) -> float:
    """What it costs to end a cue after a piece: little at the end of a sentence, much within a phrase."""
    if place + 1 == len(pieces):
        return 0.0
    here, following = pieces[place], pieces[place + 1]
    pause = following.start - here.end
    cost = break_cost(here.text, following.text) if here.channel == following.channel else 0.0
    if is_weak_end(here.text):
        cost += 30.0
    if pause > 0.25:
        cost *= 0.25 / pause
    if any(here.end - 0.2 <= shot <= following.start + 0.2 for shot in style.shots):
        cost -= 4.0
    return cost


def _cue_cost(pieces: Sequence[_Piece], first: int, end: int, length: int, style: SubtitleStyle) -> float:
    """What a cue costs: broken limits by far the most, then words alone, sentences begun at its end, many cues."""
    cost = 2.5
    texts = [piece.text for piece in pieces[first:end]]
    if length > style.line_characters:
        place = _best_break(texts, style)
        cost += IMPOSSIBLE if place is None else 0.3 * break_cost(texts[place - 1], texts[place])
        if place is not None and is_weak_end(texts[place - 1]):
            cost += 25.0
    start, spoken = pieces[first].start, pieces[end - 1].end
    until = pieces[end].start if end < len(pieces) else math.inf
    since = pieces[first - 1].end if first else 0.0
    needed = style.needed(length)
    room = min(until - style.gap - start, style.longest)
    if needed > room:  # it would have to begin early or stay longer than what is said
        early = min(style.lead, max(0.0, start - since) * 0.5)
        cost += 3.0 * (needed - room) + (200.0 * (needed - room - early) if needed > room + early else 0.0)
    if spoken - start > style.longest:
        cost += 1000.0 * (spoken - start - style.longest)
    for place in range(first, end - 1):
        pause = pieces[place + 1].start - pieces[place].end
        if pause > style.pause:
            cost += 1000.0 * pause
        elif pause > 0.6:
            cost += 3.0 * pause
        if texts[place - first][-1:] in SENTENCE_END:
            whole = place - first + 1, end - place - 1
            if min(whole) <= 2 and texts[-1][-1:] not in SENTENCE_END:
                cost += 12.0  # the next sentence only begins here
            cost += 1.5
    if end - first == 1 and length < 12:
        alone = texts[0][-1:] in SENTENCE_END and (first == 0 or pieces[first - 1].text[-1:] in SENTENCE_END)
        cost += 3.0 if alone else 30.0
    return cost


def _in_lines(texts: Sequence[str], style: SubtitleStyle) -> str:
    """The texts in one line if they fit, else in two, broken at a phrase."""
    line = " ".join(texts)
    if len(line) <= style.line_characters or len(texts) == 1:
        return line
    place = _best_break(texts, style)
    if place is None:
        place = max(1, len(texts) // 2)
    return " ".join(texts[:place]) + "\n" + " ".join(texts[place:])


def _best_break(texts: Sequence[str], style: SubtitleStyle) -> int | None:
    """The word that the second line begins with, None if two lines do not hold the texts."""
    total = len(" ".join(texts))
    best, found = math.inf, None
    upper = -1
    for place in range(1, len(texts)):
        upper += len(texts[place - 1]) + 1
        lower = total - upper - 1
        if upper > style.line_characters or lower > style.line_characters or style.lines < 2:
            continue
        cost = break_cost(texts[place - 1], texts[place]) + abs(upper - lower) / 8
        if place == 1 or place == len(texts) - 1:
            cost += 15.0 if min(upper, lower) < 9 else 4.0
        if cost < best:
            best, found = cost, place
    return found


def _timed(planned: list[Cue], last_words: Sequence[float], style: SubtitleStyle, duration: float) -> list[Cue]:
    """The cues with times on frames: shown long enough to be read, with gaps, as near to what is said as that allows.

    last_words: when the last word of each begins, before which the next cue is not shown. duration: of the recording.
    """
    frame = 1 / style.frame_rate
    if not planned:
        return []
    starts = [round(cue.start / frame) for cue in planned]
    ends = [math.ceil(cue.end / frame - 1e-6) for cue in planned]
    needed = [round(style.needed(len(cue.text)) / frame) for cue in planned]
    longest = math.floor(style.longest / frame + 1e-6)
    gap, lead, linger = style.gap_frames, math.floor(style.lead / frame), round(style.linger / frame)
    joined = round(style.joined_below / frame)
    shots = [round(shot / frame) for shot in style.shots]
    earliest = [0] + [math.ceil(time / frame) + gap + 1 for time in last_words[:-1]]
    earliest = [max(begin - lead, min(begin, least)) for begin, least in zip(starts, earliest, strict=True)]
    whole = max(cue.end for cue in planned) <= duration < math.inf  # of no recording that ends before its words
    close = math.floor(duration / frame + 1e-6) if whole else None
    latest = list(starts)  # beginnings from which each cue and all after it can be read in time
    if close is not None:
        latest[-1] = max(earliest[-1], min(starts[-1], close - needed[-1]))
    for place in range(len(planned) - 2, -1, -1):
        latest[place] = max(earliest[place], min(starts[place], latest[place + 1] - gap - needed[place]))
    timed: list[Cue] = []
    free = 0  # the first frame that may be used
    for place, cue in enumerate(planned):
        begin = max(free, latest[place], 0)
        begin = _at_shot(begin, starts[place], shots, free, round(0.3 / frame))
        if place and begin - free < joined - gap and free >= earliest[place]:
            begin = free  # a short gap that the cue before could not close
        following = latest[place + 1] if place + 1 < len(planned) else None
        end = max(ends[place] + linger, begin + needed[place])
        if following is not None:
            end = min(end, max(following - gap, begin + needed[place]))
            if 0 < following - gap - end < joined:
                end = following - gap
        end = min(end, begin + longest)
        if close is not None:
            end = max(begin + 1, min(end, close))
        for shot in shots:  # end before the picture changes, rather than just after it
            if begin + needed[place] <= shot - gap < end <= shot + round(0.5 / frame) and shot - gap >= ends[place] - 3:
                end = shot - gap
        timed.append(replace(cue, start=begin * frame, end=end * frame))
        free = end + gap
    return timed


def _at_shot(begin: int, spoken: int, shots: Sequence[int], free: int, near: int) -> int:
    """The beginning moved to a change of picture close before it, where nothing else is shown."""
    close = [shot for shot in shots if free <= shot <= begin and begin - shot <= near and spoken - shot <= near]
    return close[-1] if close else begin
