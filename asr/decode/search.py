"""The beam search, compiled: CTC prefix search over a lexicon with an n-gram at word ends.

A hypothesis is a prefix: the words so far (its history), a node of the lexicon's tree, and the last token. It carries
two probabilities (Graves 2012, "Sequence transduction", and Hannun et al. 2014): of all alignments that end in blank,
and of all that end in the last token. Alignments of one prefix are summed; the score of a word sequence is

    ln P(tokens of the words | audio), summed over alignments and spellings
    + lm_weight * ln P(words, </s>) + word_score * number of words

While inside a word, the best unigram score of the words still reachable (look-ahead) stands in for the word's own.
The word boundary after the last word may be left out by the audio.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr.lm.compiled import compile_cached
from asr.lm.ngram_tables import MAX_ORDER, NgramArrays, mix, score_word

# What is written here for speed, each measured: arrays are handed over one by one and not in tuples inside the
# loops over candidates (twice as fast), nothing is allocated in a frame, and NumPy's sorting, partition and indexing
# by arrays stay outside (they take 20 of 30 seconds to compile).

ROOT = 0
NO_WORD = -1
MINUS_INFINITY = -np.inf

# Columns of a hypothesis's integers: node of the tree, last token (-1: none yet), its history, a word to append to
# that (or NO_WORD), first and one past the last frame of the word at hand.
NODE, LAST, HISTORY, WORD, START, END = range(6)
# Columns of its scores: ln of the sum of alignments that end in blank, and of those that end in the last token;
# weighted LM and word scores of its finished words; the greatest single contribution, whose times are kept.
BLANK, TOKEN, LANGUAGE, STRONGEST = range(4)
# Columns of a history: the history it goes on from, its last word, the frames of that; then the LM's context.
PARENT, LAST_WORD, FIRST_FRAME, END_FRAME, CONTEXT = range(5)


class Settings(NamedTuple):
    """Numbers that steer the search; `boundary` is the boundary's token or -1."""

    lm_weight: float
    word_score: float
    beam_size: int
    threshold: float
    token_threshold: float
    boundary: int


class Language(NamedTuple):
    """The n-gram model, if `used`; `word_ids` are its ids of the lexicon's words, -1 where it has none."""

    used: bool
    tables: NgramArrays
    word_ids: NDArray[np.int32]
    begin: int
    end: int
    unknown_score: float


@compile_cached()
def log_add(left, right):  # type: ignore[no-untyped-def]
    if left < right:
        left, right = right, left
    if right == MINUS_INFINITY:
        return left
    return left + np.log1p(np.exp(right - left))


@compile_cached()
def _word_language(language, settings, histories, history, word):  # type: ignore[no-untyped-def]
    """Weighted LM and word score of a word after a history."""
    if not language.used:
        return settings.word_score
    index = language.word_ids[word]
    if index < 0:
        return settings.word_score + settings.lm_weight * language.unknown_score
    return settings.word_score + settings.lm_weight * score_word(language.tables, histories, history, CONTEXT, index)


@compile_cached()
def _slot(keys, stamps, stamp, key):  # type: ignore[no-untyped-def]
    """Where `key` stands in this frame's table, or the free slot for it; the frame's stamp marks what is taken."""
    mask = np.uint64(len(keys) - 1)
    slot = key & mask
    while stamps[slot] == stamp and keys[slot] != key:
        slot = (slot + np.uint64(1)) & mask
    return slot


@compile_cached()
def _set(rows, index, node, last, history, word, start, end):  # type: ignore[no-untyped-def]
    rows[index, NODE], rows[index, LAST], rows[index, HISTORY] = node, last, history
    rows[index, WORD], rows[index, START], rows[index, END] = word, start, end


@compile_cached()
def _stay(size, beam, scores, hashes, lookahead, row, frame, settings, pool, pool_scores, keys, values, stamps):  # type: ignore[no-untyped-def]
    """Candidates that remain the prefixes they are: one more blank, or the last token held on. Returns the best."""
    best = MINUS_INFINITY
    for index in range(size):
        node, last = beam[index, NODE], beam[index, LAST]
        key = mix(mix(hashes[beam[index, HISTORY]], node), last + 1)
        slot = _slot(keys, stamps, frame, key)
        keys[slot], stamps[slot], values[slot] = key, frame, index
        for column in range(6):
            pool[index, column] = beam[index, column]
        blank = log_add(scores[index, BLANK], scores[index, TOKEN]) + row[0]
        token = scores[index, TOKEN] + row[last] if last >= 0 else MINUS_INFINITY
        pool_scores[index, BLANK], pool_scores[index, TOKEN] = blank, token
        pool_scores[index, LANGUAGE] = scores[index, LANGUAGE]
        pool_scores[index, STRONGEST] = max(blank, token)
        if token > blank and last != settings.boundary:
            pool[index, END] = frame + 1
        ahead = settings.lm_weight * lookahead[node] if node != ROOT else 0.0
        best = max(best, log_add(blank, token) + scores[index, LANGUAGE] + ahead)
    return best


