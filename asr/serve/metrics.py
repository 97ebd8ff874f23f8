"""Counters, gauges and histograms in Prometheus's text form (version 0.0.4)."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Sequence

Labels = tuple[tuple[str, str], ...]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metric:
    """A metric with a name and a help text; its values are kept by their labels. Safe for several threads."""

    kind = "untyped"

    def __init__(self, name: str, help: str) -> None:
        self.name, self.help = name, help
        self._lock = threading.Lock()

    def lines(self) -> list[str]:
        """The metric's lines, with its help and type before them."""
        text = self.help.replace("\\", "\\\\").replace("\n", "\\n")
        return [f"# HELP {self.name} {text}", f"# TYPE {self.name} {self.kind}", *self._samples()]

    def _samples(self) -> list[str]:
        raise NotImplementedError


class Counter(Metric):
    """A number that only grows."""

    kind = "counter"

    def __init__(self, name: str, help: str) -> None:
        super().__init__(name, help)
        self._values: dict[Labels, float] = {}

    def add(self, amount: float = 1.0, **labels: str) -> None:
        """Add an amount, 0 or more, to the value with these labels."""
        key = tuple(sorted(labels.items()))
        with self._lock:
            self._values[key] = self._values.get(key, 0.0) + amount

    def value(self, **labels: str) -> float:
        """The value with these labels."""
        with self._lock:
            return self._values.get(tuple(sorted(labels.items())), 0.0)

    def _samples(self) -> list[str]:
        with self._lock:
            return [_line(self.name, key, value) for key, value in sorted(self._values.items())]


class Gauge(Metric):
    """A number that is asked for when the metrics are read."""

    kind = "gauge"

    def __init__(self, name: str, help: str, read: Callable[[], float]) -> None:
        super().__init__(name, help)
        self._read = read

    def _samples(self) -> list[str]:
        return [_line(self.name, (), self._read())]


class Histogram(Metric):
    """Counts of values up to each bound."""

    kind = "histogram"

    def __init__(self, name: str, help: str, bounds: Sequence[float]) -> None:
        super().__init__(name, help)
        self._bounds = sorted(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        with self._lock:
            self._counts[bisect_left(self._bounds, value)] += 1
            self._sum += value

    @property
    def mean(self) -> float:
        """The mean of what was observed, 0 where there was nothing."""
        with self._lock:
            return self._sum / max(1, sum(self._counts))

    def _samples(self) -> list[str]:
        with self._lock:
            counts, total = list(self._counts), self._sum
        lines, below = [], 0
        for bound, count in zip([*map(_number, self._bounds), "+Inf"], counts, strict=True):
            below += count
            lines.append(_line(f"{self.name}_bucket", (("le", bound),), below))
        return [*lines, _line(f"{self.name}_sum", (), total), _line(f"{self.name}_count", (), below)]


def render(metrics: Sequence[Metric]) -> str:
    """All metrics as one page."""
    return "".join(line + "\n" for metric in metrics for line in metric.lines())


def _line(name: str, labels: Labels, value: float) -> str:
    inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels)
    return f"{name}{{{inside}}} {_number(value)}" if inside else f"{name} {_number(value)}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
