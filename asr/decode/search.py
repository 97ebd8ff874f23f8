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

import numpy as np

from asr.lm.compiled import compile_cached
from asr.lm.ngram_tables import MAX_ORDER, mix, score_word

ROOT = 0
NO_WORD = -1
HISTORY_FIELDS = 4  # parent, word, start frame, end frame
MINUS_INFINITY = -np.inf


@compile_cached()
def log_add(left, right):  # type: ignore[no-untyped-def]
    if left < right:
        left, right = right, left
    if right == MINUS_INFINITY:
        return left
    return left + np.log1p(np.exp(right - left))


@compile_cached()
def _grown(array):  # type: ignore[no-untyped-def]
    larger = np.empty((2 * array.shape[0], array.shape[1]), array.dtype)
    larger[: array.shape[0]] = array
    return larger


@compile_cached()
def _set(row, a, b, c, d, e, f):  # type: ignore[no-untyped-def]
    row[0], row[1], row[2], row[3], row[4], row[5] = a, b, c, d, e, f


@compile_cached()
def _slot(table_keys, table_stamps, stamp, key):  # type: ignore[no-untyped-def]
    """Where `key` stands in this frame's hash table, or the free slot for it."""
    mask = np.uint64(len(table_keys) - 1)
    slot = key & mask
    while table_stamps[slot] == stamp and table_keys[slot] != key:
        slot = (slot + np.uint64(1)) & mask
    return slot


@compile_cached()
def _survivors(totals, count, beam_size, threshold):  # type: ignore[no-untyped-def]
    """Indices of the best candidates, best first, within `threshold` of the best one; ties by order of creation."""
    best = MINUS_INFINITY
    for index in range(count):
        best = max(best, totals[index])
    floor = best - threshold
    kept = np.empty(count, np.int64)
    number = 0
    for index in range(count):
        if totals[index] >= floor and totals[index] > MINUS_INFINITY:
            kept[number] = index
            number += 1
    kept = kept[:number]
    if number > beam_size:
        values = np.empty(number, np.float64)
        for place in range(number):
            values[place] = -totals[kept[place]]
        limit = np.partition(values, beam_size - 1)[beam_size - 1]
        chosen = np.empty(beam_size, np.int64)
        number = 0
        for place in range(len(kept)):
            if values[place] < limit:
                chosen[number] = kept[place]
                number += 1
        for place in range(len(kept)):
            if values[place] == limit and number < beam_size:
                chosen[number] = kept[place]
                number += 1
        kept = chosen
    order = np.argsort(-totals[kept], kind="mergesort")
    return kept[order]


