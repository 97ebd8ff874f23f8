"""Forward and backward of every recurrent kind, beside torch's dense LSTM of the same size, in one process.

    python tools/bench/recurrent_speed.py [--threads 1] [--rounds 5]

16 sequences of 250 steps, 320 inputs and units, one layer, one direction. Medians; kinds of torch are compared with
torch's own module of that kind, the others with its LSTM.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from asr.nn import KINDS, Recurrent

BATCH, TIME, SIZE = 16, 250, 320
OWN = {
    "lstm": lambda: torch.nn.LSTM(SIZE, SIZE, batch_first=True),
    "lstm-projected": lambda: torch.nn.LSTM(SIZE, SIZE, batch_first=True, proj_size=SIZE // 2),
    "gru": lambda: torch.nn.GRU(SIZE, SIZE, batch_first=True),
    "rnn": lambda: torch.nn.RNN(SIZE, SIZE, batch_first=True),
    "rnn-relu": lambda: torch.nn.RNN(SIZE, SIZE, nonlinearity="relu", batch_first=True),
}


def seconds(module: torch.nn.Module, inputs: torch.Tensor) -> float:
    started = time.perf_counter()
    output = module(inputs)[0]
    output.sum().backward()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    inputs = torch.randn(BATCH, TIME, SIZE, requires_grad=True)
    print("| kind | seconds | beside | its seconds | ratio |\n|---|---|---|---|---|")
    for kind in KINDS:
        ours, theirs = Recurrent(kind, SIZE, SIZE), OWN.get(kind, OWN["lstm"])()
        seconds(ours, inputs), seconds(theirs, inputs)
        pairs = [(seconds(ours, inputs), seconds(theirs, inputs)) for _ in range(options.rounds)]
        medians = [statistics.median(column) for column in zip(*pairs, strict=True)]
        ratio = statistics.median(left / right for left, right in pairs)
        name = f"torch {kind if kind in OWN else 'lstm'}"
        print(f"| {kind} | {medians[0]:.3f} | {name} | {medians[1]:.3f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
