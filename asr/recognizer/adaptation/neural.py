"""A model's LSTM language model fine-tuned on texts; needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from asr.atomic_file import write_text
from asr.config import from_dict
from asr.lm.lstm.folder import load_lm

STEPS = 300  # of training, wanted
EPOCHS = range(2, 13)
BATCH_WORDS = 256
LEARNING_RATE = 1e-3  # at the peak; a third of what a model from nothing takes
PATIENCE = 2  # epochs without a lower perplexity


def fine_tune_lm(
    source: Path, train: Sequence[Sequence[str]], held_out: Sequence[Sequence[str]], output: Path,
    device: str = "auto", threads: int = 0,
) -> Path:  # fmt: skip
    """The folder of the LSTM language model in `source`, trained further on sentences: `output`, which is written.

    Its words and sizes stay; the epoch with the lowest perplexity of `held_out` counts. Raises CheckpointError or
    TextError.
    """
    from asr.lm.lstm.run import LmRun, LmRunConfig

    output.mkdir(parents=True, exist_ok=True)
    texts = [output / "train.txt", output / "held-out.txt"]
    for path, sentences in zip(texts, (train, held_out), strict=True):
        write_text(path, "".join(" ".join(words) + "\n" for words in sentences))
    batches = max(1.0, sum(len(words) + 1 for words in train) / BATCH_WORDS)
    config = from_dict(LmRunConfig, {
        "init": str(source),
        "case": "keep",
        "model": load_lm(source).config,
        "text": {"batch_words": BATCH_WORDS},
        "train": {
            "epochs": min(max(round(STEPS / batches), EPOCHS.start), EPOCHS.stop - 1), "peak_lr": LEARNING_RATE,
            "weight_decay": 0.0, "patience": PATIENCE, "average": 1, "device": device, "threads": threads,
        },
    })  # fmt: skip
    LmRun(config, [texts[0]], texts[1], output).train()
    return output
