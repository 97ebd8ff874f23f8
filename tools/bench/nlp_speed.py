"""Training speed of text classifiers: this project beside a plain nn.LSTM loop with padding, same texts, same model.

    python tools/bench/nlp_speed.py TABLE [--text-col text] [--texts 1500] [--rounds 3] [--threads 1]

The peer is the loop of most tutorials: texts in random order, each batch padded to its longest text, embedding,
bidirectional nn.LSTM, the maximum over the steps that are words, a linear layer, AdamW. The project's epoch runs in its
training loop, checkpoints and log included. Both take turns; medians of the rounds are printed.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence

from asr.nlp.model import ClassifierConfig, TextClassifier
from asr.nlp.table import read_table
from asr.nlp.task import BatchConfig, ClassifierTask
from asr.nlp.words import Vocabulary, shortened, words_of
from asr.train.config import TrainConfig
from asr.train.loop import Trainer

BATCH, SIZE = 32, 128


class Peer(nn.Module):
    def __init__(self, words: int, classes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, SIZE, padding_idx=0)
        self.lstm = nn.LSTM(SIZE, SIZE, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(0.5)
        self.output = nn.Linear(2 * SIZE, classes)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        hidden, _ = self.lstm(self.dropout(self.embedding(words)))
        hidden = hidden.masked_fill((words == 0)[:, :, None], float("-inf")).amax(dim=1)
        return self.output(self.dropout(hidden))


def peer_epoch(peer: Peer, texts: list[list[int]], labels: np.ndarray, seed: int) -> float:
    optimizer = torch.optim.AdamW(peer.parameters(), lr=1e-3)
    peer.train()
    order = np.random.default_rng(seed).permutation(len(texts))
    started = time.perf_counter()
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        words = pad_sequence([torch.tensor(texts[row]) for row in rows], batch_first=True)
        optimizer.zero_grad()
        nn.functional.cross_entropy(peer(words), torch.from_numpy(labels[rows])).backward()
        nn.utils.clip_grad_norm_(peer.parameters(), 1.0)
        optimizer.step()
    return len(texts) / (time.perf_counter() - started)


def our_epoch(texts: list[list[int]], labels: np.ndarray, words: int, classes: int, threads: int) -> float:
    model = TextClassifier(ClassifierConfig(embedding_size=SIZE, hidden_size=SIZE, word_dropout=0.0), words, classes)
    task = ClassifierTask(model, texts, labels, texts[:1], labels[:1], BatchConfig(BATCH))
    config = TrainConfig(epochs=1, peak_lr=1e-3, average=1, device="cpu", threads=threads)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(task, config, Path(folder))
        started = time.perf_counter()
        trainer.run()
        return len(texts) / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table")
    parser.add_argument("--text-col", default="text")
    parser.add_argument("--texts", type=int, default=1500)
    parser.add_argument("--max-words", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    table = read_table(options.table, options.text_col)
    chosen = np.random.default_rng(0).permutation(len(table))[: options.texts]
    words = [words_of(table.texts[row]) for row in chosen]
    classes = sorted({label for label in table.labels if label is not None})
    labels = np.array([classes.index(str(table.labels[row])) for row in chosen])
    vocabulary = Vocabulary.of(words, 1)
    texts = [vocabulary.encode(shortened(text, options.max_words)) for text in words]
    peer = Peer(len(vocabulary.words), len(classes))
    rates: dict[str, list[float]] = {"plain nn.LSTM loop": [], "asr": []}
    for number in range(options.rounds):
        rates["plain nn.LSTM loop"].append(peer_epoch(peer, texts, labels, number))
        rates["asr"].append(our_epoch(texts, labels, len(vocabulary.words), len(classes), options.threads))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    for name, value in medians.items():
        print(f"{name:<20} {value:8.0f} texts/s")
    print(f"ratio                {medians['asr'] / medians['plain nn.LSTM loop']:8.2f}")


if __name__ == "__main__":
    main()
