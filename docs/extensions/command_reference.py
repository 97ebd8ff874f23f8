"""The directive `commands`: a section for every command of `asr`, made from the commands themselves."""

from __future__ import annotations

from typing import Any

import click
from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

from asr.cli.main import every_command


def paragraphs(text: str) -> list[tuple[str, bool]]:
    """The paragraphs of a help text, and whether each is preformatted (click marks it by a backspace)."""
    found = []
    for paragraph in text.strip().split("\n\n"):
        lines = paragraph.splitlines()
        kept = bool(lines) and lines[0].strip() == "\b"
        found.append(("\n".join(lines[1:]) if kept else " ".join(line.strip() for line in lines), kept))
    return found


class Commands(Directive):
    """A section for each command: what it does, an example, its arguments and options."""

    def run(self) -> list[nodes.Node]:
        return [self._section(names, command) for names, command in every_command(names=("asr",))]

    def _section(self, names: tuple[str, ...], command: click.Command) -> nodes.section:
        title = " ".join(names)
        section = nodes.section(ids=[nodes.make_id(title)], names=[title])
        section += nodes.title(title, title)
        context = click.Context(command, info_name=title)
        usage = " ".join([title, *command.collect_usage_pieces(context)])
        section += nodes.literal_block(usage, usage, language="text")
        for text, preformatted in paragraphs(command.help or ""):
            if preformatted:
                section += nodes.literal_block(text, text, language="text")
            else:
                section += nodes.paragraph(text, text)
        options = nodes.definition_list()
        for parameter in command.params:
            record = parameter.get_help_record(context)
            if record is None:
                continue
            item = nodes.definition_list_item()
            item += nodes.term("", "", nodes.literal(record[0], record[0]))
            item += nodes.definition("", nodes.paragraph(record[1], record[1]))
            options += item
        if len(options):
            section += options
        self.state.document.note_implicit_target(section, section)
        return section


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True}
