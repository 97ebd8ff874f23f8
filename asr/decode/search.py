"""The beam search, compiled: CTC prefix search over a lexicon with an n-gram at word ends.

A hypothesis is a prefix: the words so far (its history), a node of the lexicon's tree, and the last token. It carries
two probabilities (Graves 2012, "Sequence transduction", and Hannun et al. 2014): of all alignments that end in blank,
and of all that end in the last token. Alignments of one prefix are summed; the score of a word sequence is

    ln P(tokens of the words | audio), summed over alignments and spellings
    + lm_weight * ln P(words, </s>) + word_score * number of words + what hotwords and unknown words add

While inside a word, the best unigram score of the words still reachable (look-ahead) stands in for the word's own.
The word boundary after the last word may be left out by the audio.

Probabilities are kept as plain numbers, language scores multiplied in, relative to the best hypothesis of the frame, so
that the inner loop multiplies and adds and takes no logarithm: `SCALE` remembers what was divided out.

With `Settings.open` a prefix may leave the tree and spell what it likes up to a word boundary: an unknown word, at its
price. Its node is then `outside`, and what it spelled is in its token records.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr.compiled import compile_cached
from asr.decode.hotwords import HotwordArrays
from asr.lm.ngram.tables import MAX_ORDER, NgramArrays, score_word

# What is written here for speed, each measured: loops read local arrays, not fields of tuples; a frame allocates
# nothing; NumPy's sorting, partition and indexing by arrays stay outside (they take 20 of 30 seconds to compile).

ROOT = 0
NO_WORD = -1
STAY = -1  # in place of a token: the prefix stays what it is
LEAST = -80.0  # nats below a frame's best at which a probability is as good as zero, and still a number
CACHED_SCORES = 2048  # language scores of (history, word) kept, a power of two; more miss the processor's cache

# Numbers of a search that change with each frame, in State.counters and State.scale
SIZE, HISTORIES, RECORDS, FRAME = range(4)
# Rows of State.beam: node of the tree, last token (-1: none yet), history, record of the last token, first frame and
# one past the last frame of the word at hand.
NODE, LAST, HISTORY, RECORD, START, END = range(6)
# Rows of State.scores: alignments that end in blank, alignments that end in the last token (language scores multiplied
# into both), the language scores themselves in nats.
BLANK, TOKEN, LANGUAGE = range(3)
# Columns of a history: the one it goes on from, its last word, the frames of that, the record of its last token, its
# place among the hotwords, whether a neural language model has scored it; then the n-gram model's context.
PARENT, LAST_WORD, FIRST_FRAME, END_FRAME, LAST_RECORD, HOT, FUSED, CONTEXT = range(8)
# Columns of a record: the record it goes on from, its token, the first frame of that, and how far below that frame's
# best token it was, in thousandths of a nat.
BEFORE, WHAT, WHEN, BELOW = range(4)
# What `advance` returns
DONE, MORE_CANDIDATES, MORE_ROWS = range(3)


class Settings(NamedTuple):
    """Numbers that steer the search; `boundary` is the boundary's token or -1."""

    lm_weight: float
    word_score: float
    beam_size: int
    threshold: float
    token_threshold: float
    boundary: int
    open: bool
    unknown_score: float
    letter_score: float


class Language(NamedTuple):
    """The n-gram model, if `used`; `word_ids` are its ids of the lexicon's words and, last, of the unknown word; -1
    where it has none; the automaton of the hotwords."""

    used: bool
    tables: NgramArrays
    word_ids: NDArray[np.int32]
    begin: int
    end: int
    missing_score: float
    hot: HotwordArrays


class State(NamedTuple):
    """A search in progress."""

    counters: NDArray[np.int64]
    scale: NDArray[np.float64]  # (1,): nats divided out so far
    beam: NDArray[np.int32]  # (6, beam)
    scores: NDArray[np.float64]  # (3, beam)
    keys: NDArray[np.uint64]  # (beam,): equal for equal prefixes
    histories: NDArray[np.int32]  # (room, CONTEXT + MAX_ORDER)
    hashes: NDArray[np.uint64]  # (room,): equal for equal word sequences
    records: NDArray[np.int32]  # (room, 4)
    fused_keys: NDArray[np.uint64]  # (slots,): hashes of histories whose last word a neural model has scored; 0: free
    fused_gains: NDArray[np.float64]  # (slots,): what that adds to the word's weighted score


