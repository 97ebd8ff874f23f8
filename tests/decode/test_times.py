"""Times of tokens from the search, against torchaudio's forced alignment of the same tokens on real speech."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torchaudio.functional import forced_align

from asr.backends import open_backend
from asr.decode.build import SearchOptions, open_decoder
from tests.conftest import DATA


def _forced_starts(log_probs: np.ndarray, tokens: list[int]) -> list[int]:
    """First frame of each token on the best path of the token sequence."""
    path, _ = forced_align(torch.from_numpy(log_probs)[None], torch.tensor([tokens]), blank=0)
    frames, before, starts = path[0].tolist(), 0, []
    for frame, token in enumerate(frames):
        if token not in (0, before):
            starts.append(frame)
        before = token
    return starts


@pytest.mark.skipif(not (DATA / "LibriSpeech").is_dir(), reason="needs the speech corpora: set ASR_DATA")
def test_token_times_agree_with_forced_alignment():
    from asr.audio.read import read_audio
    from asr.shipped import model_folder

    backend = open_backend(model_folder(None))
    frame_seconds = backend.package.seconds_per_frame
    decoder = open_decoder(backend.package, SearchOptions(neural_lm="none"))
    differences = []
    for path in sorted(Path(DATA / "LibriSpeech" / "dev-full-band").glob("*/*/*.opus"))[:12]:
        log_probs = backend.log_probs([read_audio(path)])[0]
        tokens = [token for word in decoder.decode(log_probs)[0].words for token in word.tokens]
        forced = _forced_starts(log_probs, [token for token, _ in tokens])
        differences += [abs(start - frame) * frame_seconds for start, (_, frame) in zip(forced, tokens, strict=True)]
    assert len(differences) > 500
    assert frame_seconds == pytest.approx(0.03)
    assert np.median(differences) <= frame_seconds + 1e-9
    assert np.quantile(differences, 0.9) < 0.1
