from __future__ import annotations

import pytest

from asr.errors import ManifestError, TextError
from asr.text_file import read_text


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path):
    (tmp_path / "a.txt").write_text("caf\u00e9\n", encoding="utf-8")
    assert read_text(tmp_path / "a.txt") == "caf\u00e9\n"
    with pytest.raises(TextError, match=r"^cannot read token file .*none.txt: No such file or directory; check"):
        read_text(tmp_path / "none.txt", "token file")
    (tmp_path / "b.txt").write_bytes(b"good b\xe9d")
    with pytest.raises(ManifestError, match=r"b.txt is not UTF-8 \(byte 6\); write it again as UTF-8"):
        read_text(tmp_path / "b.txt", "manifest", ManifestError)
