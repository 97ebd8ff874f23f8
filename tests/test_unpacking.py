"""Packed files: unpacked up to a limit, and damaged ones named, whoever reads them."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random

import pytest

from asr.errors import ConfigError, DataError, TextError
from asr.lm.ngram.arpa import read_arpa
from asr.nlp.table import read_table
from asr.text.lexicon import Lexicon
from asr.text.lines import read_blocks, read_csv, read_lines
from asr.unpacking import SETTING

PACKERS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}
READERS = [
    lambda path: list(read_lines(path)),
    lambda path: list(read_blocks(path)),
    lambda path: list(read_csv(path)),
    read_arpa,
    Lexicon.read,
    read_table,
]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("ending", PACKERS)
def test_damaged_packed_files_are_named_by_every_reader(tmp_path, reader, ending):
    dice = random.Random(0)
    packed = PACKERS[ending](b"".join(b"word%d\tw o r d\n" % number for number in range(500)))
    path = tmp_path / f"a.txt{ending}"
    raised = 0
    for _ in range(60):
        data = bytearray(packed)
        for _ in range(3):
            data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        path.write_bytes(bytes(data))
        try:
            reader(path)
        except (TextError, DataError) as error:
            raised += str(path) in str(error)
    assert raised > 20  # and nothing else is raised


@pytest.mark.parametrize("reader", READERS[:-1])
@pytest.mark.parametrize("ending", PACKERS)
def test_what_unpacks_to_far_more_than_its_size_is_refused_with_the_setting(tmp_path, monkeypatch, reader, ending):
    monkeypatch.setattr("asr.unpacking.ALWAYS_ALLOWED", 1 << 20)
    path = tmp_path / f"a.txt{ending}"
    path.write_bytes(PACKERS[ending](b"a\tb c\n" * (4 << 20 >> 2)))
    with pytest.raises((TextError, DataError), match=SETTING) as caught:
        reader(path)
    assert str(path) in str(caught.value)


def test_the_setting_allows_more_and_must_be_a_number(tmp_path, monkeypatch):
    monkeypatch.setattr("asr.unpacking.ALWAYS_ALLOWED", 1 << 20)
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(b"a line\n" * 500_000))
    monkeypatch.setenv(SETTING, "4")
    assert sum(1 for _ in read_lines(path)) == 500_000
    monkeypatch.setenv(SETTING, "3")
    with pytest.raises(TextError):
        list(read_lines(path))
    monkeypatch.setenv(SETTING, "much")
    with pytest.raises(ConfigError, match=SETTING):
        list(read_lines(path))
