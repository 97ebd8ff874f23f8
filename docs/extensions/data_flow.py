"""The directive `data-flow`: a picture of steps from top to bottom, each line `step | what happens | where`."""

from __future__ import annotations

from html import escape
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

WIDTH, HEIGHT, GAP = 680, 46, 22


def steps_of(lines: list[str]) -> list[list[str]]:
    """The three cells of each step. Raises ValueError for a line that has not three."""
    steps = [[cell.strip() for cell in line.split("|")] for line in lines if line.strip()]
    wrong = [step for step in steps if len(step) != 3]
    if wrong:
        raise ValueError(f"a step is `name | what happens | where`, not {wrong[0]}")
    return steps


def svg(steps: list[list[str]], title: str) -> str:
    """The picture: a box for each step, arrows between them. Its colours are those of the text around it."""
    height = len(steps) * (HEIGHT + GAP) - GAP + 4
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}" '
        'style="max-width: 100%; font-family: sans-serif; fill: currentColor">'
    ]
    for number, (name, what, where) in enumerate(steps):
        top = 2 + number * (HEIGHT + GAP)
        parts.append(
            f'<rect x="1" y="{top}" width="{WIDTH - 2}" height="{HEIGHT}" rx="6" fill="none" stroke="currentColor" '
            f'stroke-opacity="0.5"/><text x="14" y="{top + 19}" font-size="15" font-weight="bold">{escape(name)}</text>'
            f'<text x="{WIDTH - 14}" y="{top + 19}" font-size="12" text-anchor="end" font-family="monospace" '
            f'fill-opacity="0.75">{escape(where)}</text>'
            f'<text x="14" y="{top + 37}" font-size="13" fill-opacity="0.85">{escape(what)}</text>'
        )
        if number + 1 < len(steps):
            middle, end = WIDTH // 2, top + HEIGHT + GAP
            parts.append(
                f'<path d="M{middle} {top + HEIGHT} V{end - 6}" stroke="currentColor" fill="none"/>'
                f'<path d="M{middle - 5} {end - 7} L{middle} {end} L{middle + 5} {end - 7} Z"/>'
            )
    return "".join([*parts, "</svg>"])


class DataFlow(Directive):
    """The picture of the steps in the directive's content; its argument is the picture's name for screen readers."""

    has_content = True
    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        picture = svg(steps_of(list(self.content)), self.arguments[0])
        return [nodes.raw("", f"<p>{picture}</p>", format="html")]


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("data-flow", DataFlow)
    return {"parallel_read_safe": True}
