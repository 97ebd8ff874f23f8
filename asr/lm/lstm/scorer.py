"""LSTM language models in NumPy, for the search: batches of words, nothing computed before it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from asr._native import ByteMatrix, FloatMatrix, log_sums, lstm_step
from asr.errors import CheckpointError
from asr.lm.lstm.folder import UNKNOWN_ID, LstmLmFolder
from asr.text.word_list import WordList

END_ID = 0

Floats = NDArray[np.float32]
Matrix = ByteMatrix | FloatMatrix  # a weight (outputs, inputs), to multiply vectors (rows, inputs) by
T = TypeVar("T")


class LstmState:
    """A history. Its vectors are computed when a word after it is first asked for.

    Equal words after one history are one state: what hypotheses of a list have in common is computed once.
    """

    __slots__ = ("children", "head", "layers", "parent", "tails", "word")

    def __init__(self, parent: LstmState | None, word: int) -> None:
        self.parent, self.word = parent, word
        self.children: dict[int, LstmState] | None = None  # most histories never have any
        self.layers: Floats | None = None  # (layers, 2, hidden): outputs and cells
        self.head: float | None = None  # ln of the first softmax's sum
        self.tails: dict[int, tuple[Floats, float]] = {}  # of clusters: projection, ln of the sum

    def after(self, word: int) -> LstmState:
        """The history with one more word."""
        if self.children is None:
            self.children = {}
        found = self.children.get(word)
        if found is None:
            found = self.children[word] = LstmState(self, word)
        return found

    @property
    def output(self) -> Floats:
        """What predicts the next word: the top layer's output (hidden,)."""
        assert self.layers is not None
        output: NDArray[np.float32] = self.layers[-1, 0]
        return output


