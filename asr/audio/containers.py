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

SAMPLE_RATES = (100, 768_000)  # Hz that recordings of sound may have
SIZE_SLACK = 64  # bytes by which programs miscount the size of a file
SOUNDFILE_STARTS = (b"RIFF", b"RIFX", b"RF64", b"FORM", b"fLaC", b"OggS", b".snd", b"caff", b"riff", b"NIST")
MATROSKA, ASF = b"\x1a\x45\xdf\xa3", b"\x30\x26\xb2\x75"
ADTS = (b"\xff\xf0", b"\xff\xf1", b"\xff\xf8", b"\xff\xf9")  # MP3's layer bits are never zero
LONGEST_UNKNOWN = 0x7FFFF000  # of a wav file's data: sizes from there on are written where the length is not known
FLAC_STARTS = (b"fLaC\x00\x00\x00\x22", b"fLaC\x80\x00\x00\x22")  # with the header of the first metadata block
XING_MARKS = (b"Xing\x00\x00\x00", b"Info\x00\x00\x00")
XING_PLACES = (36, 21, 13)  # of the mark in its frame: MPEG 1 stereo; MPEG 1 mono or MPEG 2 stereo; MPEG 2 mono
XING_SLACK = 4096  # bytes that encoders count differently
NIST_SIZES = (b"sample_count", b"sample_n_bytes", b"channel_count")

Part = tuple[int, int]  # first byte, byte after the last


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
        if not head.startswith((b"OggS", b"fLaC", b"ID3")) and not _is_mp3_frame(head):
            return Layout(((0, path.stat().st_size),))
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
            parts.append((begin, at))
            begin, has_body = at, False
        has_body = has_body or not is_first
        segments = data[at + 26]
        at += 27 + segments + sum(data[at + 27 : at + 27 + segments])
    return Layout((*parts, (begin, size)), is_cut=at > size)


def _flac_layout(data: mmap.mmap) -> Layout:
    return Layout(_ranges(sorted(at for start in FLAC_STARTS for at in _places(data, start)), len(data)))


def _mp3_layout(data: mmap.mmap) -> Layout:
    """Encoders begin a recording with a frame that counts its bytes (the Xing header); mp3 has no other mark."""
    begins = [at - place for mark in XING_MARKS for at in _places(data, mark) for place in XING_PLACES
              if at >= place and _is_mp3_frame(data[at - place : at - place + 4])]  # fmt: skip
    parts = _ranges(sorted(set(begins)), len(data))
    promised = _xing_bytes(data, parts[-1][0])
    missing = promised - (parts[-1][1] - parts[-1][0])
    return Layout(parts, is_cut=missing > max(XING_SLACK, promised // 100))


def _xing_bytes(data: mmap.mmap, frame: int) -> int:
    """The bytes that the Xing header of the frame promises, 0 if it has none."""
    for place in XING_PLACES:
        at = frame + place
        if at + 16 <= len(data) and data[at : at + 7] in XING_MARKS:
            has_frames, has_bytes = data[at + 7] & 1, data[at + 7] & 2
            at += 8 + 4 * has_frames
            return int.from_bytes(data[at : at + 4]) if has_bytes else 0
    return 0


def _is_mp3_frame(head: bytes) -> bool:
    """Whether bytes begin a frame of layer III (ISO 11172-3, 2.4.2.3)."""
    return len(head) >= 3 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2 and head[2] >> 4 not in (0, 15)


def _places(data: mmap.mmap, mark: bytes) -> Iterator[int]:
    at = data.find(mark)
    while at >= 0:
        yield at
        at = data.find(mark, at + 1)


def _ranges(begins: list[int], size: int) -> tuple[Part, ...]:
    """The parts of a file that begin at these places; what lies before the first belongs to it."""
    bounds = [0, *begins[1:], size]
    return tuple(pairwise(bounds))


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


def _known(size: int) -> int | None:
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
            return long_size or None if kind == b"RF64" else _known(size)
    return None


def _aiff_data(file: BinaryIO) -> int | None:
    file.read(12)
    return next((_known(size) for name, size in _chunks(file, ">4sI") if name == b"SSND"), None)


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
    return _known(size) if magic == b".snd" else None


def _nist_data(file: BinaryIO) -> int | None:
    """Of NIST's SPHERE files without compression."""
    values = [line.split() for line in file.read(1024).split(b"\n")]
    fields = {line[0]: line[2] for line in values if len(line) == 3}
    sizes = [fields.get(name, b"").decode("ascii", "replace") for name in NIST_SIZES]
    if b"," in fields.get(b"sample_coding", b"") or not all(re.fullmatch(r"\d{1,12}", size) for size in sizes):
        return None
    return int(sizes[0]) * int(sizes[1]) * int(sizes[2])
