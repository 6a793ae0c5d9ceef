"""`iac fmt`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from iacengine.cli import exits
from iacengine.cli.group import Command
from iacengine.cli.options import json_option
from iacengine.cli.terminal import Terminal

_SUFFIXES = (".iac.yaml", ".iac.yml", ".iac.json", ".tf.json")
_CHANGED = 3  # as terraform fmt -check


@click.command("fmt", cls=Command)
@click.argument("paths", nargs=-1, metavar="[PATH | -]...")
@click.option("--check", is_flag=True, help="Change nothing; exit with 3 when a file is not formatted.")
@click.option("--diff", is_flag=True, help="Print the differences.")
@click.option("--list/--no-list", "list_", default=True, help="Print the names of files that change (the default).")
@click.option("--write/--no-write", default=True, help="Write the files (the default).")
@click.option("--recursive/--no-recursive", default=True, help="Also in the folders below (the default).")
@json_option
@click.pass_obj
def command(
    terminal: Terminal,
    paths: tuple[str, ...],
    check: bool,
    diff: bool,
    list_: bool,
    write: bool,
    recursive: bool,
    as_json: bool,
) -> int:
    """Rewrite stack files in the canonical style. Comments and anchors stay; the data never changes.

    PATH is a file or a directory (the current one without it); `-` reads standard input and prints the result.
    """
    from iacengine.cli.failures import print_diagnostics  # lazy: help needs none of it
    from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError

    if paths == ("-",):
        return _filter()
    problems: list[Diagnostic] = []
    changed: list[str] = []
    for path in _stack_files(paths or (".",), recursive=recursive):
        try:
            before = path.read_bytes()
            after = _formatted(str(path), before)
        except OSError as error:
            from iacengine.foundation.diagnostics import error as problem

            problems.append(problem("File cannot be read", f"{path}: {error.strerror}."))
            continue
        except DiagnosticsError as error:
            problems.extend(error.diagnostics)
            continue
        if before == after:
            continue
        changed.append(str(path))
        if list_ and not as_json:
            terminal.line(str(path))
        if diff and not as_json:
            terminal.write(_difference(path, before, after))
        if write and not check:
            _replace(path, after)
    if as_json:
        from iacengine.cli.views.value_json import dumps  # lazy: most runs are read by people

        terminal.line(dumps({"changed": changed, "errors": [str(found) for found in problems]}, indent=True).decode())
    else:
        print_diagnostics(problems, terminal)
    if problems:
        return exits.ERROR
    return _CHANGED if check and changed else exits.DONE


def _filter() -> int:
    data = sys.stdin.buffer.read()
    sys.stdout.buffer.write(
        _formatted("input.tf.json" if data.lstrip()[:1] in (b"{", b"[") else "input.iac.yaml", data)
    )
    return exits.DONE


def _replace(path: Path, data: bytes) -> None:
    """Write the file whole or not at all; its mode stays, and so does a link to it."""
    import os  # lazy: only when something changes
    import shutil
    import tempfile

    target = path.resolve()
    descriptor, fresh = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        shutil.copymode(target, fresh)
        Path(fresh).replace(target)
    except BaseException:
        Path(fresh).unlink(missing_ok=True)
        raise


def _formatted(name: str, data: bytes) -> bytes:
    from iacengine.config.format import format_json, format_yaml  # lazy: help needs none of it

    return format_json(data, name) if name.endswith(".json") else format_yaml(data, name)


def _stack_files(paths: tuple[str, ...], *, recursive: bool) -> Iterator[Path]:
    from iacengine.foundation.diagnostics import failure  # lazy, as above

    for text in paths:
        path = Path(text)
        if path.is_file():
            yield path
        elif path.is_dir():
            yield from _in_directory(path, recursive=recursive)
        else:
            raise failure("No such file", f"There is no file or directory at {text}.")


def _in_directory(directory: Path, *, recursive: bool) -> Iterator[Path]:
    for entry in sorted(directory.iterdir()):
        if entry.is_dir():
            if recursive and not entry.name.startswith(".") and not entry.is_symlink():
                yield from _in_directory(entry, recursive=True)
        elif entry.name.endswith(_SUFFIXES):
            yield entry


def _difference(path: Path, before: bytes, after: bytes) -> str:
    import difflib  # lazy: only with --diff

    lines = difflib.unified_diff(
        before.decode("utf-8", "replace").splitlines(keepends=True),
        after.decode("utf-8", "replace").splitlines(keepends=True),
        f"old/{path}",
        f"new/{path}",
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at the end of the file\n" for line in lines)