class Candidates(NamedTuple):
    """Room for the prefixes that a frame's survivors are chosen from, and the table that finds them by key."""

    origins: NDArray[np.int32]  # (4, room): hypothesis, token or STAY, node, word
    scores: NDArray[np.float64]  # (6, room): blank, token, strongest part, language, total, scratch
    keys: NDArray[np.uint64]  # (room,)
    chosen: NDArray[np.int32]  # (room,)
    table: NDArray[np.int64]  # (slots,): stamp << 32 | candidate


class Work(NamedTuple):
    """Scratch of the search, and language scores that may be asked for again."""

    everything: NDArray[np.float64]  # (tokens,): a frame's probabilities
    below: NDArray[np.int32]  # (tokens,): of those worth trying, thousandths of a nat below the frame's best
    passing: NDArray[np.float64]  # (tokens,)
    active: NDArray[np.int32]  # (tokens,)
    spare: NDArray[np.int32]  # (6, beam)
    cache_keys: NDArray[np.uint64]  # (CACHED_SCORES,): hashes of histories
    cache: NDArray[np.float64]  # (CACHED_SCORES, 2): weighted scores of their last words, and exp of them


@compile_cached(_nrt=False)
def join(key, value):  # type: ignore[no-untyped-def]
    """A 64-bit hash of a hash and one more number."""
    mixed = (key ^ (np.uint64(value) + np.uint64(0x9E3779B97F4A7C15))) * np.uint64(0xD6E8FEB86659FD93)
    mixed ^= mixed >> np.uint64(32)
    return mixed * np.uint64(0xD6E8FEB86659FD93)


@compile_cached(_nrt=False)
def hot_gain(language, place, word):  # type: ignore[no-untyped-def]
    """Where the hotwords stand after a word, and what that adds."""
    hot = language.hot
    number = hot.words[word]
    after = hot.following[place, number] if number >= 0 else 0
    return after, hot.partial[after] - hot.partial[place] + hot.won[after]


@compile_cached(_nrt=False)
def word_language(language, settings, histories, history, word):  # type: ignore[no-untyped-def]
    """Weighted LM score, word score and hotword score of a word (or, past the last one, the unknown word)."""
    score = settings.word_score
    if word == len(language.word_ids) - 1:
        score += settings.unknown_score
    if len(language.hot.won) > 1:
        score += hot_gain(language, histories[history, HOT], word)[1]
    if not language.used:
        return score
    index = language.word_ids[word]
    if index < 0:
        return score + settings.lm_weight * language.missing_score
    return score + settings.lm_weight * score_word(language.tables, histories, history, CONTEXT, index)


@compile_cached(_nrt=False)
def _fused_gain(state, key):  # type: ignore[no-untyped-def]
    """Whether a neural model has scored the last word of the history of that hash, and what it adds."""
    mask = np.uint64(len(state.fused_keys) - 1)
    slot = key & mask
    while state.fused_keys[slot] != 0:
        if state.fused_keys[slot] == key:
            return 1, state.fused_gains[slot]
        slot = (slot + np.uint64(1)) & mask
    return 0, 0.0


@compile_cached(_nrt=False)
def remember_gains(state, work, keys, gains):  # type: ignore[no-untyped-def]
    """Add to what `_fused_gain` finds; there must be free slots. What was cached of those words is forgotten."""
    mask = np.uint64(len(state.fused_keys) - 1)
    for place in range(len(keys)):
        slot = keys[place] & mask
        while state.fused_keys[slot] != 0:
            slot = (slot + np.uint64(1)) & mask
        state.fused_keys[slot], state.fused_gains[slot] = keys[place], gains[place]
        work.cache_keys[keys[place] & np.uint64(CACHED_SCORES - 1)] = 0


@compile_cached(_nrt=False)
def begin(state, candidates, work, language):  # type: ignore[no-untyped-def]
    """Make arrays that may have served before those of a search that has seen nothing."""
    for place in range(len(state.counters)):
        state.counters[place] = 0
    state.counters[SIZE] = state.counters[HISTORIES] = 1
    state.scale[0] = 0.0
    for row in range(6):
        state.beam[row, 0] = 0
    state.beam[LAST, 0] = state.beam[RECORD, 0] = -1
    state.scores[BLANK, 0], state.scores[TOKEN, 0], state.scores[LANGUAGE, 0] = 1.0, 0.0, 0.0
    state.keys[0] = state.hashes[0] = 1
    for column in range(state.histories.shape[1]):
        state.histories[0, column] = -1
    state.histories[0, FIRST_FRAME] = state.histories[0, END_FRAME] = state.histories[0, HOT] = 0
    state.histories[0, FUSED], state.histories[0, CONTEXT] = 1, language.begin
    for slot in range(len(candidates.table)):
        candidates.table[slot] = 0
    for slot in range(len(work.cache_keys)):
        work.cache_keys[slot] = 0


