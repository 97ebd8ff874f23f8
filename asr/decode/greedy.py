"""Best-path decoding: the likeliest token of every frame, repeats and blanks removed (Graves et al. 2006, 3.2)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def greedy_tokens(log_probs: NDArray[np.floating], blank: int = 0) -> list[tuple[int, int, int]]:
    """Tokens of the best path of (frames, tokens) as (token, first frame, frame after its last)."""
    tokens: list[tuple[int, int, int]] = []
    previous = blank
    for frame, token in enumerate(log_probs.argmax(axis=1).tolist() if len(log_probs) else []):
        if token != blank:
            if token == previous:
                tokens[-1] = (token, tokens[-1][1], frame + 1)
            else:
                tokens.append((token, frame, frame + 1))
        previous = token
    return tokens
