"""A model's acoustic network fine-tuned on recordings; needs torch."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from asr.atomic_file import write_text
from asr.callbacks import Note
from asr.config import from_dict
from asr.data.config import DataConfig
from asr.data.manifest import BadItem, Manifest, Utterance
from asr.errors import CheckpointError, ManifestError, TextError
from asr.gmm.config import GAUSSIAN
from asr.model_package import ModelPackage
from asr.text.lexicon import Lexicon
from asr.text.normalize import normalize_english
from asr.text.spelling import Speller
from asr.train.log import Report

HELD_OUT = 0.2  # of the recordings, to stop on and to measure on
HELD_OUT_MOST = 600.0  # seconds
LEAST_UTTERANCES = 10
STEPS = 60  # of training, wanted
EPOCHS = range(3, 9)
BATCH_SECONDS = 20.0  # and as long as the longest utterance, which is left out of shorter ones
LEARNING_RATE = 2e-4  # at the peak; a tenth of what a model from nothing takes
PATIENCE = 3  # epochs without fewer errors


@dataclass(frozen=True)
class Recordings:
    """What is trained on and what is held out."""

    train: Manifest
    held_out: Manifest


def divide(manifest: Manifest, dev: Manifest | None) -> Recordings:
    """Recordings with their texts as the model spells them, and a part held out: `dev`, or a fifth, drawn.

    dev: as `with_texts` gives it.

    Raises ManifestError if there are too few.
    """
    manifest = with_texts(manifest)
    utterances = manifest.utterances
    if not utterances:
        raise ManifestError("no recording of the manifest has a text to train on.")
    if dev is not None:
        return Recordings(manifest, dev)
    if len(utterances) < LEAST_UTTERANCES:
        raise ManifestError(
            f"the manifest has {len(utterances)} utterances with texts; {LEAST_UTTERANCES} are needed, a fifth to "
            "measure on. Cut long recordings into sentences."
        )
    order = sorted(utterances, key=lambda utterance: utterance.id)
    random.Random(0).shuffle(order)
    whole = sum(utterance.duration for utterance in order)
    held_out: list[Utterance] = []
    while sum(utterance.duration for utterance in held_out) < min(HELD_OUT * whole, HELD_OUT_MOST):
        held_out.append(order.pop())
    return Recordings(Manifest(order, manifest.bad), Manifest(held_out, []))


def with_texts(manifest: Manifest) -> Manifest:
    """The utterances with words in plain letters; those without are told among what cannot be used."""
    normalised = [replace(utterance, text=normalize_english(utterance.text or "")) for utterance in manifest.utterances]
    bad = [BadItem(utterance.id, "it has no text") for utterance in normalised if not utterance.text]
    return Manifest([utterance for utterance in normalised if utterance.text], manifest.bad + bad)


def fine_tune(
    package: ModelPackage, recordings: Recordings, lexicon: Lexicon | None, output: Path, report: Report | None,
    device: str = "auto", threads: int = 0, learning_rate: float = LEARNING_RATE,
) -> list[BadItem]:  # fmt: skip
    """Train the network of a model further on recordings and write it to the folder `output`.

    lexicon: with the words of the texts; sizes, tokens and features are the model's. Returns the utterances that could
    not be trained on, with the reason. Raises CheckpointError for a model that is no network, TextError if none can be
    spelled.
    """
    from asr.acoustic.run import AcousticRun, AcousticRunConfig

    if package.kind == GAUSSIAN:
        raise CheckpointError(f"{package.folder} holds Gaussian mixtures; only networks can be fine-tuned.")
    output.mkdir(parents=True, exist_ok=True)
    spelled = _lexicon_of(package, recordings, lexicon)
    if spelled is not None:
        write_text(output / "spelled.lexicon.txt", spelled.to_text())
    lengths = [utterance.duration for utterance in recordings.train.utterances]
    batch_seconds = max(BATCH_SECONDS, min(max(lengths), DataConfig().max_seconds))
    batches = max(1.0, sum(lengths) / batch_seconds)
    epochs = min(max(round(STEPS / batches), EPOCHS.start), EPOCHS.stop - 1)
    config = from_dict(AcousticRunConfig, {
        "tokens": str(package.folder / "tokens.txt"),
        "lexicon": str(output / "spelled.lexicon.txt") if spelled is not None else "",
        "init": str(package.folder),
        "model": dict(package.network),
        "data": {"batch_seconds": batch_seconds},
        "augment": {"speeds": [0.95, 1.0, 1.05]},
        "train": {
            "epochs": epochs, "peak_lr": learning_rate, "warmup_share": 0.1, "patience": PATIENCE, "average": 3,
            "weight_decay": 0.0, "device": device, "threads": threads,
        },
    })  # fmt: skip
    run = AcousticRun(config, recordings.train, recordings.held_out, output)
    run.train(report=report)
    return [*run.bad, *run.cramped, *(BadItem(name, reason) for name, reason in run.unreadable.items())]


def _lexicon_of(package: ModelPackage, recordings: Recordings, lexicon: Lexicon | None) -> Lexicon | None:
    """The spellings of the words of the texts; None where the tokens spell words."""
    if package.tokens.spells_words and package.lexicon is None:
        return None
    speller = Speller(package.tokens, lexicon or package.lexicon, package.letter_to_sound_path)
    words = {word for part in _parts(recordings) for utterance in part for word in (utterance.text or "").split()}
    written = {name.lower(): name for name in speller.lexicon.spellings} if speller.lexicon is not None else {}
    spellings = {}
    for word in sorted(words):
        try:
            ways = speller.known(word) or speller.known(written.get(word, word)) or speller.by_rule(word, 1)
        except TextError:
            continue  # its utterances are told among those that cannot be trained on
        spellings[word] = ways
    return Lexicon(spellings)


def _parts(recordings: Recordings) -> Sequence[Sequence[Utterance]]:
    return recordings.train.utterances, recordings.held_out.utterances


def said(recordings: Recordings, note: Note) -> None:
    """Say what is trained on."""
    minutes = [sum(utterance.duration for utterance in part) / 60 for part in _parts(recordings)]
    note(f"fine-tuning on {minutes[0]:.1f} minutes, measuring on {minutes[1]:.1f} others")
