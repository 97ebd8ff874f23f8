"""Masks and padding, against loops."""

from __future__ import annotations

import numpy as np
import torch

from asr.nn.lengths import inside, padded


def test_a_mask_is_true_up_to_each_length():
    mask = inside(torch.tensor([3, 0, 5]), 5)
    assert mask.tolist() == [[step < length for step in range(5)] for length in (3, 0, 5)]


def test_padding_adds_zeros_behind_and_keeps_types():
    batch, lengths = padded([[4, 5, 6], [7], []])
    assert batch.tolist() == [[4, 5, 6], [7, 0, 0], [0, 0, 0]]
    assert (batch.dtype, lengths.tolist()) == (torch.int64, [3, 1, 0])
    arrays = [np.ones((2, 3), np.float32), np.ones((4, 3), np.float32)]
    batch, lengths = padded(arrays)
    assert (batch.shape, batch.dtype, lengths.tolist()) == ((2, 4, 3), torch.float32, [2, 4])
    assert float(batch.sum()) == 18
