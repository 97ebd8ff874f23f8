"""Utterances with the token ids of their texts, and the selection of those that can be trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from asr.data.batching import plan_batches
from asr.data.config import DataConfig
from asr.data.manifest import BadItem, Manifest, Utterance
from asr.errors import TextError
from asr.text.lexicon import Lexicon
from asr.text.tokens import Tokens

Items = list[tuple[Utterance, list[int]]]


def encode_references(
    manifest: Manifest, tokens: Tokens, lexicon: Lexicon | None, spelled: Mapping[str, list[int]] | None = None
) -> tuple[Items, list[BadItem]]:
    """Utterances with their target ids, and those that have no text or cannot be spelled, with the reason.

    spelled: target ids by utterance id, which take precedence over the lexicon.
    """
    good: Items = []
    bad: list[BadItem] = []
    for utterance in manifest.utterances:
        try:
            good.append((utterance, _encode(utterance, tokens, lexicon, spelled or {})))
        except TextError as error:
            bad.append(BadItem(utterance.id, str(error)))
    return good, bad


def _encode(
    utterance: Utterance, tokens: Tokens, lexicon: Lexicon | None, spelled: Mapping[str, list[int]]
) -> list[int]:
    if utterance.text is None:
        raise TextError("it has no text")
    ids = spelled.get(utterance.id)
    if ids is None:
        return tokens.encode(utterance.text) if lexicon is None else lexicon.encode(utterance.text, tokens)
    if tokens.boundary is not None and ids.count(tokens.boundary) != len(utterance.text.split()):
        raise TextError("its text and its spelling have different numbers of words")
    return ids


def within_limits(items: Iterable[tuple[Utterance, list[int]]], data: DataConfig) -> tuple[Items, list[BadItem]]:
    """The items of a length that can be trained on, and the others with the reason."""
    good: Items = []
    bad: list[BadItem] = []
    for item in items:
        length = item[0].duration
        if data.min_seconds <= length <= data.max_seconds:
            good.append(item)
        else:
            limits = f"{data.min_seconds:g}..{data.max_seconds:g} s (data.min_seconds, data.max_seconds)"
            bad.append(BadItem(item[0].id, f"its {length:.2f} s are outside {limits}"))
    durations = [utterance.duration for utterance, _ in good]
    alone = set(plan_batches(durations, data.batch_seconds, data.min_fill, shuffle=False).too_long)
    for index in sorted(alone):
        utterance = good[index][0]
        reason = f"its {utterance.duration:.2f} s exceed a batch of {data.batch_seconds:g} s (data.batch_seconds)"
        bad.append(BadItem(utterance.id, reason))
    return [item for index, item in enumerate(good) if index not in alone], bad