@compile_cached(_nrt=False)
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


@compile_cached(_nrt=False)
def _offer(origins, scores, keys, table, stamp, count, key, index, token, node, word, mass, gain, ahead):  # type: ignore[no-untyped-def]
    """Add a contribution to the candidate of a prefix, or make it one; returns the number of candidates."""
    mask = np.uint64(len(table) - 1)
    slot = key & mask
    while (table[slot] >> 32) == stamp:
        found = table[slot] & 0xFFFFFFFF
        if keys[found] == key:
            if mass > scores[2, found]:
                # The same prefix by a stronger path: its times are the ones to keep.
                scores[2, found] = mass
                origins[0, found], origins[1, found], origins[2, found], origins[3, found] = index, token, node, word
                scores[3, found] = gain
            scores[1, found] += mass
            scores[4, found] += mass * ahead
            return count
        slot = (slot + np.uint64(1)) & mask
    table[slot] = (stamp << 32) | count
    origins[0, count], origins[1, count], origins[2, count], origins[3, count] = index, token, node, word
    scores[0, count], scores[1, count], scores[2, count] = 0.0, mass, mass
    scores[3, count], scores[4, count] = gain, mass * ahead
    keys[count] = key
    return count + 1


@compile_cached(_nrt=False)
def _probabilities(row, settings, everything, below_best, passing, active):  # type: ignore[no-untyped-def]
    """A frame's probabilities relative to its best; `passing` is zero for tokens not to be tried, `active` lists the
    others. Returns how many those are and the best log-probability."""
    best = row[0]
    for token in range(1, len(row)):
        best = max(best, row[token])
    count = 0
    for token in range(len(row)):
        below = row[token] - best
        everything[token] = np.exp(max(below, LEAST))
        passing[token] = 0.0
        if token > 0 and below >= -settings.token_threshold:
            passing[token] = everything[token]
            below_best[token] = -1000.0 * below
            active[count] = token
            count += 1
    return count, best


@compile_cached(_nrt=False)
def _only_blank(size, beam, scores, everything):  # type: ignore[no-untyped-def]
    """A frame in which no token is worth trying; returns the best sum."""
    best = 0.0
    for index in range(size):
        last = beam[LAST, index]
        held = scores[TOKEN, index] * everything[last] if last >= 0 else 0.0
        scores[BLANK, index] = (scores[BLANK, index] + scores[TOKEN, index]) * everything[0]
        scores[TOKEN, index] = held
        best = max(best, scores[BLANK, index] + held)
    return best


@compile_cached(_nrt=False)
def _rescale(size, scores, best):  # type: ignore[no-untyped-def]
    """Divide the scores by the best and return its logarithm."""
    factor = 1.0 / best
    for index in range(size):
        scores[BLANK, index] *= factor
        scores[TOKEN, index] *= factor
    return np.log(best)


@compile_cached(_nrt=False)
def _take(number, frame, settings, language, candidates, state, work):  # type: ignore[no-untyped-def]
    """Make the chosen candidates the beam, and write records of new tokens and histories of ended words."""
    beam, scores, records = state.beam, state.scores, state.records
    origins, masses, chosen, spare = candidates.origins, candidates.scores, candidates.chosen, work.spare
    used, written = state.counters[HISTORIES], state.counters[RECORDS]
    for place in range(number):
        candidate = chosen[place]
        index, token, word = origins[0, candidate], origins[1, candidate], origins[3, candidate]
        for row in range(6):
            spare[row, place] = beam[row, index]
        spare[NODE, place] = origins[2, candidate]
        if token == STAY:
            held = masses[1, candidate] > masses[0, candidate]
            if held and beam[LAST, index] != settings.boundary:
                spare[END, place] = frame + 1
        else:
            spare[LAST, place] = token
            if beam[NODE, index] == ROOT:
                spare[START, place] = frame
            if token != settings.boundary or beam[NODE, index] == ROOT:
                spare[END, place] = frame + 1
            records[written, BEFORE], records[written, WHAT] = beam[RECORD, index], token
            records[written, WHEN], records[written, BELOW] = frame, work.below[token]
            spare[RECORD, place] = written
            written += 1
        masses[5, place] = scores[LANGUAGE, index] + masses[3, candidate]
        if word != NO_WORD:
            _write_history(used, word, spare, place, state, language, state.keys[index])
            used += 1
    for place in range(number):
        candidate = chosen[place]
        for row in range(6):
            beam[row, place] = spare[row, place]
        scores[BLANK, place], scores[TOKEN, place] = masses[0, candidate], masses[1, candidate]
        scores[LANGUAGE, place] = masses[5, place]
        state.keys[place] = candidates.keys[candidate]
    state.counters[SIZE], state.counters[HISTORIES], state.counters[RECORDS] = number, used, written


