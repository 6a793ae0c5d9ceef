"""The entry point: options that come before the verb, and what an exception becomes.

Nothing but click is imported here: `iac version` and `iac --help` are to answer at once.
"""

from __future__ import annotations

import os
import sys

import click

from iacengine.cli import exits
from iacengine.cli.group import SETTINGS, Root
from iacengine.cli.terminal import Terminal, find_terminal, open_missing_streams, silence_broken_streams
from iacengine.foundation.garbage import collect_rarely, skip_last_collection


def _print_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from iacengine.foundation.version import VERSION  # lazy: asked for only here

        click.echo(f"iacengine {VERSION}")
        ctx.exit()


@click.group("iac", cls=Root, context_settings=SETTINGS, subcommand_metavar="COMMAND [OPTIONS]...")
@click.option("--chdir", metavar="DIR", help="Work in another directory.")
@click.option("--no-color", is_flag=True, help="Print no colours (also: the environment variable NO_COLOR).")
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show the version."
)
@click.pass_context
def root(ctx: click.Context, chdir: str | None, no_color: bool) -> None:
    """Infrastructure as code: plan changes, apply them as a transaction, remember what was made.

    Options may be written with one dash or with two. `iac COMMAND --help` explains a command.
    """
    if chdir is not None:
        try:
            os.chdir(chdir)
        except OSError as error:
            raise click.UsageError(f'Cannot work in the directory "{chdir}": {error.strerror}.', ctx) from None
    if no_color:
        ctx.obj = find_terminal(no_color=True)


def main() -> None:
    """Run the command line of this process and exit."""
    collect_rarely()
    code = run(sys.argv[1:])
    if code in (exits.INTERRUPTED, exits.RECOVERY_NEEDED):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # a provider's call may still be running in a thread, which Python would wait for
    skip_last_collection()
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run one command line; its exit code. Never raises."""
    open_missing_streams()
    arguments, no_color = _without_color_switch(arguments)
    terminal = find_terminal(no_color=no_color)
    try:
        code = _invoke(arguments, terminal)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted.\n")
        return exits.INTERRUPTED
    except BrokenPipeError:
        return _quiet_after_broken_pipe()
    except Exception as error:
        from iacengine.cli.failures import report  # lazy: most runs do not fail

        try:
            sys.stdout.flush()
            return report(error, arguments, terminal)
        except BrokenPipeError:
            return _quiet_after_broken_pipe()


def _invoke(arguments: list[str], terminal: Terminal) -> int:
    try:
        result = root.main(args=arguments, prog_name="iac", standalone_mode=False, obj=terminal)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return exits.ERROR
    except click.Abort:  # click's name for Ctrl-C; it has ended the line
        sys.stderr.write("Interrupted.\n")
        return exits.INTERRUPTED
    except SystemExit:  # click's answer to a reader that went away
        return _quiet_after_broken_pipe()
    return result if isinstance(result, int) else exits.DONE


def _without_color_switch(arguments: list[str]) -> tuple[list[str], bool]:
    """`--no-color` is understood wherever it stands, as in Terraform."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    kept = [argument for argument in arguments[:end] if argument not in ("-no-color", "--no-color")]
    return [*kept, *arguments[end:]], len(kept) != end


def _quiet_after_broken_pipe() -> int:
    silence_broken_streams()
    return exits.BROKEN_PIPE


if __name__ == "__main__":
    main()
