"""Good files of every format, small, made by the project itself; mutations begin from them."""

from __future__ import annotations

import io
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from asr import shipped
from asr.lm.lstm.folder import save_lm
from asr.lm.ngram.arpa import read_arpa
from asr.lm.ngram.columns import write_columns
from asr.npz import write_npz
from asr.text.letter_to_sound import LetterToSound
from asr.text.letter_to_sound_file import write_letter_to_sound

RATE = 16000
TOKENS = "<blank>\n|\na\nb\nc\nd\n"
LEXICON = "a\ta |\ncab\tc a b |\nbad\tb a d |\ndab\td a b |\nbad\tb a d d |\n"
ARPA = """\\data\\
ngram 1=6
ngram 2=5
ngram 3=2

\\1-grams:
-99\t<s>\t-0.4
-1.1\t</s>
-1.7\t<unk>
-0.7\ta\t-0.3
-0.9\tcab\t-0.2
-1.0\tbad\t-0.1

\\2-grams:
-0.3\t<s> cab\t-0.1
-0.5\tcab a\t-0.2
-0.4\ta </s>
-0.6\ta bad
-0.7\tbad </s>

\\3-grams:
-0.2\t<s> cab a
-0.1\tcab a bad

\\end\\
"""
TOML = """[model]
kind = "lstm"
hidden_size = 8
num_layers = 1
input_size = 8
conv_channels = 2
dropout = 0.1

[model.features]
kind = "fbank"
num_mel_bins = 20
frame_shift_ms = 10.0

[search]
lm_weight = 0.8
beam_size = 20
"""
MANIFEST = "".join(
    json.dumps({"id": f"u{n}", "audio_filepath": f"a{n}.wav", "duration": 1.5, "text": "a cab", "speaker": "s",
                "offset": 0.5, "more": [1, {"x": 2}]}) + "\n" for n in range(3))  # fmt: skip
TRN = "a cab (u-1)\nbad (u-2)\n(u-3)\n"
TEXT = (
    "On 12/3/1999 Mr. Smith's 3rd pound cost $3.50, i.e. 1,455 times 'more' – 20% … \u201ca\u201d.\n\nIt was in 1455.\n"
)
SERIES = "time,x,y\n" + "".join(f"2020-{month:02d},{month}.5,{month * 2}\n" for month in range(1, 13))
TABLE = "text,label\n" + "".join(f'"a cab, bad {n}",{n % 2}\n' for n in range(5))
TABLE_LINES = "".join(json.dumps({"text": f"a cab {n}", "label": n % 2}) + "\n" for n in range(4))
HOTWORDS = "cab\nbad dab\t4\na bad\t2.5\ncab a bad\n"


def ngrams() -> list[bytes]:
    """The n-grams of `ARPA` in columns."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lm.arpa"
        path.write_text(ARPA)
        write_columns(path.with_suffix(".ngrams"), read_arpa(path))
        return [path.with_suffix(".ngrams").read_bytes()]


def sound(seconds: float = 0.3, rate: int = RATE) -> np.ndarray:
    """Tones that come and go."""
    time = np.arange(int(seconds * rate)) / rate
    return (0.3 * np.sin(2 * np.pi * 440 * time) * np.sin(2 * np.pi * 3 * time)).astype(np.float32)


def audio(name: str) -> list[bytes]:
    """Files of one kind, of one channel and of two."""
    kinds = {
        "wav": [("WAV", "PCM_16"), ("WAV", "FLOAT"), ("WAVEX", "PCM_24"), ("RF64", "PCM_16"), ("WAV", "IMA_ADPCM"),
                ("WAV", "ULAW"), ("WAV", "GSM610"), ("WAV", "MS_ADPCM")],
        "flac": [("FLAC", "PCM_16"), ("FLAC", "PCM_24")],
        "ogg": [("OGG", "VORBIS"), ("OGG", "OPUS")],
        "mp3": [("MP3", "MPEG_LAYER_III")],
        "aiff": [("AIFF", "PCM_16"), ("AIFF", "FLOAT")],
        "au": [("AU", "PCM_16"), ("AU", "ULAW")],
        "caf": [("CAF", "PCM_16"), ("CAF", "ALAC_16")],
        "w64": [("W64", "PCM_16")],
        "sph": [("NIST", "PCM_16")],
    }  # fmt: skip
    files = []
    for container, subtype in kinds[name]:
        for channels in (1, 2):
            if subtype == "GSM610" and channels == 2:
                continue
            rate = 8000 if subtype == "GSM610" else 16000 if channels == 1 else 24000
            samples = np.stack([sound(rate=rate)] * channels, axis=1)
            file = io.BytesIO()
            soundfile.write(file, samples, rate, format=container, subtype=subtype)
            files.append(file.getvalue())
    return [*files, files[0] + files[-1]]  # two recordings in one file


def movie() -> list[bytes]:
    """An .m4a file, by PyAV."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=RATE)
        frame = av.AudioFrame.from_ndarray(sound()[None], format="fltp", layout="mono")
        frame.sample_rate = RATE
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return [file.getvalue()]