@compile_cached()
def _offer(  # type: ignore[no-untyped-def]
    pool, pool_scores, keys, values, stamps, count, key, acoustic, score, node, token, history, word, start, end, frame
):  # fmt: skip
    """Add a contribution to the candidate of a prefix, or make it one; returns the number of candidates."""
    slot = _slot(keys, stamps, frame, key)
    if stamps[slot] == frame:
        found = values[slot]
        if acoustic > pool_scores[found, STRONGEST]:
            # The same words by a stronger path: its times are the ones to keep.
            pool_scores[found, STRONGEST] = acoustic
            _set(pool, found, node, token, history, word, start, end)
        pool_scores[found, TOKEN] = log_add(pool_scores[found, TOKEN], acoustic)
        return count
    keys[slot], stamps[slot], values[slot] = key, frame, count
    _set(pool, count, node, token, history, word, start, end)
    pool_scores[count, BLANK], pool_scores[count, TOKEN] = MINUS_INFINITY, acoustic
    pool_scores[count, LANGUAGE], pool_scores[count, STRONGEST] = score, acoustic
    return count + 1


@compile_cached()
def _extend(  # type: ignore[no-untyped-def]
    size, beam, scores, histories, hashes, trie, language, row, frame, settings, pool, pool_scores, keys, values,
    stamps, best,
):  # fmt: skip
    """Candidates that take one more token, into the middle of a word or to its end; returns how many there are now."""
    child_starts, child_tokens, child_nodes = trie.child_starts, trie.child_tokens, trie.child_nodes
    word_starts, words, lookahead = trie.word_starts, trie.words, trie.lookahead
    threshold = settings.threshold
    token_floor = MINUS_INFINITY
    for token in range(len(row)):
        token_floor = max(token_floor, row[token])
    token_floor -= settings.token_threshold
    count = size
    for index in range(size):
        node, last, history = beam[index, NODE], beam[index, LAST], beam[index, HISTORY]
        both = log_add(scores[index, BLANK], scores[index, TOKEN])
        for place in range(child_starts[node], child_starts[node + 1]):
            token, child = child_tokens[place], child_nodes[place]
            acoustic = (scores[index, BLANK] if token == last else both) + row[token]
            reach = acoustic + scores[index, LANGUAGE] + settings.lm_weight * lookahead[child]
            if row[token] < token_floor or acoustic == MINUS_INFINITY or reach < best - threshold:
                continue
            start = frame if node == ROOT else beam[index, START]
            end = beam[index, END] if token == settings.boundary and node != ROOT else frame + 1
            if child_starts[child] < child_starts[child + 1]:
                best = max(best, reach)
                key = mix(mix(hashes[history], child), token + 1)
                count = _offer(
                    pool, pool_scores, keys, values, stamps, count, key, acoustic, scores[index, LANGUAGE],
                    child, token, history, NO_WORD, start, end, frame,
                )  # fmt: skip
            for entry in range(word_starts[child], word_starts[child + 1]):
                word = words[entry]
                score = scores[index, LANGUAGE] + _word_language(language, settings, histories, history, word)
                if acoustic + score < best - threshold:
                    continue
                best = max(best, acoustic + score)
                key = mix(mix(mix(hashes[history], word), ROOT), token + 1)
                count = _offer(
                    pool, pool_scores, keys, values, stamps, count, key, acoustic, score,
                    ROOT, token, history, word, start, end, frame,
                )  # fmt: skip
    return count


