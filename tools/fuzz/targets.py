"""The formats: what their inputs are made from, and what reads them."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import corpus
import numpy as np
from corpus import HOTWORDS, TOKENS
from mutations import Mutation, any_bytes, any_field, any_json, json_lines, packed, safetensors

from asr import cache_folder
from asr._native import checksum
from asr.acoustic.config import AcousticConfig
from asr.audio.opus import RATE as OPUS_RATE
from asr.audio.opus import OggOpus
from asr.audio.read import audio_info, read_blocks
from asr.backends.onnx_backend import OnnxBackend
from asr.cache_folder import CHECKED, MAGIC, PREFIX
from asr.config import from_dict, read_toml
from asr.data.manifest import read_manifest
from asr.decode.beam import BeamConfig, BeamDecoder
from asr.decode.greedy import GreedyDecoder
from asr.decode.hypothesis import Hypothesis
from asr.errors import AsrError
from asr.forecast.series import future_times, read_series
from asr.lm.ngram.tables import load_ngram
from asr.lm.open import load_word_model
from asr.lm.word_model import sentence_scores
from asr.model_package import ModelPackage
from asr.nlp.table import read_table
from asr.recognizer.bulk import read_log_probs
from asr.score.text_files import read_texts
from asr.text.letter_to_sound_file import read_letter_to_sound
from asr.text.lexicon import Lexicon
from asr.text.normalize import normalize_english
from asr.text.prose import decoded, paragraphs, sentences
from asr.text.tokens import Tokens

LONGEST = 300.0  # seconds of sound that one input may be read to


@dataclass(frozen=True)
class Target:
    """A format. check: reads a file, and raises AsrError for a bad one; anything else is a defect."""

    name: str
    file: str
    seeds: Callable[[], Sequence[bytes]]
    mutations: Sequence[Mutation]
    check: Callable[[Path], object]
    prepare: Callable[[Path], object] = lambda folder: None  # called once for an empty folder, before any input
    cost: int = 1  # inputs of cheap formats for one of this


def finite(hypotheses: Sequence[Hypothesis]) -> None:
    """Raise AssertionError for scores or confidences that are no numbers."""
    for hypothesis in hypotheses:
        assert not math.isnan(hypothesis.score), hypothesis
        assert hypothesis.score < math.inf, hypothesis
        assert all(0 <= word.confidence <= 1 for word in hypothesis.words), hypothesis


def read_sound(path: Path) -> None:
    """Header and samples, whole and in part."""
    for partial_ in (False, True):
        try:
            info = audio_info(path)
            assert 0 <= info.duration < math.inf, info
            seconds = 0.0
            for block in read_blocks(path, partial=partial_):
                assert np.isfinite(block).all()
                seconds += len(block) / 16000
                if seconds > LONGEST:
                    break
        except AsrError:
            continue


def hear_opus(path: Path) -> None:
    """Opus as a server hears it: in messages, of which one may hold no more than so much sound."""
    stream, data, heard = OggOpus(), path.read_bytes(), 0
    for at in range(0, len(data), 700):
        for samples in stream.decode(data[at : at + 700]):
            assert np.isfinite(samples).all()
            heard += len(samples)
            if heard > LONGEST * OPUS_RATE:
                return


def decode_archive(path: Path) -> None:
    """The arrays of an archive through both decoders."""
    tokens = Tokens(TOKENS.split())
    decoder = BeamDecoder(tokens, small_lexicon(), config=BeamConfig(beam_size=8))
    for name, array in read_log_probs(path).arrays.items():
        for each in (decoder, GreedyDecoder(tokens)):
            try:
                finite(each.decode(array[:200], 2, name))
            except AsrError:
                continue


def small_lexicon() -> Lexicon:
    words = {"a": "a |", "cab": "c a b |", "bad": "b a d |", "dab": "d a b |"}
    return Lexicon({word: [tuple(way.split())] for word, way in words.items()})


def decode_with_ngram(path: Path) -> None:
    """A search with an n-gram model, and scores of a sentence."""
    model = load_ngram(path)
    assert not any(math.isnan(score) for score in model.score_sentence(["a", "cab", "dab"]))
    decoder = BeamDecoder(Tokens(TOKENS.split()), small_lexicon(), model, BeamConfig(beam_size=8))
    finite(decoder.decode(corpus.log_probs(), 3))


def decode_with_cache(path: Path) -> None:
    """As `decode_with_ngram`; a forged cache may hold any scores, but nothing may be read that is not there."""
    model = load_ngram(path)
    model.score_sentence(["a", "cab", "dab"])
    BeamDecoder(Tokens(TOKENS.split()), small_lexicon(), model, BeamConfig(beam_size=8)).decode(corpus.log_probs(), 3)


def decode_with_lexicon(path: Path) -> None:
    """A search over a lexicon that lies in a file."""
    decoder = BeamDecoder(Tokens(TOKENS.split()), Lexicon.later(path), config=BeamConfig(beam_size=8))
    finite(decoder.decode(corpus.log_probs(), 3))
    Lexicon.read(path)


def read_tokens(path: Path) -> None:
    tokens = Tokens.read(path)
    tokens.join(range(len(tokens)))
    tokens.spell("cab")
    _ = tokens.kind, tokens.digest


def read_configuration(path: Path) -> None:
    values = read_toml(path)
    for cls, name in ((AcousticConfig, "model"), (BeamConfig, "search")):
        try:
            config = from_dict(cls, values.get(name, {}))
        except AsrError:
            continue
        if isinstance(config, AcousticConfig):
            _ = config.features.dim, config.features.fft_size, config.features.band, config.seconds_per_frame


def run_model(path: Path) -> None:
    """A model folder of which one file is an input."""
    backend = OnnxBackend(path.parent, threads=1)
    (values,) = backend.log_probs([corpus.sound()])
    _ = backend.package.card, backend.seconds_per_frame
    finite(GreedyDecoder(backend.package.tokens).decode(values))
    package = ModelPackage.open(path.parent)
    from asr.decode.build import open_decoder

    finite(open_decoder(package).decode(values))


def run_language_model(path: Path) -> None:
    model = load_word_model(path.parent, score_unknown=True, quick=True)
    for scores in sentence_scores(model, [["a", "cab"], [], ["zz", "dad"]]):
        assert not np.isnan(scores).any()


def decode_with_hotwords(path: Path) -> None:
    from asr.cli.main import main

    folder = path.parent
    arguments = ["decode", "--log-probs", folder / "l.npz", "--tokens", folder / "t.txt", "--lexicon", folder / "x.txt"]
    try:
        main([*map(str, arguments), "--hotwords", str(path), "--output", str(folder / "hyp.txt")])
    except SystemExit as end:
        if end.code not in (0, 1, 2):
            raise RuntimeError(f"exit code {end.code}") from None
    finally:
        (folder / "hyp.txt").unlink(missing_ok=True)


def prepare_hotwords(folder: Path) -> None:
    (folder / "l.npz").write_bytes(corpus.npz()[0])
    (folder / "t.txt").write_text(TOKENS)
    (folder / "x.txt").write_text(corpus.LEXICON)


def read_csv_series(path: Path) -> None:
    for column in ("time", None):
        try:
            series = read_series(path, time_col=column, missing="last")
        except AsrError:
            continue
        future_times(series, 3)


def pronounce(path: Path) -> None:
    read_letter_to_sound(path).pronounce("bacd")


def read_book(path: Path) -> None:
    text = decoded(path.read_bytes())
    normal = normalize_english(text[:20000])
    assert normalize_english(normal) == normal
    for paragraph in paragraphs(text):
        sentences(paragraph)


def derived(folder: Path, text: str, suffix: str, check: Callable[[Path], object]) -> bytes:
    """The cache that a check writes for a source."""
    source = folder / f"source{suffix}"
    source.write_text(text)
    check(source)
    base = cache_folder.cache_folder()
    assert base is not None, "the fuzzer needs a cache folder"
    (place,) = base.glob("*.tables")
    data = place.read_bytes()
    place.unlink()
    source.unlink()
    return data


def spoil_cache(data: bytes, dice: random.Random) -> bytes:
    """A cache with a right checksum, whose arrays, shapes or types are others."""
    length = int.from_bytes(data[CHECKED:PREFIX])
    header, body = json.loads(data[PREFIX : PREFIX + length]), bytearray(data[PREFIX + length :])
    name = dice.choice(list(header["arrays"]))
    dtype, shape, offset = header["arrays"][name]
    size = np.dtype(dtype).itemsize * math.prod(shape)
    choice = dice.random()
    if choice < 0.7 and size:
        for _ in range(dice.choice((1, 2, 10))):
            at = offset + dice.randrange(size)
            value = dice.choice(
                (bytes([body[at] ^ 1 << dice.randrange(8)]), b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff", b"\0\0\0\x80")
            )
            body[at : at + len(value)] = value
    elif choice < 0.85:
        header["arrays"][name][1] = dice.choice(
            ([0], [1], [shape[0] + 1], [max(0, shape[0] - 1)], [-1], [2, 3], [1 << 60], shape[::-1])
        )
    else:
        header["arrays"][name][0] = dice.choice(("<f8", "<i8", "|u1", "<U4", "|O", "<M8[s]", ">i4"))
    text = json.dumps(header).encode()
    text += b" " * (-(PREFIX + len(text)) % 64)
    return _sealed(text, bytes(body))


def check_cache(text: str, suffix: str, check: Callable[[Path], object], path: Path) -> None:
    """A search that finds the input as its cache."""
    source = path.parent / f"source{suffix}"
    base = cache_folder.cache_folder()
    assert base is not None
    if not source.exists():
        source.write_text(text)
    check(source)  # makes the cache
    (place,) = base.glob("*.tables")
    stamp = json.loads(_header(place.read_bytes()))
    data = path.read_bytes()
    length = int.from_bytes(data[CHECKED:PREFIX])
    try:
        header = json.loads(data[PREFIX : PREFIX + length])
        header["stamp"] = stamp["stamp"]
    except (ValueError, TypeError, KeyError):
        header = None
    if header is not None and data.startswith(MAGIC):
        line = json.dumps(header).encode()
        line += b" " * (-(PREFIX + len(line)) % 64)
        data = _sealed(line, data[PREFIX + length :])
    place.write_bytes(data)
    check(source)
    place.unlink(missing_ok=True)


def _header(data: bytes) -> bytes:
    return data[PREFIX : PREFIX + int.from_bytes(data[CHECKED:PREFIX])]


def _sealed(header: bytes, arrays: bytes) -> bytes:
    """A cache of a padded header and arrays, with its checksum."""
    rest = len(header).to_bytes(8) + header + arrays
    return MAGIC + checksum(np.frombuffer(rest, np.uint8)).to_bytes(8) + rest


def _texts(text: str) -> Callable[[], list[bytes]]:
    return lambda: [text.encode()]


def _of_model(name: str) -> Callable[[], list[bytes]]:
    from asr.shipped import model_folder

    return lambda: [(model_folder("digits") / name).read_bytes()]


def _model_target(name: str, *mutations: Mutation, cost: int = 40) -> Target:
    def prepare(folder: Path) -> None:
        folder.rmdir()
        corpus.acoustic_model(folder)

    return Target(f"model {name}", name, _of_model(name), mutations, run_model, prepare, cost)


def _lm_target(name: str, in_bytes: bool, *mutations: Mutation) -> Target:
    def seeds() -> list[bytes]:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            return [(corpus.language_model(Path(folder), in_bytes) / name).read_bytes()]

    kind = "8-bit LSTM" if in_bytes else "LSTM"
    return Target(f"{kind} {name}", name, seeds, mutations, run_language_model, partial(_new_lm, in_bytes=in_bytes), 3)


def _new_lm(folder: Path, in_bytes: bool) -> None:
    corpus.language_model(folder, in_bytes)


def _cache_target(name: str, text: str, suffix: str, check: Callable[[Path], object]) -> Target:
    def seeds() -> list[bytes]:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            return [derived(Path(folder), text, suffix, check)]

    return Target(f"cache of {name}", "input.tables", seeds, [any_bytes, spoil_cache, spoil_cache, spoil_cache],
                  partial(check_cache, text, suffix, check), cost=2)  # fmt: skip


def _packed_target(name: str, ending: str, text: str, check: Callable[[Path], object]) -> Target:
    pack: Callable[[bytes], bytes]
    pack, unpack = {".gz": (partial(gzip.compress, mtime=0), gzip.decompress), ".bz2": (bz2.compress, bz2.decompress),
                    ".xz": (lzma.compress, lzma.decompress)}[ending]  # fmt: skip
    suffix = Path(name).suffix
    return Target(name + ending, f"input{suffix}{ending}", lambda: [pack(text.encode())],
                  [packed(pack, unpack, any_field), packed(pack, unpack, any_bytes), _bomb(pack)], check)  # fmt: skip


def _bomb(pack: Callable[[bytes], bytes]) -> Mutation:
    """Now and then 100 MB of the same line; else flipped bytes."""

    def mutate(data: bytes, dice: random.Random) -> bytes:
        if dice.random() > 0.0005:
            return any_bytes(data, dice)
        return pack(b"cab\tc a b |\n" * (100 << 20 >> 4))

    return mutate


LINES = (any_field, any_field, any_bytes)
TARGETS = [
    *(Target(f"audio {name}", f"input.{name}", partial(corpus.audio, name), [any_bytes], read_sound)
      for name in ("wav", "flac", "ogg", "mp3", "aiff", "au", "caf", "w64", "sph")),
    Target("audio m4a", "input.m4a", corpus.movie, [any_bytes], read_sound, cost=2),
    Target("Opus stream", "input.ogg", lambda: corpus.audio("ogg")[2:4], [any_bytes], hear_opus),
    Target("manifest", "input.jsonl", _texts(corpus.MANIFEST), [json_lines, json_lines, any_bytes], read_manifest),
    Target("npz", "input.npz", corpus.npz, [any_bytes], decode_archive),
    Target("ARPA", "input.arpa", _texts(corpus.ARPA), LINES, decode_with_ngram),
    _packed_target("x.arpa", ".gz", corpus.ARPA, decode_with_ngram),
    Target("n-grams in columns", "input.ngrams", corpus.ngrams, [any_field, any_bytes, any_bytes], decode_with_ngram),
    Target("n-grams in columns, packed", "input.ngrams.xz", lambda: [lzma.compress(data) for data in corpus.ngrams()],
           [packed(lzma.compress, lzma.decompress, any_bytes)], decode_with_ngram),
    Target("lexicon", "input.txt", _texts(corpus.LEXICON), LINES, decode_with_lexicon),
    *(_packed_target("lexicon.txt", ending, corpus.LEXICON, decode_with_lexicon) for ending in (".gz", ".bz2", ".xz")),
    Target("tokens", "input.txt", _texts(TOKENS), LINES, read_tokens),
    Target("TOML", "input.toml", _texts(corpus.TOML), LINES, read_configuration),
    _model_target("config.json", any_json, any_json, any_bytes),
    _model_target("tokens.txt", *LINES),
    _model_target("lexicon.txt", *LINES),
    _model_target("model.safetensors", safetensors, any_bytes, cost=80),
    _model_target("model.onnx", any_bytes),
    _lm_target("config.json", False, any_json, any_json, any_bytes),
    _lm_target("model.safetensors", False, safetensors, safetensors, any_bytes),
    _lm_target("config.json", True, any_json, any_json, any_bytes),
    _lm_target("model.safetensors", True, safetensors, safetensors, any_bytes),
    _cache_target("n-grams", corpus.ARPA, ".arpa", decode_with_cache),
    _cache_target("a lexicon", corpus.LEXICON, ".txt", decode_with_lexicon),
    Target("hotwords", "input.txt", _texts(HOTWORDS), LINES, decode_with_hotwords, prepare_hotwords, cost=2),
    Target("letter-to-sound", "input.g2p", corpus.letter_to_sound,
           [packed(lzma.compress, lzma.decompress, any_bytes)], pronounce),
    Target("trn", "input.trn", _texts(corpus.TRN), LINES, read_texts),
    Target("texts", "input.txt", lambda: [b"u-1 a cab\nu-2 bad\n"], LINES, read_texts),
    Target("references", "input.jsonl", _texts(corpus.MANIFEST), [json_lines, any_bytes], read_texts),
    Target("series CSV", "input.csv", _texts(corpus.SERIES), LINES, read_csv_series),
    Target("labelled CSV", "input.csv", _texts(corpus.TABLE), LINES, read_table),
    Target("labelled JSON", "input.jsonl", _texts(corpus.TABLE_LINES), [json_lines, any_bytes], read_table),
    Target("text", "input.txt", _texts(corpus.TEXT), LINES, read_book),
]  # fmt: skip
