from __future__ import annotations

import bz2
import gzip
import lzma

import pytest

from asr.errors import DataError, TextError
from asr.text.lines import read_csv, read_lines


def test_lines_that_are_not_utf8_are_named_with_their_number(tmp_path):
    (tmp_path / "t.txt").write_bytes(b"good\nb\xe9d\n")
    with pytest.raises(TextError, match="line 2"):
        list(read_lines(tmp_path / "t.txt"))
    with pytest.raises(TextError, match="does not exist"):
        list(read_lines(tmp_path / "none.txt"))
    (tmp_path / "t.gz").write_bytes(gzip.compress(b"abc\n" * 1000)[:-10])
    with pytest.raises(TextError, match="cut short"):
        list(read_lines(tmp_path / "t.gz"))


@pytest.mark.parametrize(
    ("suffix", "compress"), [("", bytes), (".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)]
)
def test_compressed_files_are_read_like_plain_ones(tmp_path, suffix, compress):
    path = tmp_path / f"t.txt{suffix}"
    path.write_bytes(compress("one\r\ntwo caf\u00e9\n\nend".encode()))
    assert list(read_lines(path)) == ["one", "two caf\u00e9", "", "end"]


@pytest.mark.parametrize(("suffix", "compress"), [("", bytes), (".gz", gzip.compress)])
@pytest.mark.parametrize("encoding", ["utf-8", "UTF8"])
def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path, suffix, compress, encoding):
    path = tmp_path / f"t.txt{suffix}"
    path.write_bytes(compress("\ufeffone\n\ufefftwo\n".encode()))
    assert list(read_lines(path, encoding)) == ["one", "\ufefftwo"]


def test_csv_rows_come_with_the_number_of_their_line(tmp_path):
    (tmp_path / "t.csv").write_text('\ufeffa,b\n1,"two\nlines"\n\n3,4\n', encoding="utf-8")
    rows = [(1, ["a", "b"]), (3, ["1", "two\nlines"]), (5, ["3", "4"])]
    assert list(read_csv(tmp_path / "t.csv")) == rows
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress((tmp_path / "t.csv").read_bytes()))
    assert list(read_csv(tmp_path / "t.csv.gz")) == rows


def test_tables_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        list(read_csv(tmp_path / "none.csv"))
    (tmp_path / "t.csv").write_bytes(b"a,b\n\xff,1\n")
    with pytest.raises(DataError, match=r"not UTF-8 \(byte 4\); save it again as CSV in UTF-8"):
        list(read_csv(tmp_path / "t.csv"))
    with pytest.raises(DataError, match="unknown encoding"):
        list(read_csv(tmp_path / "t.csv", encoding="nonsense"))
