from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from asr.data.download import ARCHIVES, Archive, download_corpus
from asr.errors import AsrError


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        content = bytes(range(256)) * 4000
        info = tarfile.TarInfo("LibriSpeech/toy/1/2/1-2-0000.flac")
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


DATA = _tar()


@pytest.fixture
def server():
    """A local file server that knows ranges; `cut` bytes after which it breaks off, `requests` what it was asked."""

    class Handler(BaseHTTPRequestHandler):
        cut: int | None = None
        requests: list[str | None] = []  # noqa: RUF012

        def do_GET(self):
            asked = self.headers.get("Range")
            self.requests.append(asked)
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
            if start >= len(DATA):
                self.send_error(416)
                return
            self.send_response(206 if asked else 200)
            self.send_header("Content-Length", str(len(DATA) - start))
            self.end_headers()
            self.wfile.write(DATA[start : self.cut])

        def log_message(self, *arguments):
            pass

    Handler.requests = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        checksum = hashlib.sha256(DATA).hexdigest()
        archive = Archive(f"http://127.0.0.1:{http.server_port}/toy.tar.gz", "sha256", checksum, "LibriSpeech/toy")
        yield Handler, archive
        http.shutdown()


def test_an_archive_is_fetched_checked_and_unpacked_once(server, tmp_path):
    handler, archive = server
    seen = []
    folder = download_corpus(archive, tmp_path, lambda have, total: seen.append((have, total)))
    assert (folder / "1/2/1-2-0000.flac").stat().st_size == 256 * 4000
    assert seen[-1] == (len(DATA), len(DATA))
    download_corpus(archive, tmp_path)
    assert len(handler.requests) == 1


def test_a_download_that_broke_off_goes_on_where_it_stopped(server, tmp_path):
    handler, archive = server
    handler.cut = 1000
    with pytest.raises(AsrError, match=r"stopped after 1000 of .* run it again to continue"):
        download_corpus(archive, tmp_path)
    held = (tmp_path / "toy.tar.gz.part").stat().st_size
    assert 0 < held <= 1000
    handler.cut = None
    download_corpus(archive, tmp_path)
    assert handler.requests == [None, f"bytes={held}-"]


def test_a_damaged_archive_is_removed_and_named(server, tmp_path):
    _, archive = server
    (tmp_path / "toy.tar.gz.part").write_bytes(b"x" * len(DATA))
    with pytest.raises(AsrError, match="official checksum"):
        download_corpus(archive, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_does_not_answer_is_named(tmp_path):
    with pytest.raises(AsrError, match="cannot be downloaded"):
        download_corpus(Archive("http://127.0.0.1:9/x.tar.gz", "md5", "", "x"), tmp_path)


def test_every_official_subset_has_a_checksum():
    for name, archive in ARCHIVES.items():
        assert len(archive.checksum) == {"md5": 32, "sha256": 64}[archive.algorithm], name
