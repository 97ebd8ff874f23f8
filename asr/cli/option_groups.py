"""A command whose help shows its options in sections."""

from __future__ import annotations

from typing import Any

import click


class GroupedCommand(click.Command):
    """A command with option sections. groups: the title of each and the names of its parameters, in order.

    Options that no group names stand in the first one.
    """

    def __init__(self, *arguments: Any, groups: dict[str, tuple[str, ...]], **values: Any) -> None:
        super().__init__(*arguments, **values)
        self.groups = groups

    def group_of(self, name: str) -> str:
        """The title of the section that shows the parameter `name`."""
        return next((title for title, names in self.groups.items() if name in names), next(iter(self.groups)))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections; click calls this for the help."""
        rows: dict[str, list[tuple[str, str]]] = {title: [] for title in self.groups}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                name = "help" if "--help" in parameter.opts else parameter.name or ""  # click names it otherwise
                rows[self.group_of(name)].append(record)
        for title, records in rows.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)
