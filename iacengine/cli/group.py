"""Commands that forgive Terraform's spelling, and a group that imports a verb only when it is used."""

from __future__ import annotations

from importlib import import_module

import click

from iacengine.cli.spelling import normalize
from iacengine.cli.verbs import SECTIONS, VERBS

SETTINGS = {"help_option_names": ["--help", "-h"], "max_content_width": 110}


class Command(click.Command):
    """A verb."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, normalize(args, self.get_params(ctx), only_leading=False))


class Group(click.Group):
    """A verb with verbs below it."""

    command_class = Command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, normalize(args, self.get_params(ctx), only_leading=True))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if self.get_command(ctx, name) is None:
            raise UnknownVerb(name, self.list_commands(ctx), ctx)
        return super().resolve_command(ctx, args)


class Root(Group):
    """`iac` itself: its verbs are the table of `iacengine.cli.verbs`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command = import_module(f"iacengine.cli.commands.{cmd_name.replace('-', '_')}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, verbs in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(list(verbs.items()))


class UnknownVerb(click.UsageError):
    """A verb that does not exist, beside those that do."""

    def __init__(self, name: str, known: list[str], ctx: click.Context) -> None:
        super().__init__(f'There is no command "{name}".', ctx)
        self.name = name
        self.known = known