@compile_cached()
def _nth_greatest(values, count, wanted):  # type: ignore[no-untyped-def]
    """The `wanted`-th greatest (from 1) of the first `count` values, which are put in another order (quickselect)."""
    low, high, place = 0, count - 1, wanted - 1
    while low < high:
        pivot = values[(low + high) // 2]
        left, right = low, high
        while left <= right:
            while values[left] > pivot:
                left += 1
            while values[right] < pivot:
                right -= 1
            if left <= right:
                values[left], values[right] = values[right], values[left]
                left += 1
                right -= 1
        if place <= right:
            high = right
        elif place >= left:
            low = left
        else:
            break
    return values[place]


@compile_cached()
def _survivors(pool, pool_scores, lookahead, settings, count, totals, scratch, kept):  # type: ignore[no-untyped-def]
    """Choose the best candidates within the threshold of the best one; ties by order of creation. Returns how many."""
    best = MINUS_INFINITY
    for index in range(count):
        node = pool[index, NODE]
        total = log_add(pool_scores[index, BLANK], pool_scores[index, TOKEN]) + pool_scores[index, LANGUAGE]
        totals[index] = total + (settings.lm_weight * lookahead[node] if node != ROOT else 0.0)
        best = max(best, totals[index])
    floor = best - settings.threshold
    number = 0
    for index in range(count):
        if totals[index] >= floor and totals[index] > MINUS_INFINITY:
            scratch[number] = totals[index]
            number += 1
    above = 0  # how many are better than the last that fits
    if number > settings.beam_size:
        floor = _nth_greatest(scratch, number, settings.beam_size)
        for index in range(count):
            above += totals[index] > floor
    ties = settings.beam_size - above
    number = 0
    for index in range(count):
        if totals[index] > floor or (totals[index] == floor and ties > 0 and totals[index] > MINUS_INFINITY):
            ties -= totals[index] == floor
            kept[number] = index
            number += 1
    return number


@compile_cached()
def _grown_rows(array):  # type: ignore[no-untyped-def]
    larger = np.full((2 * array.shape[0], array.shape[1]), -1, np.int32)
    for row in range(array.shape[0]):
        for column in range(array.shape[1]):
            larger[row, column] = array[row, column]
    return larger


@compile_cached()
def _grown(array):  # type: ignore[no-untyped-def]
    larger = np.zeros(2 * len(array), np.uint64)
    for index in range(len(array)):
        larger[index] = array[index]
    return larger


@compile_cached()
def _take(kept, size, pool, pool_scores, beam, scores):  # type: ignore[no-untyped-def]
    """Make the survivors the beam; returns how many ended a word."""
    ended = 0
    for index in range(size):
        for column in range(6):
            beam[index, column] = pool[kept[index], column]
        for column in range(4):
            scores[index, column] = pool_scores[kept[index], column]
        ended += beam[index, WORD] != NO_WORD
    return ended


@compile_cached()
def _write_histories(size, beam, histories, hashes, used, language):  # type: ignore[no-untyped-def]
    """Give each hypothesis that ended a word its new history; returns the number of histories."""
    for index in range(size):
        word = beam[index, WORD]
        if word == NO_WORD:
            continue
        parent = beam[index, HISTORY]
        histories[used, PARENT], histories[used, LAST_WORD] = parent, word
        histories[used, FIRST_FRAME], histories[used, END_FRAME] = beam[index, START], beam[index, END]
        hashes[used] = mix(hashes[parent], word)
        if language.used and language.word_ids[word] >= 0:
            histories[used, CONTEXT] = language.word_ids[word]
            for place in range(1, MAX_ORDER):
                histories[used, CONTEXT + place] = histories[parent, CONTEXT + place - 1]
        beam[index, HISTORY], beam[index, WORD] = used, NO_WORD
        used += 1
    return used


@compile_cached()
def _boundary_child(trie, node, boundary):  # type: ignore[no-untyped-def]
    for place in range(trie.child_starts[node], trie.child_starts[node + 1]):
        if trie.child_tokens[place] == boundary:
            return trie.child_nodes[place]
    return -1


@compile_cached()
def _complete(size, beam, scores, trie, settings, out, out_scores):  # type: ignore[no-untyped-def]
    """Hypotheses that are whole word sequences: between words, or lacking only the boundary of their last word.

    If there is neither, what each has of whole words. Returns how many were written to `out`.
    """
    count = 0
    for cut_words in range(2):
        for index in range(size):
            node = beam[index, NODE]
            child = _boundary_child(trie, node, settings.boundary) if node != ROOT else -1
            first, last = (trie.word_starts[child], trie.word_starts[child + 1]) if child >= 0 else (0, 0)
            if node == ROOT or cut_words == 1:
                first -= 1
            for entry in range(first, last):
                ends_word = child >= 0 and entry >= trie.word_starts[child]
                for column in range(6):
                    out[count, column] = beam[index, column]
                out[count, WORD] = trie.words[entry] if ends_word else NO_WORD
                out_scores[count, TOKEN] = log_add(scores[index, BLANK], scores[index, TOKEN])
                out_scores[count, LANGUAGE] = scores[index, LANGUAGE]
                count += 1
        if count:
            break
    return count


@compile_cached()
def _close(count, out, out_scores, histories, hashes, language, settings):  # type: ignore[no-untyped-def]
    """Write the last histories and add the score of </s>; out_scores[:, LANGUAGE] is then complete."""
    for index in range(count):
        if out[index, WORD] != NO_WORD:
            score = _word_language(language, settings, histories, out[index, HISTORY], out[index, WORD])
            out_scores[index, LANGUAGE] += score
    used = _write_histories(count, out, histories, hashes, len(hashes) - count, language)
    for index in range(count):
        if language.used:
            history = out[index, HISTORY]
            end = score_word(language.tables, histories, history, CONTEXT, language.end)
            out_scores[index, LANGUAGE] += settings.lm_weight * end
    return used


@compile_cached()
def _widths(trie):  # type: ignore[no-untyped-def]
    """The most children and the most words that a node has."""
    widest = most_words = 0
    for node in range(len(trie.child_starts) - 1):
        widest = max(widest, trie.child_starts[node + 1] - trie.child_starts[node])
        most_words = max(most_words, trie.word_starts[node + 1] - trie.word_starts[node])
    return widest, most_words


@compile_cached()
def search(log_probs, trie, language, settings):  # type: ignore[no-untyped-def]
    """Search one utterance.

    log_probs: (frames, tokens), blank first. Returns, for every word sequence that was left, its acoustic score, its
    weighted LM and word scores, the key of its words (equal for equal words) and its history; and all histories,
    (count, columns) as above, to read the words from.
    """
    widest, most_words = _widths(trie)
    capacity = settings.beam_size * (1 + min(widest, log_probs.shape[1]) * (1 + most_words))
    slots = 1024
    while slots < 2 * capacity:
        slots *= 2
    keys, values, stamps = np.zeros(slots, np.uint64), np.zeros(slots, np.int32), np.full(slots, -1, np.int32)
    pool, pool_scores = np.zeros((capacity, 6), np.int32), np.zeros((capacity, 4))
    beam, scores = np.zeros((settings.beam_size, 6), np.int32), np.zeros((settings.beam_size, 4))
    totals, scratch, kept = np.zeros(capacity), np.zeros(capacity), np.zeros(capacity, np.int64)
    histories, hashes = np.full((256, CONTEXT + MAX_ORDER), -1, np.int32), np.zeros(256, np.uint64)
    histories[0, CONTEXT] = language.begin
    hashes[0] = np.uint64(1)
    _set(beam, 0, ROOT, -1, 0, NO_WORD, 0, 0)
    scores[0, TOKEN] = MINUS_INFINITY
    size = used = 1
    for frame in range(len(log_probs)):
        row = log_probs[frame]
        best = _stay(
            size, beam, scores, hashes, trie.lookahead, row, frame, settings, pool, pool_scores, keys, values, stamps
        )
        count = _extend(
            size, beam, scores, histories, hashes, trie, language, row, frame, settings, pool, pool_scores, keys,
            values, stamps, best,
        )  # fmt: skip
        size = _survivors(pool, pool_scores, trie.lookahead, settings, count, totals, scratch, kept)
        ended = _take(kept, size, pool, pool_scores, beam, scores)
        while used + ended > len(hashes):
            histories, hashes = _grown_rows(histories), _grown(hashes)
        used = _write_histories(size, beam, histories, hashes, used, language)
    out, out_scores = np.zeros((size * (1 + most_words), 6), np.int32), np.zeros((size * (1 + most_words), 4))
    count = _complete(size, beam, scores, trie, settings, out, out_scores)
    while used + count > len(hashes):
        histories, hashes = _grown_rows(histories), _grown(hashes)
    _close(count, out, out_scores, histories, hashes, language, settings)
    final_keys, final_histories = np.zeros(count, np.uint64), np.zeros(count, np.int64)
    for index in range(count):
        final_keys[index], final_histories[index] = hashes[out[index, HISTORY]], out[index, HISTORY]
    return out_scores[:count, TOKEN], out_scores[:count, LANGUAGE], final_keys, final_histories, histories
