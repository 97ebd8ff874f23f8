"""New corpora from existing ones: augmented or concatenated utterances, and sounds, written as FLAC files.

What an utterance becomes depends on the seed and its id alone, not on those beside it.
"""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from asr.atomic_file import write_atomically
from asr.audio.augment import AugmentConfig, augment_samples
from asr.audio.read import SAMPLE_RATE, Samples, read_audio
from asr.audio.sounds import draw_sound
from asr.data.joining import JoinConfig, Joined, join_samples, plan_joined
from asr.data.manifest import BadItem, Manifest, Utterance
from asr.errors import AudioError, ConfigError

AUDIO = "audio"  # the sub-folder of new files

Progress = Callable[[int, int], None]


def write_augmented(
    manifest: Manifest, config: AugmentConfig, seed: int, folder: Path, progress: Progress | None = None
) -> Manifest:
    """The utterances after augmentation, written to `folder`/audio as 16-bit FLAC of 16 kHz.

    Random choices depend on the seed and the utterance's id alone. Unreadable utterances are listed. Speeds other
    than 1 change the length, and so the duration that is returned. Raises ConfigError where audio would be overwritten
    that is read.
    """
    _check_place(manifest.utterances, folder)
    good: list[Utterance] = []
    bad = list(manifest.bad)
    for number, utterance in enumerate(manifest.utterances, 1):
        try:
            samples = read_audio(utterance.audio_filepath, utterance.offset, utterance.duration or None)
        except AudioError as error:
            bad.append(BadItem(utterance.id, str(error).rstrip(".")))
            continue
        changed = augment_samples(samples, SAMPLE_RATE, config, generator(seed, utterance.id))
        path = write_flac(folder, utterance.id, changed)
        good.append(replace(utterance, audio_filepath=str(path), offset=0.0, duration=len(changed) / SAMPLE_RATE))
        if progress is not None:
            progress(number, len(manifest.utterances))
    return Manifest(good, bad)


def write_joined(
    manifest: Manifest, config: JoinConfig, seed: int, folder: Path, progress: Progress | None = None
) -> Manifest:
    """The utterances that stay single, then the joined examples of `plan_joined`, written to `folder`/audio.

    A joined example's id is `joined-` and a number; `parts`, in its manifest line, names its utterances, and `gaps` the
    pauses in seconds. One with a part that cannot be read is listed and left out. Raises ConfigError where audio would
    be overwritten that is read.
    """
    _check_place(manifest.utterances, folder)
    random = np.random.default_rng(seed)
    joined, good = plan_joined(manifest.utterances, config, random)
    bad = list(manifest.bad)
    for number, group in enumerate(joined, 1):
        name = f"joined-{number:06d}"
        try:
            pieces = [read_audio(part.audio_filepath, part.offset, part.duration or None) for part in group.utterances]
        except AudioError as error:
            bad.append(BadItem(name, str(error).rstrip(".")))
            continue
        samples = join_samples(pieces, group.gaps, SAMPLE_RATE, config.silent_share, generator(seed, name))
        path = write_flac(folder, name, samples)
        good.append(_described(name, path, samples, group))
        if progress is not None:
            progress(number, len(joined))
    return Manifest(good, bad)


def _check_place(utterances: Sequence[Utterance], folder: Path) -> None:
    """Raise ConfigError where audio of the utterances lies where the new files are written: it could be lost."""
    written = os.path.realpath(folder / AUDIO)
    if any(os.path.realpath(place) == written for place in {Path(each.audio_filepath).parent for each in utterances}):
        raise ConfigError(f"{folder / AUDIO} holds audio of the manifest, which could be overwritten; choose another "
                          "`output`.")  # fmt: skip


def _described(name: str, path: Path, samples: Samples, group: Joined) -> Utterance:
    speakers = {part.speaker for part in group.utterances}
    extra = {"parts": [part.id for part in group.utterances], "gaps": [round(gap, 3) for gap in group.gaps]}
    speaker = speakers.pop() if len(speakers) == 1 else None
    return Utterance(name, str(path), len(samples) / SAMPLE_RATE, group.text, speaker, extra=extra)


def write_sounds(
    kinds: Sequence[str], number: int, seconds: tuple[float, float], seed: int, folder: Path
) -> list[Utterance]:
    """`number` sounds without speech and with empty texts, of each kind in turn, written to `folder`/audio."""
    made = []
    for index in range(number):
        kind = kinds[index % len(kinds)]
        name = f"{kind}-{index:05d}"
        random = generator(seed, name)
        samples = draw_sound(kind, float(random.uniform(*seconds)), SAMPLE_RATE, random)
        path = write_flac(folder, name, samples)
        made.append(Utterance(name, str(path), len(samples) / SAMPLE_RATE, "", extra={"kind": kind}))
    return made


def generator(seed: int, name: str) -> np.random.Generator:
    """The random generator of one utterance."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def write_flac(folder: Path, name: str, samples: Samples) -> Path:
    """The path of the new file `folder`/audio/NAME.flac, / as %2F; samples beyond full scale are clipped."""
    path = folder / AUDIO / f"{name.replace('%', '%25').replace('/', '%2F')}.flac"
    path.parent.mkdir(parents=True, exist_ok=True)
    stream = io.BytesIO()  # libsndfile does not say why a file cannot be written
    soundfile.write(stream, np.clip(samples, -1.0, 1.0), SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    write_atomically(path, stream.getvalue())
    return path
