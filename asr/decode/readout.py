"""What a search has found, compiled: whole word sequences from the beam, ranked, with times and confidences."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr.compiled import compile_cached
from asr.decode.search import (
    BEFORE,
    BELOW,
    BLANK,
    CONTEXT,
    END,
    END_FRAME,
    FIRST_FRAME,
    HISTORY,
    HOT,
    LANGUAGE,
    LAST_RECORD,
    LAST_WORD,
    NO_WORD,
    NODE,
    PARENT,
    RECORD,
    ROOT,
    SIZE,
    START,
    TOKEN,
    WHAT,
    boundary_child,
    hot_gain,
    next_hash,
    word_language,
)
from asr.lm.ngram.tables import MAX_ORDER, score_word

UNSURE = 1e-4  # posteriors are kept that far from 0 and 1
# Columns of Results.rows: history, a word to append to that (or NO_WORD), hypothesis of the beam
RESULT_HISTORY, RESULT_WORD, RESULT_HYPOTHESIS = range(3)
# Columns of Results.scores: nats of the acoustic and of all other scores; posterior, 0 where another row stands for it
ACOUSTIC, OTHER, POSTERIOR = range(3)


class Results(NamedTuple):
    """Room for the word sequences of a beam."""

    rows: NDArray[np.int32]  # (room, 3)
    keys: NDArray[np.uint64]  # (room,): equal for equal word sequences
    scores: NDArray[np.float64]  # (room, 3)
    order: NDArray[np.int32]  # (room,): best first
    table: NDArray[np.int32]  # (slots,): finds rows by key; a row plus 1, or 0


class Confidence(NamedTuple):
    """A word's confidence is s(bias + slope * logit(posterior) + evidence * mean ln of its tokens' probabilities),
    those relative to the best token of their frames; scores are multiplied by `scale` before they become posteriors."""

    scale: float
    bias: float
    slope: float
    evidence: float


@compile_cached(_nrt=False)
def are_log_probs(values, frames, tolerance):  # type: ignore[no-untyped-def]
    """Whether (frames, tokens) hold no NaN, nothing above `tolerance`, and sums of one, within that many nats, in most
    of `frames` frames spread evenly over them."""
    step = max(1, (len(values) + frames - 1) // frames)
    checked = wrong = 0
    for frame in range(len(values)):
        total = 0.0
        for token in range(values.shape[1]):
            value = values[frame, token]
            if not value <= tolerance:  # true of NaN
                return False
            if frame % step == 0:
                total += np.exp(value)
        if frame % step == 0:
            checked += 1
            wrong += not abs(np.log(max(total, 1e-300))) <= tolerance
    return 2 * wrong <= checked


@compile_cached()
def finish(trie, language, settings, state, results):  # type: ignore[no-untyped-def]
    """Write out the hypotheses that are whole word sequences: between words, or lacking only the boundary of their last
    word. If there is neither, what each has of whole words. Returns how many there are."""
    outside, unknown = len(trie.child_starts) - 1, len(language.word_ids) - 1
    rows, keys, scores = results.rows, results.keys, results.scores
    count = 0
    for cut_words in range(2):
        for index in range(state.counters[SIZE]):
            node, history = state.beam[NODE, index], state.beam[HISTORY, index]
            child = boundary_child(trie, node, settings.boundary) if ROOT < node < outside else -1
            first, last = (trie.word_starts[child], trie.word_starts[child + 1]) if child >= 0 else (0, 0)
            spelled = settings.open and node != ROOT and first == last
            if node == ROOT or spelled or cut_words == 1:
                first -= 1
            before = state.scores[LANGUAGE, index]
            for entry in range(first, last):
                ends_word = child >= 0 and entry >= trie.word_starts[child]
                word = trie.words[entry] if ends_word else (unknown if spelled else NO_WORD)
                gain, place = before, state.histories[history, HOT]
                if word != NO_WORD:
                    gain += word_language(language, settings, state.histories, history, word)
                    if len(language.hot.won) > 1:
                        place = hot_gain(language, place, word)[0]
                gain -= language.hot.partial[place]  # a phrase that stays incomplete has won nothing
                gain += _end_score(language, settings, state.histories, history, word)
                rows[count, RESULT_HISTORY], rows[count, RESULT_WORD] = history, word
                rows[count, RESULT_HYPOTHESIS] = index
                keys[count] = state.hashes[history]
                if word != NO_WORD:
                    keys[count] = next_hash(state.hashes, history, word, language, state.keys[index])
                mass = state.scores[BLANK, index] + state.scores[TOKEN, index]
                scores[count, ACOUSTIC], scores[count, OTHER] = np.log(mass) + state.scale[0] - before, gain
                count += 1
        if count:
            break
    return count


@compile_cached()
def _end_score(language, settings, histories, history, word):  # type: ignore[no-untyped-def]
    """Weighted LM score of </s> after a history and, unless it is NO_WORD, one more word."""
    if not language.used:
        return 0.0
    context = np.full((1, MAX_ORDER), -1, np.int32)
    for place in range(MAX_ORDER):
        context[0, place] = histories[history, CONTEXT + place]
    if word != NO_WORD:
        known = language.word_ids[word] >= 0
        for place in range(MAX_ORDER - 1, 0, -1):
            context[0, place] = context[0, place - 1] if known else -1
        context[0, 0] = language.word_ids[word]
    return settings.lm_weight * score_word(language.tables, context, 0, 0, language.end)


@compile_cached(_nrt=False)
def rank(count, results, scale, most):  # type: ignore[no-untyped-def]
    """Sum up results of equal keys into the one of the strongest acoustics, give posteriors, and list the best `most`.

    Returns how many are listed in `results.order`.
    """
    kept = _merge(count, results)
    scores, order = results.scores, results.order
    best = -np.inf
    for place in range(kept):
        best = max(best, scores[order[place], ACOUSTIC] + scores[order[place], OTHER])
    total = 0.0
    for place in range(kept):
        row = order[place]
        scores[row, POSTERIOR] = np.exp(scale * (scores[row, ACOUSTIC] + scores[row, OTHER] - best))
        total += scores[row, POSTERIOR]
    for place in range(kept):
        scores[order[place], POSTERIOR] /= total
    listed = min(most, kept)
    for place in range(listed):
        chosen = place
        for other in range(place + 1, kept):
            if _better(results, order[other], order[chosen]):
                chosen = other
        order[place], order[chosen] = order[chosen], order[place]
    return listed


@compile_cached(_nrt=False)
def _better(results, left, right):  # type: ignore[no-untyped-def]
    """Whether a row has more score than another; ties by key, so that the order of hypotheses does not matter."""
    one = results.scores[left, ACOUSTIC] + results.scores[left, OTHER]
    two = results.scores[right, ACOUSTIC] + results.scores[right, OTHER]
    return one > two or (one == two and results.keys[left] < results.keys[right])


@compile_cached(_nrt=False)
def _merge(count, results):  # type: ignore[no-untyped-def]
    """List in `results.order` one row of each key, its acoustic score that of all; the others' posterior becomes 0."""
    keys, scores, order, table = results.keys, results.scores, results.order, results.table
    mask = np.uint64(len(table) - 1)
    for slot in range(len(table)):
        table[slot] = 0
    kept = 0
    for row in range(count):
        scores[row, POSTERIOR] = 0.0
        slot = keys[row] & mask
        while table[slot] != 0 and keys[order[table[slot] - 1]] != keys[row]:
            slot = (slot + np.uint64(1)) & mask
        if table[slot] == 0:
            order[kept] = row
            kept += 1
            table[slot] = kept
            # The strongest part so far stands in the column of posteriors, until all are merged.
            scores[row, POSTERIOR] = scores[row, ACOUSTIC]
            continue
        place = table[slot] - 1
        other = order[place]
        high, low = scores[other, ACOUSTIC], scores[row, ACOUSTIC]
        strongest = scores[other, POSTERIOR]
        if low > high:
            high, low = low, high
        summed = high + np.log1p(np.exp(low - high)) if high > -np.inf else high
        if scores[row, ACOUSTIC] > strongest:
            order[place], strongest = row, scores[row, ACOUSTIC]
            scores[other, POSTERIOR] = 0.0
        scores[order[place], POSTERIOR], scores[order[place], ACOUSTIC] = strongest, summed
    return kept


