"""`asr features`: the filterbank or MFCC features of an audio file."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import click
import numpy as np

from asr.atomic_file import write_atomically
from asr.audio.read import read_audio
from asr.cli.console import note, report
from asr.cli.figures import PicturePath, new_figure, save_figure
from asr.cli.shared_options import check_output, check_suffix, json_option, quiet_option
from asr.errors import AsrError


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--output", type=click.Path(path_type=Path), help="Array to write.  [default: the stem of FILE with .npy]"
)
@click.option(
    "--kind",
    type=click.Choice(["fbank", "mfcc"]),
    default="fbank",
    show_default=True,
    help="Log mel filterbank energies, or mel-frequency cepstral coefficients.",
)
@click.option(
    "--convention",
    type=click.Choice(["kaldi", "librosa"]),
    default="kaldi",
    show_default=True,
    help="Whose windows, mel scale and cosine transform to use.",
)
@click.option("--mel-bins", default=80, show_default=True, help="Number of mel filters.")
@click.option("--ceps", default=13, show_default=True, help="Number of cepstral coefficients of MFCC.")
@click.option(
    "--high-freq", default=0.0, show_default=True, help="Upper edge of the filters in Hz; 0: half the sample rate."
)
@click.option(
    "--deltas", default=0, show_default=True, type=click.IntRange(0, 2), help="Number of time derivatives to append."
)
@click.option(
    "--normalize",
    type=click.Choice(["none", "utterance", "level", "running", "speech"]),
    default="none",
    show_default=True,
    help="Subtract each value's mean over the utterance, its loudness alone, a running mean, or its mean in speech.",
)
@click.option("--plot", type=PicturePath(), help="Picture to draw (.png).")
@json_option()
@quiet_option
def command(
    file: Path, output: Path | None, kind: str, convention: str, mel_bins: int, ceps: int, high_freq: float,
    deltas: int, normalize: str, plot: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Write the features of the audio FILE as a NumPy array (frames, values), float32.

    \b
    Example: asr features talk.wav --kind mfcc --deltas 2 --plot talk.png
    """
    import torch

    from asr.audio.feature_config import FeatureConfig
    from asr.audio.features import Features

    check_output(output, file)
    check_suffix(output, "a NumPy array", ".npy")
    check_output(plot, file)
    config = FeatureConfig(
        kind=kind, convention=convention, num_mel_bins=mel_bins, num_ceps=ceps, high_freq=high_freq, deltas=deltas,
        normalize=normalize,
    )  # fmt: skip
    samples = read_audio(file)
    features, lengths = Features(config)(torch.from_numpy(samples)[None])
    array = features[0, : int(lengths[0])].numpy()
    if not len(array):
        raise AsrError(f"{file} is shorter than one frame of {config.frame_length_ms:g} ms.")
    target = output or Path(f"{file.stem}.npy")
    stream = io.BytesIO()  # to a file itself NumPy writes without noticing that the last part found no space
    np.save(stream, array)
    write_atomically(target, stream.getvalue())
    (frames, values), shift = array.shape, config.frame_shift_ms
    text = f"{target}: {frames} frames of {values} values, one every {shift:g} ms"
    report(text, as_json, output=target, frames=frames, values=values, frame_shift_ms=shift)
    if plot is not None:
        _draw(plot, samples, array, config.frame_shift_ms / 1000, file.name)
        note(f"{plot}: picture")


def _draw(path: Path, samples: Any, array: Any, frame_seconds: float, title: str) -> None:
    figure = new_figure(12, 6)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(1, 3))
    seconds = len(array) * frame_seconds
    top.plot(np.arange(len(samples)) / 16000, samples, linewidth=0.4)
    top.set_title(title)
    top.set_ylabel("amplitude")
    image = bottom.imshow(array.T, origin="lower", aspect="auto", extent=(0, seconds, 0, array.shape[1]))
    bottom.set_xlabel("seconds")
    bottom.set_ylabel("value")
    figure.colorbar(image, ax=(top, bottom))
    save_figure(figure, path)
