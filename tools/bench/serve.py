"""Load on a server: many clients with short clips, batched against one at a time, and live streams at once.

    python tools/bench/serve.py clips CLIP... [--clients 50] [--seconds 600] [--alone]
    python tools/bench/serve.py streams CLIP... [--streams 16] [--seconds 60]

The server runs as a process of its own, so that its memory can be read. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile


@contextmanager
def server(options: list[str]) -> Iterator[tuple[str, int]]:
    """A server's address and process number."""
    command = [sys.executable, "-m", "asr", "serve", "--port", "0", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if match := re.search(r"http://(\S+)", line):
            break
    else:
        raise SystemExit("the server did not start")
    try:
        yield match[1], process.pid
    finally:
        process.terminate()
        process.wait(120)


def resident_mb(process: int) -> float:
    """Memory of a process in MB."""
    text = Path(f"/proc/{process}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024


def cpu_seconds(process: int) -> float:
    """CPU time of a process."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def mean_batch(address: str, what: str) -> float:
    """How many pieces or windows went through the network at once."""
    lines = urllib.request.urlopen(f"http://{address}/metrics").read().decode().splitlines()
    values = {line.split()[0]: float(line.split()[1]) for line in lines if line.startswith(f"asr_batch_{what}_")}
    return values[f"asr_batch_{what}_sum"] / max(1.0, values[f"asr_batch_{what}_count"])


def post(address: str, clip: bytes) -> int:
    """The status of one request."""
    mark = uuid.uuid4().hex
    head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="a.flac"\r\n\r\n'
    body = head.encode() + clip + f"\r\n--{mark}--\r\n".encode()
    request = urllib.request.Request(
        f"http://{address}/v1/audio/transcriptions",
        data=body,
        headers={"Content-Type": f"multipart/form-data; boundary={mark}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=600) as answer:
            json.load(answer)["text"]
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def clips(arguments: argparse.Namespace) -> dict[str, object]:
    """Clients that send clips one after the other for some time."""
    contents = [path.read_bytes() for path in arguments.clips]
    options = [*arguments.server, *(["--workers", "1"] if arguments.alone else [])]
    with server(options) as (address, process):
        post(address, contents[0])
        times: list[float] = []
        statuses: Counter[int | str] = Counter()
        memory: list[float] = []
        cpu, began = cpu_seconds(process), time.monotonic()
        end = began + arguments.seconds

        def client(number: int) -> None:
            count = number
            while time.monotonic() < end:
                started = time.monotonic()
                try:
                    status: int | str = post(address, contents[count % len(contents)])
                except OSError as error:
                    status = type(error).__name__
                statuses[status] += 1
                count += 1
                if status == 200:
                    times.append(time.monotonic() - started)
                else:
                    time.sleep(1)

        threads = [threading.Thread(target=client, args=(number,)) for number in range(arguments.clients)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            memory.append(resident_mb(process))
            time.sleep(1)
        took, cpu = time.monotonic() - began, cpu_seconds(process) - cpu
        batch = mean_batch(address, "pieces")
    part = max(1, len(memory) // 10)
    ordered = sorted(times)
    return {
        "statuses": dict(statuses),
        "requests_per_second": len(times) / took,
        "requests_per_cpu_second": len(times) / cpu,
        "median": statistics.median(ordered),
        "p99": ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))],
        "mean_batch": batch,
        "memory_mb_first_tenth": statistics.mean(memory[:part]),
        "memory_mb_last_tenth": statistics.mean(memory[-part:]),
    }


def streams(arguments: argparse.Namespace) -> dict[str, object]:
    """Live streams at the speed of time: how long after its end a word is shown.

    Each speaker begins in another place of the clip, so that utterances end at different times.
    """
    from websockets.sync.client import connect

    samples, rate = soundfile.read(arguments.clips[0], dtype="int16")
    whole = np.concatenate([samples, np.zeros(rate, np.int16)])
    period = len(whole)
    whole = np.tile(whole, int(np.ceil(arguments.seconds * rate / len(whole))))
    step = rate // 10
    delays: list[float] = []
    with server([*arguments.server, "--streams", str(arguments.streams)]) as (address, process):

        def listen(socket, began: float) -> None:
            shown = 0.0
            for text in socket:
                message = json.loads(text)
                now = time.monotonic() - began
                for word in message.get("words", []):
                    if message["type"] == "partial" and word["end"] > shown:
                        delays.append(now - word["end"])
                        shown = word["end"]

        def stream(number: int) -> None:
            spoken = np.roll(whole, -number * period // arguments.streams)
            time.sleep(number * 0.13)
            with connect(f"ws://{address}/v1/audio/stream", ping_interval=None) as socket:
                socket.send(json.dumps({"type": "start", "rate": rate}))
                socket.recv()
                began = time.monotonic()
                listener = threading.Thread(target=listen, args=(socket, began))
                listener.start()
                for at in range(0, len(spoken), step):
                    time.sleep(max(0.0, began + (at + step) / rate - time.monotonic()))
                    socket.send(spoken[at : at + step].tobytes())
                socket.send('{"type": "stop"}')
                listener.join()

        cpu = cpu_seconds(process)
        threads = [threading.Thread(target=stream, args=(number,)) for number in range(arguments.streams)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        cpu = cpu_seconds(process) - cpu
        windows = mean_batch(address, "windows")
    seconds = arguments.streams * len(whole) / rate
    return {
        "words": len(delays),
        "delay_median": statistics.median(delays),
        "delay_p90": statistics.quantiles(delays, n=10)[-1],
        "cpu_seconds_per_second_of_a_stream": cpu / seconds,
        "mean_batch": windows,
    }


def main() -> None:
    """Run one of the loads."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("load", choices=("clips", "streams"))
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--streams", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--alone", action="store_true", help="one recording at a time")
    parser.add_argument("--server", nargs="*", default=[], help="further options of the server, without dashes: a=b")
    arguments = parser.parse_args()
    arguments.server = [f"--{option}" for option in arguments.server]
    print(json.dumps({"clips": clips, "streams": streams}[arguments.load](arguments), indent=1))


if __name__ == "__main__":
    main()