@compile_cached()
def describe(row, count, results, state, confidence, boundary):  # type: ignore[no-untyped-def]
    """The words, tokens and confidences of a result: (words, 4), index, first frame, one past the last, number of
    tokens before; (tokens, 2), token and its first frame; (words,), 0..1."""
    history, word = results.rows[row, RESULT_HISTORY], results.rows[row, RESULT_WORD]
    hypothesis = results.rows[row, RESULT_HYPOTHESIS]
    records = state.records
    number = 0 if word == NO_WORD else 1
    at = history
    while at > 0:
        number += 1
        at = state.histories[at, PARENT]
    last = state.histories[history, LAST_RECORD] if word == NO_WORD else state.beam[RECORD, hypothesis]
    length, at = 0, last
    while at >= 0:
        length += 1
        at = records[at, BEFORE]
    words, tokens = np.zeros((number, 4), np.int32), np.zeros((length, 2), np.int32)
    found = np.zeros(number)
    _write_words(words, history, word, hypothesis, length, last, state)
    _agreement(words, count, results, state, found)
    at, place = last, length
    for index in range(number - 1, -1, -1):
        below, counted = 0.0, 0
        while place > words[index, 3]:
            place -= 1
            tokens[place, 0], tokens[place, 1] = records[at, WHAT], records[at, WHAT + 1]
            if records[at, WHAT] != boundary:
                below, counted = below + records[at, BELOW], counted + 1
            at = records[at, BEFORE]
        posterior = min(max(found[index], UNSURE), 1 - UNSURE)
        total = confidence.bias + confidence.slope * (np.log(posterior) - np.log1p(-posterior))
        total -= confidence.evidence * below / 1000 / max(1, counted)
        found[index] = 1 / (1 + np.exp(-total))
    while place > 0:  # a boundary before the first word
        place -= 1
        tokens[place, 0], tokens[place, 1] = records[at, WHAT], records[at, WHAT + 1]
        at = records[at, BEFORE]
    return words, tokens, found