@compile_cached(_nrt=False)
def next_hash(hashes, history, word, language, key):  # type: ignore[no-untyped-def]
    """The hash of a history with one more word; unknown words differ by what they spell, which is in the key."""
    if word == len(language.word_ids) - 1:
        return join(hashes[history], key >> np.uint64(1))
    return join(hashes[history], word)


@compile_cached(_nrt=False)
def _write_history(row, word, beam, place, state, language, key):  # type: ignore[no-untyped-def]
    """Write the history that a hypothesis has after a word, and let the hypothesis go on from it."""
    histories, hashes = state.histories, state.hashes
    parent = beam[HISTORY, place]
    histories[row, PARENT], histories[row, LAST_WORD] = parent, word
    histories[row, FIRST_FRAME], histories[row, END_FRAME] = beam[START, place], beam[END, place]
    histories[row, LAST_RECORD] = beam[RECORD, place]
    histories[row, HOT] = 0
    if len(language.hot.won) > 1:
        histories[row, HOT] = hot_gain(language, histories[parent, HOT], word)[0]
    hashes[row] = next_hash(hashes, parent, word, language, key)
    histories[row, FUSED] = _fused_gain(state, hashes[row])[0]
    known = language.used and language.word_ids[word] >= 0
    histories[row, CONTEXT] = language.word_ids[word] if known else -1
    for older in range(1, MAX_ORDER):
        histories[row, CONTEXT + older] = histories[parent, CONTEXT + older - 1] if known else -1
    beam[HISTORY, place] = row


@compile_cached(_nrt=False)
def _choose(count, beam_size, floor, scores, chosen):  # type: ignore[no-untyped-def]
    """List the best candidates that reach the floor, at most `beam_size`; ties by order of creation. Their number."""
    totals, scratch = scores[4], scores[5]
    number = 0
    for index in range(count):
        if totals[index] >= floor and totals[index] > 0.0:
            scratch[number] = totals[index]
            chosen[number] = index
            number += 1
    if number <= beam_size:
        return number
    floor = _nth_greatest(scratch, number, beam_size)
    ties = beam_size
    for place in range(number):
        ties -= totals[chosen[place]] > floor
    kept = 0
    for place in range(number):
        index = chosen[place]
        if totals[index] > floor or (totals[index] == floor and ties > 0):
            ties -= totals[index] == floor
            chosen[kept] = index
            kept += 1
    return kept


