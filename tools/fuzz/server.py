"""Random requests against a running server, by its OpenAPI document, and a look at what is left afterwards.

    python tools/fuzz/server.py [--examples 2000]       requests that schemathesis makes up
    python tools/fuzz/server.py --uploads 400           mutated audio files, so many of each format

The first needs schemathesis (`pip install schemathesis`), which is no part of the gate. Exits with 1 for an answer of
5xx other than 503, for a request without an answer, for temporary files that are left, for a server that is no more, or
that wrote tracebacks.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import corpus
from mutations import any_bytes

FORMATS = ("wav", "flac", "ogg", "mp3", "aiff", "au", "caf", "w64", "sph", "m4a")
CLIENTS = 4
MARK = b"a-line-that-no-file-holds"


def leftovers() -> set[str]:
    """Temporary files and folders of the recognizer."""
    return {path.name for path in Path(tempfile.gettempdir()).glob("asr-*")}


def inputs(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Names and contents: the good files of each format, then `count` mutated ones."""
    for form in FORMATS:
        good = corpus.movie() if form == "m4a" else corpus.audio(form)
        for content in good:
            yield f"good.{form}", content
        for number in range(count):
            dice = random.Random(f"{seed} {form} {number}")
            yield f"{number}.{form}", any_bytes(dice.choice(good), dice)


def upload(address: str, name: str, content: bytes) -> int | str:
    """The status of one request, or what came in place of an answer."""
    head = b'--%s\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n' % (MARK, name.encode())
    headers = {"Content-Type": f"multipart/form-data; boundary={MARK.decode()}"}
    body = head + content + b"\r\n--%s--\r\n" % MARK
    request = urllib.request.Request(f"{address}/v1/audio/transcriptions", data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:
            json.load(answer)["text"]
            return int(answer.status)
    except urllib.error.HTTPError as error:
        json.load(error)["error"]["message"]
        return error.code
    except Exception as error:
        return f"{type(error).__name__} for {name}"


def upload_all(address: str, count: int, seed: int) -> Counter[int | str]:
    """The answers to all inputs, sent by a few clients at once."""
    answers: Counter[int | str] = Counter()
    waiting, lock = inputs(count, seed), threading.Lock()

    def client() -> None:
        while True:
            with lock:
                item = next(waiting, None)
            if item is None:
                return
            answer = upload(address, *item)
            with lock:
                answers[answer] += 1

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def memory(process: int) -> dict[str, int]:
    """Memory of a process in MB, now and at most."""
    text = Path(f"/proc/{process}/status").read_text()
    return {name: int(re.search(rf"{name}:\s+(\d+)", text)[1]) // 1024 for name in ("VmRSS", "VmHWM")}


def main() -> int:
    """Send the requests and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=2000, help="for each operation")
    parser.add_argument("--schemathesis", default="schemathesis", help="the command")
    parser.add_argument("--uploads", type=int, default=0, help="mutated files of each format, in place of schemathesis")
    parser.add_argument("--seed", type=int, default=1, help="of the mutations and of schemathesis")
    arguments = parser.parse_args()
    before = leftovers()
    command = [sys.executable, "-m", "asr", "serve", "--port", "0", "--model", "digits", "--threads", "1"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace")
    assert process.stderr is not None
    address = next(match[1] for line in process.stderr if (match := re.search(r"(http://\S+)", line)))
    written: list[str] = []
    reader = threading.Thread(target=written.extend, args=(process.stderr,))
    reader.start()
    at_first, code, answers = memory(process.pid)["VmRSS"], 0, Counter[int | str]()
    try:
        if arguments.uploads:
            answers = upload_all(address, arguments.uploads, arguments.seed)
            code = any(isinstance(answer, str) for answer in answers)
        else:
            fuzz = [arguments.schemathesis, "run", f"{address}/openapi.json", "--checks", "not_a_server_error",
                    "--max-examples", str(arguments.examples), "--phases", "examples,coverage,fuzzing",
                    "--seed", str(arguments.seed), "--continue-on-failure"]  # fmt: skip
            code = subprocess.run(fuzz).returncode
        lines = urllib.request.urlopen(f"{address}/metrics").read().decode().splitlines()
        counts = {line.split()[0]: int(line.split()[1]) for line in lines if line.startswith("asr_requests_total")}
        alive = process.poll() is None
        used = {"at_first": at_first, **memory(process.pid)}
    finally:
        process.terminate()
        process.wait(60)
        reader.join(60)
    tracebacks = sum("Traceback" in line for line in written)
    failures = {name: count for name, count in counts.items() if re.search(r'status="5(?!03)', name)}
    left = leftovers() - before
    values = {"requests": sum(counts.values()), "uploads": dict(answers), "answers": counts, "memory_mb": used,
              "alive": alive, "left": sorted(left), "written": len(written), "tracebacks": tracebacks}  # fmt: skip
    print(json.dumps(values, indent=1))
    return 1 if code or failures or left or tracebacks or not alive else 0


if __name__ == "__main__":
    sys.exit(main())
