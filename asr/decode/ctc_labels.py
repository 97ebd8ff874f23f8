"""The labels of CTC models of any origin, put into this project's form.

Conventions differ in the blank's name and place, in the sign between words, and in how pieces of words are marked:
pyctcdecode ('' and ' '), Hugging Face ('<pad>' or '[PAD]' and '|', in a dictionary), NeMo (no blank among the labels,
its column is the last), torchaudio ('-' and '|'), sentencepiece ('▁' before what begins a word), word pieces ('##'
before what does not).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from numbers import Integral

import numpy as np
from numpy.typing import NDArray

from asr.errors import ConfigError, TextError
from asr.text.tokens import BLANK, BOUNDARY, Tokens

Labels = Sequence[str] | Mapping[str, int]

BLANKS = ("", "<blank>", "<blk>", "[blank]", "<ctc>", "<pad>", "[PAD]", "<eps>", "ε", "_")  # the first one there is it
BOUNDARIES = (" ", "|", "<space>")
WORD_BEGIN = "▁"
CONTINUED = "##"
EDGE_BLANK = "-"  # the blank where it is the first or the last label and nothing else is
SPECIAL = frozenset(
    ["<s>", "</s>", "<unk>", "<UNK>", "[UNK]", "⁇", "<bos>", "<eos>", "<sos>", "[BOS]", "[EOS]", "[CLS]", "[SEP]",
     "<mask>", "[MASK]", "<pad>", "[PAD]"]
)  # fmt: skip
FLOOR = -100.0  # nats of what has no probability


@dataclass(frozen=True)
class LabelSet:
    """Labels as this project's tokens, and where their columns are.

    columns: (tokens,) the column of each token. width: of the arrays that the model gives.
    """

    tokens: Tokens
    columns: NDArray[np.int64]
    width: int

    def arranged(self, log_probs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Log-probabilities (frames, labels) as (frames, tokens), blank first.

        Signs that are never said, such as <s>, are left out, and the rest is normalised again.
        """
        picked = np.ascontiguousarray(log_probs[:, self.columns])
        return picked if len(self.columns) == self.width else log_softmax(picked)


def read_labels(labels: Labels, blank: str | int | None = None, boundary: str | None = None) -> LabelSet:
    """The labels of a model, in the order of its columns.

    labels: a list, or a dictionary of labels and columns. blank: its label or its column; by default the label that
    usually stands for it, and where none does, a column after the last label. boundary: the label between words; by
    default the one that usually stands for it, if any.

    Raises ConfigError for a blank or boundary that is not there, TextError for labels that cannot be used.
    """
    names = _listed(labels)
    place = _place_of_blank(names, blank)
    if place == len(names):
        names = [*names, BLANK]
    sign = _boundary(names, boundary)
    renamed = _pieces([BOUNDARY if name == sign else name for name in names])
    columns = [place] + [
        column for column, name in enumerate(names) if column != place and (name not in SPECIAL or name == sign)
    ]
    kept = [BLANK if column == place else renamed[column] for column in columns]
    return LabelSet(Tokens(kept, "the labels"), np.array(columns), len(names))


def log_softmax(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Normalised log-probabilities of scores (frames, labels), none below `FLOOR`."""
    if not values.size:
        return values
    with np.errstate(invalid="ignore", divide="ignore"):
        shifted = values - values.max(axis=1, keepdims=True)
        normalised = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    floored: NDArray[np.float32] = np.maximum(normalised, np.float32(FLOOR))
    return floored


def _listed(labels: Labels) -> list[str]:
    """Labels in the order of their columns."""
    if isinstance(labels, str):
        raise TextError("the labels are one string; give them as a list, or as a dictionary of labels and columns.")
    in_order = isinstance(labels, Iterable) and not isinstance(labels, Set)
    names = list(labels) if in_order else []
    if not names or not all(isinstance(name, str) for name in names):
        raise TextError("the labels must be a list of texts, or a dictionary of texts and columns.")
    if not isinstance(labels, Mapping):
        return names
    columns = {column: name for name, column in labels.items()}
    names = [columns[place] for place in range(len(labels)) if place in columns]
    if len(names) < len(labels):
        raise TextError("the columns of the labels are not 0, 1, 2, … each once; is it the whole vocabulary?")
    return names


def _place_of_blank(names: list[str], blank: str | int | None) -> int:
    """The blank's column; one past the last label where the labels leave it out."""
    if isinstance(blank, Integral) and not isinstance(blank, bool):
        place = int(blank) + len(names) if blank < 0 else int(blank)
        if not 0 <= place <= len(names):
            raise ConfigError(f"`blank` is column {blank}, and there are {len(names)} labels.")
        return place
    if blank is not None:
        if blank not in names:
            raise ConfigError(f"the blank '{blank}' is not among the labels.")
        return names.index(blank)
    for candidate in BLANKS:
        if candidate in names:
            return names.index(candidate)
    if names and EDGE_BLANK in (names[0], names[-1]):
        return 0 if names[0] == EDGE_BLANK else len(names) - 1
    return len(names)


def _boundary(names: list[str], boundary: str | None) -> str | None:
    """The label between words, if there is one."""
    if boundary is not None:
        if boundary not in names:
            raise ConfigError(f"the word boundary '{boundary}' is not among the labels.")
        return boundary
    candidates = [name for name in BOUNDARIES if name in names]
    if len(candidates) > 1:
        raise ConfigError(f"both '{candidates[0]}' and '{candidates[1]}' may separate words; say which: `boundary`.")
    if candidates:
        return candidates[0]
    begins = [name for name in names if name.startswith(WORD_BEGIN)]
    return WORD_BEGIN if begins == [WORD_BEGIN] else None


def _pieces(names: list[str]) -> list[str]:
    """Word pieces written as sentencepiece writes them: a sign before what begins a word."""
    if not any(name.startswith(CONTINUED) and len(name) > len(CONTINUED) for name in names):
        return names
    return [
        name.removeprefix(CONTINUED) if name.startswith(CONTINUED) else name if name == BOUNDARY else WORD_BEGIN + name
        for name in names
    ]
