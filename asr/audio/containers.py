"""What the bytes of an audio file say: which reader it needs, how much sound it promises, whether it is cut short, and
whether it is several recordings one after the other."""

from __future__ import annotations

import mmap
import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, NamedTuple

from asr.audio.mpeg import XING_MARKS, XING_PLACES, frame_runs, frame_size, is_mp3_frame, read_xing, xing_frame
from asr.audio.ogg_opus import Patch, opus_patches

SAMPLE_RATES = (100, 768_000)  # Hz that recordings of sound may have
SIZE_SLACK = 64  # bytes by which programs miscount the size of a file
SOUNDFILE_STARTS = (b"RIFF", b"RIFX", b"RF64", b"FORM", b"fLaC", b"OggS", b".snd", b"caff", b"riff", b"NIST")
MATROSKA, ASF = b"\x1a\x45\xdf\xa3", b"\x30\x26\xb2\x75"
ADTS = (b"\xff\xf0", b"\xff\xf1", b"\xff\xf8", b"\xff\xf9")  # MP3's layer bits are never zero
LONGEST_UNKNOWN = 0x7FFFF000  # of a wav file's data: sizes from there on are written where the length is not known
FLAC_STARTS = (b"fLaC\x00\x00\x00\x22", b"fLaC\x80\x00\x00\x22")  # with the header of the first metadata block
XING_SLACK = 4096  # bytes that encoders count differently
NIST_SIZES = (b"sample_count", b"sample_n_bytes", b"channel_count")


class Part(NamedTuple):
    """A recording: its first byte, the byte after its last, what a reader must be given before these, and what it
    must be given in place of the bytes at some places of the file (in their order)."""

    start: int
    end: int
    head: bytes = b""
    patches: tuple[Patch, ...] = ()


@dataclass(frozen=True)
class Layout:
    """The recordings in a file, as ranges of bytes, and whether the last one breaks off."""

    parts: tuple[Part, ...]
    is_cut: bool = False


def is_for_av(path: Path, by_name: bool) -> bool:
    """Whether a file is for PyAV rather than soundfile: by its first bytes, or `by_name` where these say nothing."""
    with path.open("rb") as file:
        head = file.read(12)
    if head[4:8] == b"ftyp" or head.startswith((MATROSKA, ASF, *ADTS)):
        return True
    return by_name and not head.startswith((*SOUNDFILE_STARTS, b"ID3"))


def read_layout(path: Path) -> Layout:
    """The recordings in a file; ogg, flac and mp3 files may be several that were written one after the other."""
    with path.open("rb") as file:
        head = file.read(4)
        if not head.startswith((b"OggS", b"fLaC", b"ID3")) and not is_mp3_frame(head):
            return Layout((Part(0, path.stat().st_size),))
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if head == b"OggS":
                return _ogg_layout(data)
            if any(data.find(start, 0, 1 << 24) >= 0 for start in FLAC_STARTS):
                return _flac_layout(data)
            return _mp3_layout(data)


def _ogg_layout(data: mmap.mmap) -> Layout:
    """Recordings begin with pages that are marked as the first of a stream (RFC 3533, chapter 6)."""
    size, at, begin, has_body = len(data), 0, 0, False
    parts: list[Part] = []
    while at + 27 <= size:
        if data[at : at + 4] != b"OggS":
            at = data.find(b"OggS", at)  # as decoders do
            if at < 0:
                break
            continue
        is_first = bool(data[at + 5] & 2)
        if is_first and has_body:
            parts.append(Part(begin, at))
            begin, has_body = at, False
        has_body = has_body or not is_first
        segments = data[at + 26]
        at += 27 + segments + sum(data[at + 27 : at + 27 + segments])
    parts = [part._replace(patches=opus_patches(data, *part[:2])) for part in (*parts, Part(begin, size))]
    return Layout(tuple(parts), is_cut=at > size)


def _flac_layout(data: mmap.mmap) -> Layout:
    return Layout(_ranges(sorted(at for start in FLAC_STARTS for at in _places(data, start)), len(data)))