@compile_cached(_nrt=False)
def advance(log_probs, last_frame, trie, look, language, settings, state, candidates, work):  # type: ignore[no-untyped-def]
    """Search on from frame `state.counters[FRAME]` up to `last_frame`.

    log_probs: (frames, tokens), blank first. look: (nodes + 1,), look-ahead factor of each node and of being outside.
    Returns DONE, or what there must be more room for before it can go on with the frame it stands at.
    """
    tokens = log_probs.shape[1]
    everything, passing, active = work.everything, work.passing, work.active
    child_starts, child_tokens = trie.child_starts, trie.child_tokens
    word_starts, words = trie.word_starts, trie.words
    beam, scores, beam_keys = state.beam, state.scores, state.keys
    histories, hashes = state.histories, state.hashes
    origins, masses, keys = candidates.origins, candidates.scores, candidates.keys
    table = candidates.table
    cache_keys, cache = work.cache_keys, work.cache
    outside, unknown = len(child_starts) - 1, len(language.word_ids) - 1
    boundary = settings.boundary
    least = np.exp(-settings.threshold)
    letter = np.exp(settings.letter_score)
    room = origins.shape[1]
    while state.counters[FRAME] < last_frame:
        frame, size = state.counters[FRAME], state.counters[SIZE]
        if max(state.counters[HISTORIES], state.counters[RECORDS]) + settings.beam_size > len(histories):
            return MORE_ROWS
        trying, frame_best = _probabilities(log_probs[frame], settings, everything, work.below, passing, active)
        if trying == 0:
            best = _only_blank(size, beam, scores, everything)
            state.scale[0] += frame_best + _rescale(size, scores, best)
            state.counters[FRAME] = frame + 1
            continue
        if 2 * size > room:
            return MORE_CANDIDATES
        stamp = frame + 1
        # Candidates that remain the prefixes they are: one more blank, or the last token held on.
        best, worst = 0.0, np.inf
        for index in range(size):
            key, last, node = beam_keys[index], beam[LAST, index], beam[NODE, index]
            slot = key & np.uint64(len(table) - 1)
            while (table[slot] >> 32) == stamp:
                slot = (slot + np.uint64(1)) & np.uint64(len(table) - 1)
            table[slot] = (stamp << 32) | index
            blank = (scores[BLANK, index] + scores[TOKEN, index]) * everything[0]
            held = scores[TOKEN, index] * everything[last] if last >= 0 else 0.0
            origins[0, index], origins[1, index], origins[2, index], origins[3, index] = index, STAY, node, NO_WORD
            total = (blank + held) * look[node]
            masses[0, index], masses[1, index], masses[2, index] = blank, held, max(blank, held)
            masses[3, index], masses[4, index] = 0.0, total
            keys[index] = key
            best, worst = max(best, total), min(worst, total)
        # Where the beam is full, nothing below the least of these can be among the survivors.
        widest = best * least  # asked of what has no language score yet
        floor = widest if size < settings.beam_size else max(widest, worst)
        count = size
        strongest_token = 0.0
        for place in range(trying):
            strongest_token = max(strongest_token, passing[active[place]])
        for index in range(size):
            if count + 3 * tokens > room:
                return MORE_CANDIDATES
            node, last, history = beam[NODE, index], beam[LAST, index], beam[HISTORY, index]
            blank = scores[BLANK, index]
            both = blank + scores[TOKEN, index]
            if both * strongest_token * look[node] < widest and not settings.open:
                continue
            base = hashes[history]
            first, end = (child_starts[node], child_starts[node + 1]) if node != outside else (0, 0)
            for place in range(first, end):
                token = child_tokens[place]
                if passing[token] == 0.0:
                    continue
                child = place + 1
                mass = (blank if token == last else both) * passing[token]
                ahead = look[child]
                if mass * ahead < widest or mass == 0.0:
                    continue
                if mass * ahead >= floor and child_starts[child] < child_starts[child + 1]:
                    count = _offer(
                        origins, masses, keys, table, stamp, count, join(base, ~(child * tokens + token)),
                        index, token, child, NO_WORD, mass, 0.0, ahead,
                    )  # fmt: skip
                    best = max(best, mass * ahead)
                for entry in range(word_starts[child], word_starts[child + 1]):
                    word = words[entry]
                    extended = join(base, word)
                    slot = extended & np.uint64(CACHED_SCORES - 1)
                    if cache_keys[slot] != extended:
                        cache_keys[slot] = extended
                        cache[slot, 0] = word_language(language, settings, histories, history, word)
                        cache[slot, 0] += _fused_gain(state, extended)[1]
                        cache[slot, 1] = np.exp(cache[slot, 0])
                    product = mass * cache[slot, 1]
                    if product < floor or product == 0.0:
                        continue
                    if count + 2 * tokens >= room:
                        return MORE_CANDIDATES
                    count = _offer(
                        origins, masses, keys, table, stamp, count, join(extended, ~token),
                        index, token, ROOT, word, product, cache[slot, 0], 1.0,
                    )  # fmt: skip
                    best = max(best, product)
            widest = best * least
            floor = max(floor, widest)
            if not settings.open:
                continue
            for place in range(trying):
                token = active[place]
                mass = (blank if token == last else both) * passing[token]
                if token == boundary:
                    ends = node == outside or (node != ROOT and _spells_no_word(trie, node, boundary))
                    if not ends:
                        continue
                    extended = next_hash(hashes, history, unknown, language, beam_keys[index])
                    gain = word_language(language, settings, histories, history, unknown)
                    gain += _fused_gain(state, extended)[1]
                    mass *= np.exp(gain)
                    if mass < floor or mass == 0.0:
                        continue
                    count = _offer(
                        origins, masses, keys, table, stamp, count, join(extended, ~token),
                        index, token, ROOT, unknown, mass, gain, 1.0,
                    )  # fmt: skip
                    best = max(best, mass)
                elif node == outside or not _has_child(child_starts, child_tokens, node, token):
                    # The letters before, which the tree had room for, are paid for now as well.
                    price = letter if node == outside else letter ** (1 + _depth(beam, state.records, index, histories))
                    mass *= price
                    if mass * look[outside] < floor or mass == 0.0:
                        continue
                    count = _offer(
                        origins, masses, keys, table, stamp, count, join(beam_keys[index], token + 1),
                        index, token, outside, NO_WORD, mass, np.log(price), look[outside],
                    )  # fmt: skip
                    best = max(best, mass * look[outside])
        number = _choose(count, settings.beam_size, best * least, masses, candidates.chosen)
        _take(number, frame, settings, language, candidates, state, work)
        state.scale[0] += frame_best + _rescale(number, scores, best)
        state.counters[FRAME] = frame + 1
    return DONE