@compile_cached(_nrt=False)
def _write_words(words, history, word, hypothesis, length, last, state):  # type: ignore[no-untyped-def]
    """Fill `words` from the last one back; last: the record of the last of `length` tokens."""
    place, record = length, last
    for row in range(len(words) - 1, -1, -1):
        if row == len(words) - 1 and word != NO_WORD:
            words[row, 0] = word
            words[row, 1], words[row, 2] = state.beam[START, hypothesis], state.beam[END, hypothesis]
            parent = history
        else:
            words[row, 0], words[row, 1], words[row, 2] = _last_word(state.histories, history)
            parent = state.histories[history, PARENT]
        until = state.histories[parent, LAST_RECORD]
        while record != until and record >= 0:
            place -= 1
            record = state.records[record, BEFORE]
        words[row, 3] = place
        history = parent


@compile_cached(_nrt=False)
def _agreement(words, count, results, state, found):  # type: ignore[no-untyped-def]
    """For each of `words` the posterior of those results that hold it at an overlapping time, added to `found`."""
    for row in range(count):
        posterior = results.scores[row, POSTERIOR]
        if posterior == 0.0:
            continue
        place = len(words) - 1
        history, word = results.rows[row, RESULT_HISTORY], results.rows[row, RESULT_WORD]
        hypothesis = results.rows[row, RESULT_HYPOTHESIS]
        start, end = state.beam[START, hypothesis], state.beam[END, hypothesis]
        if word == NO_WORD:
            word, start, end = _last_word(state.histories, history)
            history = state.histories[history, PARENT]
        while word != NO_WORD:
            while place >= 0 and words[place, 1] >= end:
                place -= 1
            match = place
            while match >= 0 and words[match, 2] > start:
                if words[match, 0] == word:
                    found[match] += posterior
                    break
                match -= 1
            if history < 0:
                break
            word, start, end = _last_word(state.histories, history)
            history = state.histories[history, PARENT]


@compile_cached(_nrt=False)
def _last_word(histories, history):  # type: ignore[no-untyped-def]
    return histories[history, LAST_WORD], histories[history, FIRST_FRAME], histories[history, END_FRAME]