def _mp3_layout(data: mmap.mmap) -> Layout:
    """Encoders begin a recording with a frame that counts its frames and bytes (the Xing header), or with no mark."""
    begins = [at - place for mark in XING_MARKS for at in _places(data, mark) for place in XING_PLACES
              if at >= place and is_mp3_frame(data[at - place : at - place + 4])]  # fmt: skip
    ranges = _ranges(sorted(set(begins)), len(data))
    parts = tuple(part for one in ranges for part in _mp3_parts(data, one))
    last = max(begins, default=0)
    promised = xing.size if (xing := read_xing(data, last)) is not None else 0
    missing = promised - (len(data) - last)
    return Layout(parts, is_cut=missing > max(XING_SLACK, promised // 100))


def _mp3_parts(data: mmap.mmap, part: Part) -> Iterator[Part]:
    """What to read of a range that has a Xing header at its beginning, or none.

    libsndfile reads as many frames as the header says, and guesses where there is none: with the true number before
    them all are read. A header that promises no less than there is stays, since it also says what encoders added.
    """
    runs = list(frame_runs(data, part.start, part.end))
    xing = read_xing(data, runs[0].start) if runs else None
    frames = sum(run.frames for run in runs) - 1  # beside that of the Xing header
    if not runs or (xing is not None and frames <= xing.frames):
        yield part
        return
    for run in runs:
        xing = read_xing(data, run.start)
        first = run.start + (0 if xing is None else frame_size(data, run.start))
        frames = run.frames - (xing is not None)
        if xing is not None and frames <= xing.frames:
            yield Part(run.start, run.end)
        elif frames > 0:
            yield Part(first, run.end, xing_frame(data[first : first + 4], frames, run.end - first))


def _places(data: mmap.mmap, mark: bytes) -> Iterator[int]:
    at = data.find(mark)
    while at >= 0:
        yield at
        at = data.find(mark, at + 1)


def _ranges(begins: list[int], size: int) -> tuple[Part, ...]:
    """The parts of a file that begin at these places; what lies before the first belongs to it."""
    bounds = [0, *begins[1:], size]
    return tuple(Part(*bound) for bound in pairwise(bounds))


class DataSize(NamedTuple):
    """The bytes of sound that a header promises, and how many of them the file lacks."""

    promised: int
    missing: int


def data_size(path: Path) -> DataSize | None:
    """What the header of a file says of its size. None: nothing."""
    readers = {
        b"RIFF": _wav_data, b"RIFX": _wav_data, b"RF64": _wav_data, b"FORM": _aiff_data, b".snd": _au_data,
        b"caff": _caf_data, b"riff": _w64_data, b"NIST": _nist_data,
    }  # fmt: skip
    with path.open("rb") as file:
        reader = readers.get(file.read(4))
        if reader is None:
            return None
        file.seek(0)
        promised = reader(file)
        present = path.stat().st_size - file.tell()
    return None if promised is None else DataSize(promised, max(0, promised - present))


def _chunks(file: BinaryIO, form: str, counted: int = 0, align: int = 2) -> Iterator[tuple[bytes, int]]:
    """Name and size of each chunk, the file at its content; counted: bytes of the header that the size includes."""
    layout, start = struct.Struct(form), file.tell()
    end = file.seek(0, os.SEEK_END)
    file.seek(start)
    while len(header := file.read(layout.size)) == layout.size:
        name, size = layout.unpack(header)
        if size < counted or size >= 1 << 60:
            return
        after = file.tell() + size - counted + (-size) % align
        yield name, size - counted
        if after >= end:
            return  # file systems refuse places far beyond it
        file.seek(after)


def known_size(size: int) -> int | None:
    """None for the sizes that programs write when they stream and do not know the length."""
    return size if 0 < size < LONGEST_UNKNOWN else None


def _wav_data(file: BinaryIO) -> int | None:
    kind = file.read(12)[:4]
    order = ">" if kind == b"RIFX" else "<"
    long_size = 0
    for name, size in _chunks(file, f"{order}4sI"):
        if name == b"ds64":
            long_size = int.from_bytes(file.read(16)[8:], "little")
        elif name == b"data":
            return long_size or None if kind == b"RF64" else known_size(size)
    return None


def _aiff_data(file: BinaryIO) -> int | None:
    file.read(12)
    return next((known_size(size) for name, size in _chunks(file, ">4sI") if name == b"SSND"), None)


def _caf_data(file: BinaryIO) -> int | None:
    file.read(8)
    return next((size for name, size in _chunks(file, ">4sQ", align=1) if name == b"data"), None)


def _w64_data(file: BinaryIO) -> int | None:
    """Sony Wave64: names of 16 bytes, sizes of 8 that count both, chunks at multiples of 8."""
    file.read(40)
    return next((size for name, size in _chunks(file, "<16sQ", 24, 8) if name[:4] == b"data"), None)


def _au_data(file: BinaryIO) -> int | None:
    magic, start, size = struct.unpack(">4sII", file.read(12).ljust(12))
    file.seek(start)
    return known_size(size) if magic == b".snd" else None


def _nist_data(file: BinaryIO) -> int | None:
    """Of NIST's SPHERE files without compression."""
    values = [line.split() for line in file.read(1024).split(b"\n")]
    fields = {line[0]: line[2] for line in values if len(line) == 3}
    sizes = [fields.get(name, b"").decode("ascii", "replace") for name in NIST_SIZES]
    if b"," in fields.get(b"sample_coding", b"") or not all(re.fullmatch(r"\d{1,12}", size) for size in sizes):
        return None
    return int(sizes[0]) * int(sizes[1]) * int(sizes[2])