class LstmScorer:
    """An LSTM language model as a `WordModel`; equal to `LstmLanguageModel` in evaluation mode.

    Unknown words give NaN, or with `score_unknown` ln P(<unk>).
    """

    def __init__(self, folder: LstmLmFolder, score_unknown: bool = False, in_bytes: bool = False) -> None:
        """in_bytes: multiply in 8 bits, but for the first softmax, which would lose most by it.

        Raises CheckpointError if the folder's arrays are not those of its configuration.
        """
        try:
            folder.check_shapes()
        except (ValueError, TypeError, IndexError):
            raise CheckpointError(f"{folder.source} does not fit together; copy the model again.") from None
        self.score_unknown = score_unknown
        self.words = WordList.of(folder.words)
        self._embedding = folder.embedding_rows
        self._layers: list[tuple[Matrix, Matrix, Floats]] = []
        for layer in range(folder.config["num_layers"]):
            from_input, from_hidden, bias = folder.layer(layer)
            self._layers.append((from_input.matrix(in_bytes), from_hidden.matrix(in_bytes), bias))
        softmax = folder.softmax
        self._cutoffs = [*folder.config["cutoffs"], len(self.words)]
        self._head = softmax.head
        self._head_bias: Floats | np.float32 = np.float32(0) if softmax.bias is None else softmax.bias
        # Projection, output, and the output's rows
        self._tails = [
            (projection.matrix(in_bytes), output.matrix(in_bytes), output) for projection, output in softmax.tails
        ]
        self._head_matrix = self._head.matrix(in_bytes=False)
        self._size = int(folder.config["hidden_size"])

    def start(self) -> LstmState:
        """The state at the beginning of a sentence."""
        return LstmState(None, END_ID)

    def knows(self, word: str) -> bool:
        """Whether a word is in the vocabulary."""
        return self.words.get(word, UNKNOWN_ID) != UNKNOWN_ID

    def score(self, states: Sequence[object], words: Sequence[str]) -> tuple[NDArray[np.float64], list[LstmState]]:
        """ln P of each word after its state, NaN for unknown words, and the states after them."""
        histories = cast(Sequence[LstmState], states)
        self._complete(histories)
        ids = [self.words.get(word, UNKNOWN_ID) for word in words]
        after = [state.after(index) for state, index in zip(histories, ids, strict=True)]
        found = np.full(len(words), np.nan)
        numbers = np.array(ids, np.int64)
        clusters = np.searchsorted(self._cutoffs, numbers, side="right")
        if not self.score_unknown:
            clusters[numbers == UNKNOWN_ID] = -1
        for cluster in np.unique(clusters[clusters >= 0]).tolist():
            rows = np.flatnonzero(clusters == cluster)
            unique, places = _places([histories[row] for row in rows.tolist()])
            score = self._head_scores if cluster == 0 else partial(self._tail_scores, cluster)
            found[rows] = score(unique, places, numbers[rows])
        return found, after

    def next_scores(self, state: LstmState) -> NDArray[np.float64]:
        """ln P of every word after a state (words,)."""
        self._complete([state])
        assert state.head is not None
        head = (self._head_matrix.multiply(state.output[None])[0] + self._head_bias - state.head).astype(np.float64)
        parts = [head[: self._cutoffs[0]]]
        for cluster, (projection, output, _) in enumerate(self._tails):
            logits = output.multiply(projection.multiply(state.output[None]))
            parts.append(head[self._cutoffs[0] + cluster] + logits[0] - log_sums(logits)[0])
        return np.concatenate(parts)

    def _complete(self, states: Sequence[LstmState]) -> None:
        """Run the stack and the first softmax's sum for the states that lack them."""
        missing = list(dict.fromkeys([state for state in states if state.head is None]))
        if missing:
            logits = self._head_matrix.multiply(self._step(missing)) + self._head_bias
            for state, total in zip(missing, log_sums(logits), strict=True):
                state.head = total

    def _step(self, states: list[LstmState]) -> Floats:
        """Run the stack for states whose parents have been; returns what predicts the next words (states, hidden).

        Products are taken once for each word and once for each parent: in a search there are fewer of them than states.
        """
        parents, parent_of = _places(state.parent for state in states)
        words, word_of = _places(state.word if state.word < len(self._embedding) else UNKNOWN_ID for state in states)
        before = np.zeros((len(parents), len(self._layers), 2, self._size), np.float32)
        for row, parent in enumerate(parents):
            if parent is not None:
                before[row] = parent.layers
        after = np.empty((len(states), *before.shape[1:]), np.float32)
        inputs = self._embedding[words]
        for layer, (from_input, from_before, bias) in enumerate(self._layers):
            gates = from_input.multiply(inputs) + bias
            if layer == 0:
                gates = gates[word_of]
            gates += from_before.multiply(before[:, layer, 0])[parent_of]
            cells = before[parent_of, layer, 1]
            inputs = lstm_step(gates, cells)
            after[:, layer, 0], after[:, layer, 1] = inputs, cells
        for row, state in enumerate(states):
            state.layers = after[row]
            state.parent = None  # its vectors are not needed any more
        return inputs

    def _head_scores(self, states: list[LstmState], places: list[int], ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """ln P of each id, of a word or a cluster, after the state at its place (ids,)."""
        outputs = np.stack([state.output for state in states])
        logits = np.einsum("nh,nh->n", outputs[places], self._head[ids])
        bias = self._head_bias[ids] if isinstance(self._head_bias, np.ndarray) else self._head_bias
        scores: NDArray[np.float64] = logits + bias - np.array([state.head for state in states])[places]
        return scores

    def _tail_scores(
        self, cluster: int, states: list[LstmState], places: list[int], ids: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        projection, output, weight = self._tails[cluster - 1]
        missing = [state for state in states if cluster not in state.tails]
        if missing:
            projected = projection.multiply(np.stack([state.output for state in missing]))
            for state, row, total in zip(missing, projected, log_sums(output.multiply(projected)), strict=True):
                state.tails[cluster] = (row, total)
        rows = np.stack([state.tails[cluster][0] for state in states])[places]
        within = np.einsum("np,np->n", rows, weight[ids - self._cutoffs[cluster - 1]])
        totals = np.array([state.tails[cluster][1] for state in states])[places]
        entries = np.full(len(ids), self._cutoffs[0] + cluster - 1)
        scores: NDArray[np.float64] = self._head_scores(states, places, entries) + within - totals
        return scores


def _places(values: Iterable[T]) -> tuple[list[T], list[int]]:
    """The values without repetition, and where each of `values` is among them."""
    places: dict[T, int] = {}
    where = [places.setdefault(value, len(places)) for value in values]
    return list(places), where
