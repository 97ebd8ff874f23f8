"""The size of a corpus: utterances, hours, speakers, words."""

from __future__ import annotations

import numpy as np

from asr.data.manifest import Manifest


def describe(manifest: Manifest) -> dict[str, float | int]:
    """Counts and lengths of a manifest's utterances; lengths in seconds."""
    durations = np.array([utterance.duration for utterance in manifest.utterances])
    words = [word for utterance in manifest.utterances for word in (utterance.text or "").split()]
    speakers = {utterance.speaker for utterance in manifest.utterances if utterance.speaker}
    return {
        "utterances": len(durations),
        "bad_lines": len(manifest.bad),
        "hours": round(float(durations.sum()) / 3600, 3),
        "speakers": len(speakers),
        "shortest_seconds": round(float(durations.min()), 2),
        "median_seconds": round(float(np.median(durations)), 2),
        "longest_seconds": round(float(durations.max()), 2),
        "words": len(words),
        "distinct_words": len(set(words)),
        "without_text": sum(utterance.text is None for utterance in manifest.utterances),
    }