@compile_cached(_nrt=False)
def _has_child(child_starts, child_tokens, node, token):  # type: ignore[no-untyped-def]
    found = False
    for place in range(child_starts[node], child_starts[node + 1]):
        found |= child_tokens[place] == token
    return found


@compile_cached(_nrt=False)
def _spells_no_word(trie, node, boundary):  # type: ignore[no-untyped-def]
    child = boundary_child(trie, node, boundary)
    return child < 0 or trie.word_starts[child] == trie.word_starts[child + 1]


@compile_cached(_nrt=False)
def _depth(beam, records, index, histories):  # type: ignore[no-untyped-def]
    """How many tokens the word at hand has."""
    count, record, until = 0, beam[RECORD, index], histories[beam[HISTORY, index], LAST_RECORD]
    while record != until and record >= 0:
        count += 1
        record = records[record, BEFORE]
    return count


@compile_cached(_nrt=False)
def boundary_child(trie, node, boundary):  # type: ignore[no-untyped-def]
    for place in range(trie.child_starts[node], trie.child_starts[node + 1]):
        if trie.child_tokens[place] == boundary:
            return place + 1
    return -1


@compile_cached()
def compact(state):  # type: ignore[no-untyped-def]
    """Drop the histories and records that no hypothesis goes back to."""
    size, used, written = state.counters[SIZE], state.counters[HISTORIES], state.counters[RECORDS]
    beam, histories, records = state.beam, state.histories, state.records
    new_history, new_record = np.full(used, -1, np.int32), np.full(written, -1, np.int32)
    new_history[0] = 0
    for index in range(size):
        new_history[beam[HISTORY, index]] = 0
        if beam[RECORD, index] >= 0:
            new_record[beam[RECORD, index]] = 0
    for row in range(used - 1, 0, -1):
        if new_history[row] == 0:
            new_history[histories[row, PARENT]] = 0
    for row in range(written - 1, -1, -1):
        if new_record[row] == 0 and records[row, BEFORE] >= 0:
            new_record[records[row, BEFORE]] = 0
    kept = 0
    for row in range(written):
        if new_record[row] == 0:
            new_record[row] = kept
            before = records[row, BEFORE]
            records[kept, BEFORE] = new_record[before] if before >= 0 else -1
            for column in range(WHAT, BELOW + 1):
                records[kept, column] = records[row, column]
            kept += 1
    state.counters[RECORDS] = kept
    kept = 0
    for row in range(used):
        if new_history[row] == 0:
            new_history[row] = kept
            for column in range(histories.shape[1]):
                histories[kept, column] = histories[row, column]
            if row > 0:
                histories[kept, PARENT] = new_history[histories[row, PARENT]]
                histories[kept, LAST_RECORD] = new_record[histories[row, LAST_RECORD]]
            state.hashes[kept] = state.hashes[row]
            kept += 1
    state.counters[HISTORIES] = kept
    for index in range(size):
        beam[HISTORY, index] = new_history[beam[HISTORY, index]]
        if beam[RECORD, index] >= 0:
            beam[RECORD, index] = new_record[beam[RECORD, index]]


@compile_cached()
def score_rows(language, histories, ids, scores):  # type: ignore[no-untyped-def]
    """ln P of the word `ids[i]` (-1: missing) after the context of `histories[i]`, without weight."""
    for row in range(len(ids)):
        if ids[row] < 0:
            scores[row] = language.missing_score
        else:
            scores[row] = score_word(language.tables, histories, row, CONTEXT, ids[row])