def log_probs() -> np.ndarray:
    """Log-probabilities (40, 6) of `TOKENS`, always the same."""
    values: np.ndarray = np.log(np.random.default_rng(0).dirichlet(np.ones(6) * 0.3, 40) + 1e-9).astype(np.float32)
    return values


def npz() -> list[bytes]:
    """Archives of log-probabilities, as written by this program and by NumPy."""
    with tempfile.TemporaryDirectory() as folder:
        write_npz(Path(folder) / "a.npz", {"u1": log_probs(), "u2": log_probs()[:7]}, b'{"seconds_per_frame": 0.04}')
        written = (Path(folder) / "a.npz").read_bytes()
    file = io.BytesIO()
    np.savez(file, u1=log_probs(), u3=np.asfortranarray(log_probs()))
    return [written, file.getvalue()]


def letter_to_sound() -> list[bytes]:
    """A model of how a few words are pronounced."""
    said = {"cab": [("K", "AE", "B")], "bad": [("B", "AE", "D")], "dab": [("D", "AE", "B")], "cad": [("K", "AE", "D")]}
    with tempfile.TemporaryDirectory() as folder:
        write_letter_to_sound(Path(folder) / "m", LetterToSound.train(said))
        return [(Path(folder) / "m").read_bytes()]


def acoustic_model(folder: Path) -> Path:
    """A model folder: that of the shipped model of spoken digits, the smallest."""
    shutil.copytree(shipped.model_folder("digits"), folder)
    return folder


def language_model(folder: Path, in_bytes: bool = False) -> Path:
    """An LSTM language model of random weights, with a full softmax, or with clusters and in 8 bits."""
    dice = np.random.default_rng(0)
    words, hidden = ["</s>", "<unk>", "a", "cab", "bad", "dab", "add", "dad"], 4
    sizes: dict[str, tuple[int, ...]] = {"embedding.weight": (len(words), 3)}
    for kind, width in (("ih", 3), ("hh", hidden)):
        sizes[f"recurrent.forwards.0.weight_{kind}_l0"] = (4 * hidden, width)
        sizes[f"recurrent.forwards.0.bias_{kind}_l0"] = (4 * hidden,)
    if in_bytes:
        sizes["adaptive.head.weight"] = (4 + 2, hidden)
        for tail, (first, end) in enumerate(((4, 6), (6, 8))):
            sizes[f"adaptive.tail.{tail}.0.weight"], sizes[f"adaptive.tail.{tail}.1.weight"] = (
                (2, hidden),
                (end - first, 2),
            )
    else:
        sizes |= {"output.weight": (len(words), hidden), "output.bias": (len(words),)}
    config = {"embedding_size": 3, "hidden_size": hidden, "num_layers": 1, "cutoffs": [4, 6] if in_bytes else []}
    arrays = {name: dice.normal(size=size).astype(np.float32) for name, size in sizes.items()}
    save_lm(folder, arrays, config, words, 8 if in_bytes else 32)
    return folder
