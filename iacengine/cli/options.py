"""The options that several verbs share, and what they ask for."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_PARALLELISM: Final = 32

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?")


class Duration(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.4 on, not before
    """A time span as Terraform writes it (`90s`, `1m30s`, `500ms`), or a number of seconds; in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        try:
            seconds = float(value)
        except ValueError:
            match = _DURATION.fullmatch(value)
            if match is None or not value:
                self.fail(f"{value!r} is no time span; write one such as 30s, 5m or 1h30m.", param, ctx)
            hours, minutes, whole, milliseconds = (float(part or 0) for part in match.groups())
            return hours * 3600 + minutes * 60 + whole + milliseconds / 1000
        if not 0 <= seconds < float("inf"):
            self.fail(f"{value!r} is no time span; it must not be negative.", param, ctx)
        return seconds


@dataclass(frozen=True, slots=True)
class Request:
    """What the options of a verb that plans or applies ask for. Each verb sets those it has."""

    path: str = "."
    targets: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    allow_deferral: bool = False
    replace: tuple[str, ...] = ()
    refresh: bool = True
    refresh_only: bool = False
    destroy: bool = False
    variables: tuple[str, ...] = ()
    variable_files: tuple[str, ...] = ()
    parallelism: int = DEFAULT_PARALLELISM
    on_failure: str | None = None
    lock: bool = True
    lock_timeout: float = 0.0
    state: str | None = None
    as_json: bool = False
    show_sensitive: bool = False
    ask: bool = True
    auto_approve: bool = False
    detailed_exitcode: bool = False
    out: str | None = None
    events: str | None = None
    frozen: bool = False

    @property
    def chooses_a_plan(self) -> list[str]:
        """The options in use that say how to plan, and so cannot go with a plan made before."""
        used = {
            "--target": self.targets,
            "--exclude": self.excludes,
            "--replace": self.replace,
            "--no-refresh": not self.refresh,
            "--refresh-only": self.refresh_only,
            "--destroy": self.destroy,
            "--on-failure": self.on_failure,
            "--frozen": self.frozen,
        }
        return [name for name, value in used.items() if value]


def _all(*options: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


path_argument = click.argument("path", required=False, default=".", metavar="[STACK]")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
ui_json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object a line, as Terraform's machine-readable UI."
)
frozen_option = click.option(
    "--frozen", is_flag=True, help="Fail rather than change the lock file; modules and providers must be those in it."
)
state_option = click.option("--state", metavar="PATH", help="Use this state file.")
show_sensitive_option = click.option("--show-sensitive", is_flag=True, help="Show sensitive values.")
input_option = click.option(
    "--input/--no-input", "ask", default=True, help="Ask for what is missing (the default), or fail."
)

lock_timeout_option = click.option(
    "--lock-timeout", type=Duration(), default=0.0, metavar="TIME", help="How long to wait for the lock, such as 30s."
)

lock_options = _all(
    click.option("--lock/--no-lock", default=True, help="Hold the lock of the state meanwhile (the default)."),
    lock_timeout_option,
)

events_option = click.option(
    "--events",
    envvar="IAC_EVENTS",
    metavar="TARGET",
    help="Tell what happens as JSON documents: append them to a file, print them (-), or send them to redis://… or "
    "kafka://… (also: the environment variable IAC_EVENTS).",
)

run_options = _all(
    click.option(
        "--parallelism",
        type=click.IntRange(min=1),
        default=DEFAULT_PARALLELISM,
        metavar="N",
        help=f"Do at most so many operations at once (default {DEFAULT_PARALLELISM}).",
    ),
    lock_options,
    state_option,
    input_option,
    show_sensitive_option,
    ui_json_option,
    events_option,
)

VARIABLE_ORDER = "iacengine.variable_order"
"""Under this name the context's `meta` has the `--var` and `--var-file` options as they stood: the last one wins."""


class OrderedOption(click.Option):
    """An option that notes where it stood among others of its kind; click itself keeps one list for each."""

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        super().add_to_parser(parser, ctx)
        for spelling in self.opts:
            option = parser._long_opt[spelling]
            option.process = self._noting(option.process, ctx)

    def _noting(self, process: Callable[[Any, Any], None], ctx: click.Context) -> Callable[[Any, Any], None]:
        def note(value: Any, state: Any) -> None:
            ctx.meta.setdefault(VARIABLE_ORDER, []).append((self.name, value))
            process(value, state)

        return note


variable_options = _all(
    click.option("--var", "variables", cls=OrderedOption, multiple=True, metavar="NAME=VALUE", help="Set a variable."),
    click.option(
        "--var-file",
        "variable_files",
        cls=OrderedOption,
        multiple=True,
        metavar="FILE",
        help="Set variables from a file.",
    ),
)

scope_options = _all(
    click.option("--target", "targets", multiple=True, metavar="ADDRESS", help="Only this, and what it depends on."),
    click.option(
        "--allow-deferral",
        is_flag=True,
        help="Plan in waves: what is not known before other changes are applied is planned after them.",
    ),
    click.option("--exclude", "excludes", multiple=True, metavar="ADDRESS", help="Not this, nor what depends on it."),
    variable_options,
)

refresh_option = click.option(
    "--refresh/--no-refresh", default=True, help="Look the real objects up again first (the default)."
)

planning_options = _all(
    frozen_option,
    click.option("--destroy", is_flag=True, help="Plan to destroy everything."),
    click.option("--refresh-only", is_flag=True, help="Only take up what has changed outside."),
    refresh_option,
    click.option("--replace", multiple=True, metavar="ADDRESS", help="Replace this object even if it need not be."),
    scope_options,
)

on_failure_option = click.option(
    "--on-failure",
    type=click.Choice(["rollback", "pause", "continue"]),
    help="When a step fails: undo what was done (the default); or keep it, and skip what depends on the step; or skip "
    "only what cannot be done without it.",
)

approve_option = click.option("--auto-approve", is_flag=True, help="Do not ask for approval.")


def require_assignments(variables: tuple[str, ...]) -> None:
    """Refuse a `--var` that is no assignment, before anything is loaded. What may be a secret value is not shown."""
    for text in variables:
        name, equals, _ = text.partition("=")
        if not equals or not name.strip():
            shown = f" {name!r}" if name.isidentifier() and not equals else ""
            raise click.UsageError(f'--var{shown} is no assignment; write --var "NAME=VALUE".')
