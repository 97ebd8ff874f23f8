"""CTC-CRF's sums over all paths, forward and backward, beside the same sums in plain operations of torch, in turn.

    python tools/bench/crf_speed.py [--device cpu|cuda] [--rounds 5]

24 utterances of 480 frames, 41 tokens. On the CPU one thread runs the compiled passes, on a GPU Triton the kernels.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import torch

from asr.acoustic.criteria.crf import TokenTrigrams, _Passes, log_partition

FRAMES, BATCH, TOKENS = 480, 24, 41


def seconds(log_probs: torch.Tensor, lengths: torch.Tensor, trigrams: TokenTrigrams, plain: bool) -> float:
    started = time.perf_counter()
    if plain:
        passes = _Passes(log_probs.detach().exp(), lengths.to(log_probs.device), trigrams)
        passes.forward()
        passes.expectations()
    else:
        log_partition(log_probs, lengths, trigrams).sum().backward()
    if log_probs.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(options.device)
    random = np.random.default_rng(0)
    sequences = [random.integers(1, TOKENS, 60).tolist() for _ in range(200)]
    trigrams = TokenTrigrams.estimate(sequences, TOKENS).to(device, torch.float32)
    log_probs = (2 * torch.randn(FRAMES, BATCH, TOKENS)).log_softmax(-1).to(device).requires_grad_()
    lengths = torch.full((BATCH,), FRAMES)
    for plain in (True, False):
        seconds(log_probs, lengths, trigrams, plain)
    pairs = [[seconds(log_probs, lengths, trigrams, plain) for plain in (True, False)] for _ in range(options.rounds)]
    theirs, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(left / right for left, right in pairs)
    print(f"plain {theirs * 1000:.0f} ms, asr {ours * 1000:.0f} ms, {ratio:.1f} times as fast")


if __name__ == "__main__":
    main()