@compile_cached()
def search(  # type: ignore[no-untyped-def]
    log_probs, trie, lm, use_lm, lm_ids, start_id, end_id, unknown_score,
    lm_weight, word_score, beam_size, threshold, token_threshold, boundary, nbest,
):  # fmt: skip
    """Search one utterance.

    log_probs: (frames, tokens), blank first; lm_ids: (words,) the LM's id of each lexicon word, -1 if it has none.
    Returns (acoustic scores, LM scores, word counts) of the best histories, best first, and their words with start and
    end frames, concatenated: (total words, 3).
    """
    frames, tokens = log_probs.shape
    # The history arena: words as (parent, word, start, end), with the hash and LM context of each history.
    arena = np.zeros((1024, HISTORY_FIELDS), np.int32)
    contexts = np.full((1024, MAX_ORDER), -1, np.int32)
    hashes = np.zeros((1024, 1), np.uint64)
    arena[0, 0] = arena[0, 1] = -1
    contexts[0, 0] = start_id
    hashes[0, 0] = np.uint64(1)
    histories = 1

    widest = 0
    for node in range(len(trie.child_starts) - 1):
        widest = max(widest, trie.child_starts[node + 1] - trie.child_starts[node])
    most_words = 0
    for node in range(len(trie.word_starts) - 1):
        most_words = max(most_words, trie.word_starts[node + 1] - trie.word_starts[node])
    capacity = beam_size * (min(widest, tokens) + 2 + most_words * min(widest, tokens))
    slots = 1024
    while slots < 2 * capacity:
        slots *= 2
    table_keys = np.zeros(slots, np.uint64)
    table_values = np.zeros(slots, np.int32)
    table_stamps = np.full(slots, -1, np.int32)

    # Candidates of a frame (c_) and the hypotheses that survived the one before (h_). Integers: node, last token,
    # history, word to append, start and end frame of the word at hand.
    c_int = np.zeros((capacity, 6), np.int32)
    c_blank = np.zeros(capacity)
    c_token = np.zeros(capacity)
    c_lm = np.zeros(capacity)  # weighted LM and word scores of the finished words
    c_best = np.zeros(capacity)  # the strongest single contribution, whose times are kept
    totals = np.zeros(capacity)
    h_int = np.zeros((1, 6), np.int32)
    _set(h_int[0], ROOT, -1, 0, NO_WORD, 0, 0)
    h_blank = np.zeros(1)
    h_token = np.full(1, MINUS_INFINITY)
    h_lm = np.zeros(1)

    for frame in range(frames):
        row = log_probs[frame]
        best_token = row[0]
        for token in range(1, tokens):
            best_token = max(best_token, row[token])
        token_floor = best_token - token_threshold
        count = 0
        best_total = MINUS_INFINITY
        # Hypotheses that stay as they are: another blank, or the last token held on.
        for index in range(len(h_blank)):
            node, last, history = h_int[index, 0], h_int[index, 1], h_int[index, 2]
            key = mix(mix(hashes[history, 0], node), last + 1)
            slot = _slot(table_keys, table_stamps, frame, key)
            table_keys[slot], table_stamps[slot], table_values[slot] = key, frame, count
            c_int[count] = h_int[index]
            c_blank[count] = log_add(h_blank[index], h_token[index]) + row[0]
            c_token[count] = h_token[index] + row[last] if last >= 0 else MINUS_INFINITY
            c_lm[count] = h_lm[index]
            c_best[count] = max(c_blank[count], c_token[count])
            if c_token[count] > c_blank[count] and last != boundary:
                c_int[count, 5] = frame + 1
            ahead = lm_weight * trie.lookahead[node] if node != ROOT else 0.0
            best_total = max(best_total, log_add(c_blank[count], c_token[count]) + c_lm[count] + ahead)
            count += 1
        # Hypotheses that take one more token.
        for index in range(len(h_blank)):
            node, last, history = h_int[index, 0], h_int[index, 1], h_int[index, 2]
            both = log_add(h_blank[index], h_token[index])
            for place in range(trie.child_starts[node], trie.child_starts[node + 1]):
                token = trie.child_tokens[place]
                if row[token] < token_floor:
                    continue
                acoustic = (h_blank[index] if token == last else both) + row[token]
                if acoustic == MINUS_INFINITY:
                    continue
                child = trie.child_nodes[place]
                start = frame if node == ROOT else h_int[index, 4]
                end = h_int[index, 5] if token == boundary and node != ROOT else frame + 1
                # First the longer words that the token leads to, then each word that it ends.
                first_word, last_word = trie.word_starts[child], trie.word_starts[child + 1]
                for choice in range(
                    -1 if trie.child_starts[child] < trie.child_starts[child + 1] else 0, last_word - first_word
                ):
                    if choice < 0:
                        word, target, language, ahead = NO_WORD, child, h_lm[index], lm_weight * trie.lookahead[child]
                        if acoustic + language + ahead < best_total - threshold:
                            continue
                        key = mix(mix(hashes[history, 0], child), token + 1)
                    else:
                        word, target, ahead = trie.words[first_word + choice], ROOT, 0.0
                        language = h_lm[index] + word_score
                        if acoustic + language + lm_weight * trie.lookahead[child] < best_total - threshold:
                            continue
                        key = mix(mix(mix(hashes[history, 0], word), ROOT), token + 1)
                        if use_lm:
                            if lm_ids[word] >= 0:
                                language += lm_weight * score_word(lm, contexts[history], lm_ids[word])
                            else:
                                language += lm_weight * unknown_score
                    slot = _slot(table_keys, table_stamps, frame, key)
                    if table_stamps[slot] == frame:
                        found = table_values[slot]
                        if acoustic > c_best[found]:
                            # The same words by a stronger path: its times are the ones to keep.
                            c_best[found] = acoustic
                            _set(c_int[found], target, token, history, word, start, end)
                        c_token[found] = log_add(c_token[found], acoustic)
                        total = log_add(c_blank[found], c_token[found]) + language + ahead
                    else:
                        total = acoustic + language + ahead
                        if total < best_total - threshold:
                            continue
                        table_keys[slot], table_stamps[slot], table_values[slot] = key, frame, count
                        _set(c_int[count], target, token, history, word, start, end)
                        c_blank[count] = MINUS_INFINITY
                        c_token[count] = acoustic
                        c_lm[count] = language
                        c_best[count] = acoustic
                        count += 1
                    best_total = max(best_total, total)
        for index in range(count):
            node = c_int[index, 0]
            ahead = lm_weight * trie.lookahead[node] if node != ROOT else 0.0
            totals[index] = log_add(c_blank[index], c_token[index]) + c_lm[index] + ahead
        kept = _survivors(totals, count, beam_size, threshold)
        h_int = c_int[kept]
        h_blank = c_blank[kept]
        h_token = c_token[kept]
        h_lm = c_lm[kept]
        for index in range(len(kept)):
            word = h_int[index, 3]
            if word == NO_WORD:
                continue
            if histories == len(arena):
                arena, contexts, hashes = _grown(arena), _grown(contexts), _grown(hashes)
            parent = h_int[index, 2]
            arena[histories, 0], arena[histories, 1] = parent, word
            arena[histories, 2:] = h_int[index, 4:]
            hashes[histories, 0] = mix(hashes[parent, 0], word)
            contexts[histories] = -1
            if use_lm and lm_ids[word] >= 0:
                contexts[histories, 0] = lm_ids[word]
                contexts[histories, 1:] = contexts[parent, :-1]
            h_int[index, 2] = histories
            h_int[index, 3] = NO_WORD
            histories += 1

    # The end: whole words, and words that lack only their boundary; others are dropped unless nothing else is left.
    capacity = len(h_blank) * (1 + most_words)
    f_int = np.zeros((capacity, 6), np.int32)  # history, word to append, start, end
    f_hash = np.zeros(capacity, np.uint64)
    f_acoustic = np.zeros(capacity)
    f_lm = np.zeros(capacity)
    count = 0
    for forced in range(2):
        for index in range(len(h_blank)):
            node, history = h_int[index, 0], h_int[index, 2]
            acoustic = log_add(h_blank[index], h_token[index])
            ends_at = np.int32(-1)
            if node != ROOT and boundary >= 0:
                for place in range(trie.child_starts[node], trie.child_starts[node + 1]):
                    if trie.child_tokens[place] == boundary:
                        ends_at = trie.child_nodes[place]
            first_word, last_word = (
                (np.int32(0), np.int32(0))
                if ends_at < 0
                else (trie.word_starts[ends_at], trie.word_starts[ends_at + 1])
            )
            for choice in range(-1, last_word - first_word):
                if choice < 0 and node != ROOT and forced == 0:
                    continue
                word = NO_WORD if choice < 0 else trie.words[first_word + choice]
                language = h_lm[index]
                key = hashes[history, 0]
                context = contexts[history].copy()
                if word != NO_WORD:
                    key = mix(key, word)
                    language += word_score
                    if use_lm and lm_ids[word] >= 0:
                        language += lm_weight * score_word(lm, context, lm_ids[word])
                        context[1:] = contexts[history, :-1]
                        context[0] = lm_ids[word]
                    elif use_lm:
                        language += lm_weight * unknown_score
                        context[:] = -1
                if use_lm:
                    language += lm_weight * score_word(lm, context, end_id)
                found = -1
                for other in range(count):
                    if f_hash[other] == key:
                        found = other
                if found >= 0:
                    f_acoustic[found] = log_add(f_acoustic[found], acoustic)
                else:
                    _set(f_int[count], history, word, h_int[index, 4], h_int[index, 5], 0, 0)
                    f_hash[count] = key
                    f_acoustic[count] = acoustic
                    f_lm[count] = language
                    count += 1
        if count > 0:
            break
    ranked = np.argsort(-(f_acoustic[:count] + f_lm[:count]), kind="mergesort")[:nbest]
    lengths = np.zeros(len(ranked), np.int64)
    for rank in range(len(ranked)):
        lengths[rank] = 1 if f_int[ranked[rank], 1] != NO_WORD else 0
        history = f_int[ranked[rank], 0]
        while arena[history, 1] != NO_WORD:
            lengths[rank] += 1
            history = arena[history, 0]
    words = np.zeros((lengths.sum(), 3), np.int32)
    done = 0
    for rank in range(len(ranked)):
        place = done + lengths[rank]
        done = place
        final = ranked[rank]
        if f_int[final, 1] != NO_WORD:
            place -= 1
            words[place] = f_int[final, 1:4]
        history = f_int[final, 0]
        while arena[history, 1] != NO_WORD:
            place -= 1
            words[place] = arena[history, 1:]
            history = arena[history, 0]
    return f_acoustic[ranked], f_lm[ranked], lengths, words
