"""A command whose help shows its options in sections."""

from __future__ import annotations

from typing import Any

import click


class GroupedCommand(click.Command):
    """A command with option sections. groups: the title of each and the names of its parameters, in order.

    Options that no group names stand in the first one, --help in the last.
    """

    def __init__(self, *arguments: Any, groups: dict[str, tuple[str, ...]], **values: Any) -> None:
        super().__init__(*arguments, **values)
        self.groups = groups

    def group_of(self, parameter: click.Parameter) -> str:
        """The title of the section that shows a parameter."""
        first, last = next(iter(self.groups)), list(self.groups)[-1]
        named = (title for title, names in self.groups.items() if parameter.name in names)
        return next(named, last if "--help" in parameter.opts else first)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections; click calls this for the help."""
        rows: dict[str, list[tuple[str, str]]] = {title: [] for title in self.groups}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                rows[self.group_of(parameter)].append(record)
        for title, records in rows.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)
