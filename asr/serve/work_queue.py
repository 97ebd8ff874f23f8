"""Work that waits for one of a few threads, and that a server which stops can turn away."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any


class StoppingError(Exception):
    """The work was not begun because the server stops."""


class Turns:
    """Places to compute in, handed on in the order in which they were asked for. Use it in a `with` block."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: deque[threading.Event] = deque()
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            turn = threading.Event()
            self._waiting.append(turn)
        turn.wait()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()  # the place is theirs: nobody can come before
            else:
                self._free += 1

    def pass_on(self) -> None:
        """Within the block: let those who wait have their turn first."""
        if self._waiting:
            self.__exit__()
            self.__enter__()


class WorkQueue:
    """Threads that do work in the order in which it came."""

    def __init__(self, workers: int) -> None:
        self._waiting: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._running = 0
        self._stopped = False
        self._condition = threading.Condition()
        self._threads = [
            threading.Thread(target=self._run, name=f"asr-worker-{number}", daemon=True) for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Pieces of work that were not begun."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Pieces of work that are being done."""
        return self._running

    def submit(self, work: Callable[[], Any]) -> Future[Any]:
        """The result of `work` to come; it fails with StoppingError where the server stops before it is begun."""
        future: Future[Any] = Future()
        with self._condition:
            if self._stopped:
                future.set_exception(StoppingError())
            else:
                self._waiting.append((work, future))
                self._condition.notify()
        return future

    def stop(self) -> None:
        """Turn away what waits and what comes; what runs goes on to its end."""
        with self._condition:
            self._stopped = True
            turned_away = list(self._waiting)
            self._waiting.clear()
            self._condition.notify_all()
        for _, future in turned_away:
            if future.set_running_or_notify_cancel():
                future.set_exception(StoppingError())

    def join(self, seconds: float) -> None:
        """Wait for the threads to end after `stop`, each for so long."""
        for thread in self._threads:
            thread.join(seconds)

    def _run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._waiting or self._stopped)
                if not self._waiting:
                    return
                work, future = self._waiting.popleft()
                if not future.set_running_or_notify_cancel():
                    continue  # whoever asked for it has gone
                self._running += 1
            try:
                result = work()
            except BaseException as error:
                failure: BaseException | None = error
            else:
                failure = None
            with self._condition:
                self._running -= 1
            if failure is not None:
                future.set_exception(failure)
                del failure
            else:
                future.set_result(result)
            del work, future
