"""Compiled parts of recognition: n-gram tables, the lexicon's tree, beam search, alignment (sources in asr/native/).

Arrays are taken as they are where they are contiguous and of the type named here, and copied where not. Whatever could
lead outside of an array is checked when an object is made, which raises ValueError: searches check nothing more. Long
work releases the GIL.
"""

from collections.abc import Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

class NgramTables:
    """Hash tables of a back-off n-gram model."""

    def __init__(
        self,
        order: int,
        unigram_log_probs: NDArray[np.float32],
        unigram_backoffs: NDArray[np.float32],
        slots: NDArray[np.uint64],
        starts: NDArray[np.int64],
    ) -> None:
        """slots: (slots, 2), starts: (order,), as `asr.lm.ngram.tables.NgramArrays` has them."""

    @property
    def order(self) -> int: ...
    def score(self, context: Sequence[int], word: int) -> float:
        """ln P(word | context); context: word ids, newest first. Raises ValueError for ids that there are not."""

def fill_ngrams(
    grams: NDArray[np.int32],
    log_probs: NDArray[np.float32],
    backoffs: NDArray[np.float32],
    slots: NDArray[np.uint64],
) -> None:
    """Put n-grams (count, order), word ids oldest first, into the empty table `slots`, which must have room."""

class Trie:
    """The prefix tree of a lexicon."""

    def __init__(
        self,
        child_starts: NDArray[np.int32],
        child_tokens: NDArray[np.int32],
        word_starts: NDArray[np.int32],
        words: NDArray[np.int32],
        token_count: int,
        word_count: int,
    ) -> None:
        """Arrays as `asr.decode.search.trie.TrieArrays` has them."""

    @property
    def node_count(self) -> int: ...
    def best_below(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """The best of `scores` (words,) among the words at and below each node: (nodes,)."""

def build_trie(
    tokens: NDArray[np.int32], offsets: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Child starts and child tokens of the tree of spellings, and the node where each spelling ends.

    The tokens of spelling i lie from offsets[i] to offsets[i + 1].
    """

class ArpaReader:
    """Reads plain ARPA files of an order up to 6; others, and damaged ones, are not understood."""

    def __init__(self) -> None: ...
    def feed(self, block: bytes) -> bool:
        """Whether to go on: False at the end of the model, or where the text is not understood."""

    def finish(self) -> tuple[bytes, list[tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]]] | None:
        """The words with line breaks between them, and for each order the word ids of its n-grams one after the other,
        their log-probabilities and back-off weights (natural logs). None: the file was not understood. Call it once."""

class LexiconReader:
    """Reads plain lexicons over these tokens; others, and damaged ones, are not understood."""

    def __init__(self, tokens: Sequence[str]) -> None: ...
    def feed(self, block: bytes) -> bool:
        """Whether to go on: False where the text is not understood."""

    def finish(self) -> tuple[bytes, NDArray[np.int32], NDArray[np.int64], NDArray[np.int32]] | None:
        """The words with line breaks between them; the tokens of all spellings, the spellings' offsets among them, and
        the index of each one's word. None: the file was not understood."""

class Pronouncer:
    """The most probable pronunciations of words by an n-gram over pairs of a letter with phones."""

    def __init__(
        self,
        order: int,
        start: int,
        letters: NDArray[np.int32],
        phone_starts: NDArray[np.int64],
        phones: NDArray[np.int32],
        context_starts: NDArray[np.int64],
        context_pairs: NDArray[np.int32],
        weights: NDArray[np.float64],
        totals: NDArray[np.float64],
        next_starts: NDArray[np.int64],
        next_pairs: NDArray[np.int32],
        next_counts: NDArray[np.float64],
    ) -> None:
        """order: pairs in the longest n-grams. start: the pair before a word's first. letters: of each pair; its phones
        have the indices from phone_starts[i] to phone_starts[i + 1]. Each context's pairs, the oldest first, those that
        follow it and their counts likewise; weights: of the shorter context, in counts; totals: counts of all that
        follows. Of equally probable ways that whose phones have the lower numbers comes first."""

    def best(self, letters: Sequence[int], beam: int) -> list[tuple[float, list[int]]]:
        """ln P and phones of the best ways to say a word, which ends with the end's letter, best first.

        Raises ValueError for a letter that there is not."""

    def probability(self, context: Sequence[int], pair: int) -> float:
        """P(pair | context), the oldest pair first."""

class WordIndex:
    """Words by number, and numbers by word."""

    def __init__(self, text: NDArray[np.uint8], starts: NDArray[np.int32], slots: NDArray[np.int32]) -> None:
        """text: words in UTF-8 with line breaks between them; starts, slots: as from `index_words`."""

    @property
    def size(self) -> int: ...
    def word(self, number: int) -> str:
        """Raises IndexError for a number that is not there, UnicodeDecodeError for what is no UTF-8."""

    def find(self, word: str) -> int:
        """The word's number, or -1; of equal words the last one's."""

    def find_all(self, words: NDArray[np.uint8]) -> NDArray[np.int32]:
        """`find` of each of some words in UTF-8 with line breaks between them."""

def index_words(text: NDArray[np.uint8]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Where the words of a text begin (and its end plus one), and their numbers by hash, for a `WordIndex`."""

def processor() -> str:
    """The kind of processor as far as it changes how ONNX Runtime lays out weights, empty where that is not known."""

def checksum(bytes: NDArray[np.uint8]) -> int:
    """A 64-bit checksum, as fast as memory; of arrays as they lie in memory, so not the same on all machines."""

class SearchSettings:
    """Numbers that steer a search; `boundary` is the word boundary's token or -1."""

    def __init__(
        self,
        *,
        lm_weight: float,
        word_score: float,
        beam_size: int,
        threshold: float,
        token_threshold: float,
        boundary: int,
        open: bool,
        unknown_score: float,
        letter_score: float,
    ) -> None: ...

class Hotwords:
    """Phrases to be favoured, as an automaton over words."""

    def __init__(
        self,
        words: NDArray[np.int32],
        starts: NDArray[np.int32],
        numbers: NDArray[np.int32],
        places: NDArray[np.int32],
        failures: NDArray[np.int32],
        partial: NDArray[np.float64],
        won: NDArray[np.float64],
        closing: NDArray[np.float64] | None = None,
        closers: NDArray[np.uint8] | None = None,
        first: int = 0,
    ) -> None:
        """Arrays as `asr.decode.search.hotwords.HotwordArrays` has them."""

class LanguageModel:
    """An n-gram model beside a lexicon."""

    def __init__(
        self, tables: NgramTables, word_ids: NDArray[np.int32], begin: int, end: int, missing_score: float
    ) -> None:
        """word_ids: (words + 1,), of the lexicon's words and of the unknown word, -1 for none; begin, end: of <s> and
        </s>; missing_score: ln P of a word without an id."""

class DecodingGraph:
    """What all searches of a decoder share; may be used by many threads."""

    def __init__(
        self,
        trie: Trie,
        lookahead: NDArray[np.float64],
        language: LanguageModel | None,
        hotwords: Hotwords | None,
        settings: SearchSettings,
    ) -> None:
        """lookahead: (nodes + 1,), factors of each node and, last, of what is outside of the tree."""

    @property
    def has_ngram(self) -> bool: ...

class Confidence:
    """How scores become a word's confidence: s(bias + slope * logit(posterior) - evidence * nats), where nats is how
    far its tokens lie below the best of their frames; scores are multiplied by `scale` before they are posteriors."""

    def __init__(self, *, scale: float, bias: float, slope: float, evidence: float) -> None: ...

class PendingWord:
    """A word that has ended and that the neural language model has not scored."""

    @property
    def history(self) -> int:
        """The id of the word sequence that it ends."""

    @property
    def parent(self) -> int:
        """The id of the word sequence before it."""

    @property
    def word(self) -> int: ...
    @property
    def ngram_score(self) -> float:
        """ln P by the n-gram model, without weight; 0 without one."""

class Ending:
    """What a neural language model must score to end a result: a word, unless it is -1, and the sentence's end."""

    @property
    def history(self) -> int:
        """The id of the word sequence before."""

    @property
    def word(self) -> int: ...
    @property
    def ngram_score(self) -> float:
        """ln P of the word by the n-gram model, without weight."""

    @property
    def ngram_end_score(self) -> float:
        """ln P of `</s>` by the n-gram model, without weight."""

    @property
    def score(self) -> float:
        """Of the result, with the n-gram's scores of word and end, in nats."""

class SpokenWord:
    """A word of a result; frames are counted from the beginning, `end_frame` is one past the last."""

    @property
    def word(self) -> int: ...
    @property
    def first_frame(self) -> int: ...
    @property
    def end_frame(self) -> int: ...
    @property
    def first_token(self) -> int:
        """The place of its first token among the tokens."""

    @property
    def confidence(self) -> float:
        """0..1."""

class Transcription:
    """A word sequence with its scores in nats."""

    @property
    def acoustic(self) -> float: ...
    @property
    def other(self) -> float:
        """All that is not acoustic."""

    @property
    def words(self) -> list[SpokenWord]: ...
    @property
    def tokens(self) -> list[tuple[int, int]]:
        """Tokens, each with its first frame."""

class SearchSession:
    """The search of one utterance. Raises RuntimeError if two threads use it at once."""

    def __init__(self, graph: DecodingGraph, rows: int = 2048) -> None:
        """rows: room for word histories and tokens at first; what is dead is dropped when it is full."""

    @property
    def frames(self) -> int:
        """How many frames have been searched."""

    @property
    def rows(self) -> int:
        """Room for word histories and tokens."""

    @property
    def first_history(self) -> int:
        """The id of the empty word sequence. Ids are equal for equal word sequences."""

    def advance(self, log_probs: NDArray[np.float32]) -> None:
        """Search on through (frames, tokens), natural logs, blank first."""

    def copy(self) -> SearchSession:
        """A session that stands where this one does and goes on by itself."""

    def pending(self, margin: float) -> list[list[PendingWord]]:
        """Words that the neural language model has not scored, of hypotheses at most `margin` nats below the best.

        Each word sequence once, in batches: a word that goes on from one of a batch is in a later batch.
        """

    def pending_at_end(self, margin: float) -> list[list[PendingWord]]:
        """The same where the utterance ends here: of results at most `margin` nats below the best."""

    def apply_language_scores(self, histories: Sequence[int], gains: Sequence[float]) -> None:
        """Give the words of `pending` their whole scores, now and wherever they end again.

        gains: what to add to the weighted score of the word that ends each of the histories.
        """

    def endings(self) -> list[Ending]:
        """What the neural language model must score to end the utterance here, for each result."""

    def results(self, confidence: Confidence, nbest: int = 1, gains: Sequence[float] = ()) -> list[Transcription]:
        """The `nbest` best word sequences if the utterance ends here, best first, at least one.

        Those that differ in spelling alone are one, with the times of the strongest. gains: what to add to the score
        of each of `endings`, or nothing.
        """

def best_path(
    log_probs: NDArray[np.float32],
    tokens: NDArray[np.int32],
    first: NDArray[np.int32],
    sources: NDArray[np.int32],
    starts: NDArray[np.int32],
    ends: NDArray[np.int32],
    beam: float,
) -> NDArray[np.int32]:
    """The state of each frame (frames,) on the likeliest path through a text's states; empty if no end is reached.

    Arcs into state s come from sources[first[s]:first[s + 1]]. beam: nats below a frame's best at which states at the
    margins are dropped.
    """

def best_chain_path(
    log_probs: NDArray[np.float32], chain: NDArray[np.int32], optional: NDArray[np.bool_]
) -> NDArray[np.int32]:
    """The place in `chain` of each frame (frames,) on the likeliest path through its tokens in order, of which those
    that are optional may be left out; no two of them may follow each other."""

def are_log_probs(values: NDArray[np.float32], checked: int, tolerance: float) -> bool:
    """Whether (frames, tokens) hold no NaN, nothing above `tolerance`, and sums of one, within that many nats, in most
    of `checked` frames spread evenly over them."""

class FloatMatrix:
    """Weights (outputs, inputs) in single precision, to multiply a few vectors by."""

    def __init__(self, weights: NDArray[np.float32]) -> None: ...
    def multiply(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Products (rows, outputs) of vectors (rows, inputs); a row's do not depend on the other rows."""

class ByteMatrix:
    """Weights (outputs, inputs) rounded to -127..127 steps of a scale of each row."""

    @overload
    def __init__(self, weights: NDArray[np.float32]) -> None: ...
    @overload
    def __init__(self, steps: NDArray[np.int8], scales: NDArray[np.float32]) -> None:
        """Weights that have been rounded: steps (outputs, inputs) times scales (outputs,)."""

    def multiply(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Products (rows, outputs) of vectors (rows, inputs), each rounded to 127 steps over its range, 0 among them.

        The sums are of integers: every machine gives the same, and a row's products do not depend on the other rows.
        """

def log_sums(values: NDArray[np.float32]) -> list[float]:
    """ln of the sum of exp over each row of (rows, columns)."""

def lstm_step(gates: NDArray[np.float32], cells: NDArray[np.float32]) -> NDArray[np.float32]:
    """Outputs (rows, size) of one step of LSTM cells; `cells` (rows, size) go from before the step to after it.

    gates: (rows, 4 * size), input, forget, candidate, output, before they are squashed. Both must be contiguous
    float32 arrays.
    """
