"""Official corpus archives: downloaded (interrupted downloads are continued), verified and unpacked."""

from __future__ import annotations

import hashlib
import tarfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from asr.callbacks import Progress
from asr.errors import AsrError

BLOCK = 1 << 18
TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Archive:
    """The address of an archive, its checksum, and the folder that it unpacks to."""

    url: str
    algorithm: str
    checksum: str
    folder: str


def _librispeech(subset: str, sha256: str) -> Archive:
    return Archive(f"https://www.openslr.org/resources/12/{subset}.tar.gz", "sha256", sha256, f"LibriSpeech/{subset}")


def _mini(subset: str, md5: str) -> Archive:
    return Archive(f"https://www.openslr.org/resources/31/{subset}.tar.gz", "md5", md5, f"LibriSpeech/{subset}")


ARCHIVES = {
    "dev-clean": _librispeech("dev-clean", "76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3"),
    "dev-other": _librispeech("dev-other", "12661c48e8c3fe1de2c1caa4c3e135193bfb1811584f11f569dd12645aa84365"),
    "test-clean": _librispeech("test-clean", "39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23"),
    "test-other": _librispeech("test-other", "d09c181bba5cf717b3dee7d4d592af11a3ee3a09e08ae025c5506f6ebe961c29"),
    "train-clean-100": _librispeech(
        "train-clean-100", "d4ddd1d5a6ab303066f14971d768ee43278a5f2a0aa43dc716b0e64ecbbbf6e2"
    ),
    "train-clean-360": _librispeech(
        "train-clean-360", "146a56496217e96c14334a160df97fffedd6e0a04e66b9c5af0d40be3c792ecf"
    ),
    "train-other-500": _librispeech(
        "train-other-500", "ddb22f27f96ec163645d53215559df6aa36515f26e01dd70798188350adcb6d2"
    ),
    "train-clean-5": _mini("train-clean-5", "5df7d4e78065366204ca6845bb08f490"),
    "dev-clean-2": _mini("dev-clean-2", "6d7ab67ac6a1d2c993d050e16d61080d"),
    "an4": Archive(
        "https://dldata-public.s3.us-east-2.amazonaws.com/an4_sphere.tar.gz",
        "sha256",
        "a0525579493735d32b60fb6fa5975dd0eaacde087b0a4eeb7f13b7ef33077b12",
        "an4",
    ),
}


def download_corpus(archive: Archive, folder: str | Path, progress: Progress | None = None) -> Path:
    """The folder of a corpus, after its archive has been downloaded, verified and unpacked below `folder`.

    An unpacked corpus or a complete archive is not downloaded again, and a partial download is continued. progress: in
    bytes. Raises AsrError if the server does not answer, or if the checksum differs from the official one, in which
    case the damaged file is removed.
    """
    folder = Path(folder)
    target = folder / archive.folder
    done = target / ".complete"
    if done.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    packed = folder / archive.url.rsplit("/", 1)[1]
    if not packed.exists():
        part = packed.with_name(f"{packed.name}.part")
        _fetch(archive.url, part, progress)
        _check(part, archive)
        part.rename(packed)
    else:
        _check(packed, archive)
    try:
        with tarfile.open(packed) as tar:
            tar.extractall(folder, filter="data")
    except tarfile.TarError as error:
        raise AsrError(f"{packed} cannot be unpacked ({error}); remove it and start again.") from None
    target.mkdir(parents=True, exist_ok=True)
    done.touch()
    return target


def _fetch(url: str, part: Path, progress: Progress | None) -> None:
    """Append to `part` the rest of `url`."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            resumed = response.status == 206
            have = have if resumed else 0
            total = have + int(response.headers.get("Content-Length") or 0)
            with part.open("ab" if resumed else "wb") as file:
                while block := response.read(BLOCK):
                    file.write(block)
                    have += len(block)
                    if progress is not None:
                        progress(have, total)
            if have < total:
                raise AsrError(
                    f"the download of {url} stopped after {have} of {total} bytes; run it again to continue from there."
                )
    except urllib.error.HTTPError as error:
        if error.code == 416:  # the range is empty: the file is complete
            return
        raise AsrError(f"{url} cannot be downloaded: the server answers {error.code} {error.reason}.") from None
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise AsrError(f"{url} cannot be downloaded ({reason}); run it again to continue where it stopped.") from None


def _check(path: Path, archive: Archive) -> None:
    digest = hashlib.new(archive.algorithm)
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    if digest.hexdigest() != archive.checksum:
        path.unlink()
        raise AsrError(
            f"{path.name} does not have the official checksum and was removed; run it again to download a new copy."
        )
