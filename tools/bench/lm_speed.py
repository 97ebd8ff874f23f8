"""Training speed of language models: this project beside the usual design of examples, rebuilt with nn.LSTM.

    python tools/bench/lm_speed.py [--words 33278] [--size 400] [--layers 2] [--streams 64] [--steps 40] [--rounds 5]

The peer is the design of PyTorch's word_language_model example: embedding, nn.LSTM, dropout, a linear layer over the
whole vocabulary tied to the embedding, cross entropy, clipped gradients, plain SGD. Both get the same sizes and batches
and take turns; medians of the rounds are printed. The project's weights are trained with recipes/wikitext2's settings.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from asr.lm.lstm.network import LstmLanguageModel, LstmLmConfig
from asr.lm.lstm.running_task import RunningTask
from asr.lm.lstm.sentence_task import TextConfig
from asr.train.config import TrainConfig
from asr.train.loop import Trainer

STEPS = 6  # in a round


class Peer(nn.Module):
    def __init__(self, words: int, size: int, layers: int) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.2)
        self.encoder = nn.Embedding(words, size)
        self.rnn = nn.LSTM(size, size, layers, dropout=0.2)
        self.decoder = nn.Linear(size, words)
        self.decoder.weight = self.encoder.weight

    def forward(self, words: torch.Tensor, state: tuple) -> tuple[torch.Tensor, tuple]:
        output, state = self.rnn(self.drop(self.encoder(words)), state)
        return self.decoder(self.drop(output)), state


def peer_round(peer: Peer, streams: torch.Tensor, steps: int, layers: int) -> float:
    size, batch = peer.encoder.embedding_dim, streams.shape[1]
    state = (torch.zeros(layers, batch, size), torch.zeros(layers, batch, size))
    started = time.perf_counter()
    for step in range(STEPS):
        words = streams[step * steps : (step + 1) * steps + 1]
        peer.zero_grad()
        logits, state = peer(words[:-1], tuple(part.detach() for part in state))
        nn.functional.cross_entropy(logits.flatten(0, 1), words[1:].flatten()).backward()
        nn.utils.clip_grad_norm_(peer.parameters(), 0.25)
        with torch.no_grad():
            for parameter in peer.parameters():
                parameter.add_(parameter.grad, alpha=-20.0)
    return STEPS * steps * batch / (time.perf_counter() - started)


class Paused(Exception):
    """Raised after a round."""


def main() -> None:
    parser = argparse.ArgumentParser()
    for name, value in (
        ("words", 33278), ("size", 400), ("layers", 2), ("streams", 64), ("steps", 40), ("rounds", 5), ("threads", 0)
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    random = np.random.default_rng(1)
    text = np.minimum(random.zipf(1.2, options.streams * options.steps * 2 * STEPS), options.words - 1).astype(np.int32)
    config = LstmLmConfig(
        options.size, options.size, options.layers, dropout=0.2, tied=True, variational=True, input_dropout=0.3,
        output_dropout=0.35, embedding_dropout=0.05, weight_dropout=0.2, samples=2500, frequent=2000,
    )  # fmt: skip
    model = LstmLanguageModel(config, options.words)
    settings = TextConfig(
        running=True, streams=options.streams, steps=options.steps, activation_penalty=1.0, change_penalty=1.0
    )
    task = RunningTask(model, text, text[:100], settings)
    done = {"steps": 0, "words": 0}

    def count(entry: dict) -> None:
        done["steps"] += 1
        if done["steps"] == STEPS:
            raise Paused

    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(task, TrainConfig(epochs=100, peak_lr=0.001, threads=options.threads), Path(folder), count)
        peer = Peer(options.words, options.size, options.layers)
        streams = torch.from_numpy(text.astype(np.int64)).reshape(options.streams, -1).T.contiguous()
        loss = task.loss
        task.loss = lambda batch: _counted(loss, batch, done)  # type: ignore[method-assign]
        found: list[tuple[float, float]] = []
        for number in range(options.rounds + 1):
            done.update(steps=0, words=0)
            started = time.perf_counter()
            with contextlib.suppress(Paused):
                trainer.run()
            own = done["words"] / (time.perf_counter() - started)
            other = peer_round(peer, streams, options.steps, options.layers)
            if number:  # the first round warms up
                found.append((own, other))
            trainer.next_batch = 0
    own, other = (statistics.median(column) for column in zip(*found, strict=True))
    ratio = statistics.median(left / right for left, right in found)
    sizes = f"{options.layers} x {options.size}, {options.streams} x {options.steps} words a step"
    print(f"{options.words:,} words, {sizes}, {torch.get_num_threads()} threads, medians of {options.rounds} rounds")
    print(f"project {own:,.0f} words/s, nn.LSTM with a full softmax {other:,.0f} words/s: {ratio:.2f} times as fast")


def _counted(loss, batch, done):  # type: ignore[no-untyped-def]
    done["words"] += batch.inputs.numel()
    return loss(batch)


if __name__ == "__main__":
    main()
