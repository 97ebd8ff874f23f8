"""Training speed on the CPU: seconds of audio trained on in a second, for a model of given size.

    python tools/bench/train_speed.py [--hidden 320] [--layers 3] [--subsampling 4] [--utterances 16] [--threads 2]
                                      [--steps 10]

Audio is noise of the lengths of read speech (the arithmetic does not depend on what is said), targets are random
phones at the rate of read English. Forward, CTC loss, backward and the AdamW step are timed, features included, in
single precision, in bfloat16, and in bfloat16 with oneDNN's own LSTM throughout, step by step in turn; median steps are
printed, beside torch's own bidirectional LSTM run through `pack_padded_sequence` in the same process.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from torch.nn.utils.rnn import pack_padded_sequence

from asr.acoustic.config import AcousticConfig
from asr.acoustic.criteria.ctc import Ctc
from asr.acoustic.network import AcousticModel
from asr.acoustic.task import CtcBatch, CtcTask
from asr.allocator import keep_freed_memory
from asr.audio.augment import AugmentConfig
from asr.data.config import DataConfig
from asr.nn.kernels import bf16_lstm
from asr.text.tokens import Tokens

PHONES_PER_SECOND = 15
TOKENS = 41
WAYS = {  # whether in bfloat16, and the largest batch for which the layer of `asr.nn.kernels.bf16_lstm` is taken
    "single precision": (False, 0),
    "bfloat16": (True, bf16_lstm.MOST_ROWS),
    "bfloat16, oneDNN's LSTM": (True, 0),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--hidden", type=int, default=320)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--subsampling", type=int, default=4)
    parser.add_argument("--utterances", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(options.threads)
    config = AcousticConfig(
        hidden_size=options.hidden,
        input_size=options.hidden,
        num_layers=options.layers,
        subsampling=options.subsampling,
    )
    model = AcousticModel(config, TOKENS).train()
    task = CtcTask(model, [], [], DataConfig(), AugmentConfig(), Ctc(Tokens.characters()))
    optimizer = torch.optim.AdamW(model.parameters())
    batches = [_batch(seed, config, options.utterances) for seed in range(options.steps)]
    speeds: dict[str, list[float]] = {way: [] for way in WAYS}
    for batch in [batches[0], *batches]:
        for way, (bfloat16, rows) in WAYS.items():
            bf16_lstm.MOST_ROWS = rows
            started = time.perf_counter()
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                loss, figures = task.loss(batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            speeds[way].append(figures["seconds"] / (time.perf_counter() - started))
    print(f"{f'{options.layers} x {options.hidden} BiLSTM-CTC, the whole step':<52} {'s of audio / s':>14}")
    for way, found in speeds.items():
        print(f"{f'  {way}':<52} {np.median(found[1:]):14.1f}")
    packed = [_packed_speed(options, batch, config) for batch in batches[: max(2, options.steps // 3)]]
    print(f"{'  torch nn.LSTM + packing, the recurrent stack alone':<52} {np.median(packed):14.1f}")


def _batch(seed: int, config: AcousticConfig, utterances: int) -> CtcBatch:
    random = np.random.default_rng(seed)
    seconds = random.uniform(9.0, 10.0) * random.uniform(0.96, 1.0, utterances)
    lengths = torch.tensor((seconds * 16000).astype(int))
    samples = torch.from_numpy(random.normal(0, 0.05, (utterances, int(lengths.max()))).astype(np.float32))
    frames = (int(lengths.max()) - 400) // 160 + 1
    mask = torch.zeros(utterances, frames, config.features.dim, dtype=torch.bool)
    targets = [random.integers(1, TOKENS, int(PHONES_PER_SECOND * length)).tolist() for length in seconds]
    return CtcBatch([str(row) for row in range(utterances)], samples, lengths, mask, targets, epoch=0)


def _packed_speed(options: argparse.Namespace, batch: CtcBatch, config: AcousticConfig) -> float:
    """Forward and backward of torch's stack over the same lengths, packed."""
    size = options.hidden
    lstm = torch.nn.LSTM(size, size, options.layers, batch_first=True, bidirectional=True)
    frames = (batch.lengths / 16000 / config.seconds_per_frame).long()
    inputs = torch.randn(len(batch.ids), int(frames.max()), size)
    started = time.perf_counter()
    output, _ = lstm(pack_padded_sequence(inputs, frames, batch_first=True, enforce_sorted=False))
    output.data.sum().backward()
    return float(batch.lengths.sum()) / 16000 / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
