"""The records of runs, as a file of JSON lines beside the state: `STATE.runs`.

A record is appended with one write, so that several processes can do it at once; the last one with an id counts. A
file that grows beyond a limit becomes `STATE.runs.1`, in the place of the one before.
"""

from __future__ import annotations

import os

import orjson

from iacengine.foundation.atomic import make_folders, read_regular_file, require_regular, write_all
from iacengine.foundation.disk import Disk
from iacengine.state.run_record import RunRecord, newest, run_record_from_json, run_record_to_json

LIMIT = 16 * 1024 * 1024
"""Bytes that the file of records may have before the next one begins."""


_CHUNK = 64 * 1024


def append_run(path: str, record: RunRecord, disk: Disk) -> None:
    """Append a record to the file. Raises OSError."""
    make_folders(os.path.dirname(path), disk)  # noqa: PTH120 - text in, text out
    descriptor = disk.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        write_all(disk, descriptor, orjson.dumps(run_record_to_json(record)) + b"\n")
        size = os.fstat(descriptor).st_size
    finally:
        disk.close(descriptor)
    if size > LIMIT:
        disk.replace(path, f"{path}.1")


def read_runs(path: str, limit: int | None = None) -> list[RunRecord]:
    """The records, oldest first: the newest `limit` of them, or all. Lines that are torn or make no sense are left out.
    Raises OSError.

    With a limit only the end of the file is read. A record has up to two lines beside each other, unless runs that
    failed to get the lock came in between.
    """
    wanted = None if limit is None else 2 * limit + 1
    lines = _last_lines(path, wanted)
    if wanted is None or len(lines) < wanted:
        lines = [*_last_lines(f"{path}.1", None if wanted is None else wanted - len(lines)), *lines]
    found: dict[str, RunRecord] = {}
    for line in lines:
        try:
            record = run_record_from_json(orjson.loads(line))
        except (KeyError, TypeError, ValueError):
            continue
        found[record.id] = record
    return list(newest(sorted(found.values(), key=lambda record: record.started), limit))


def _last_lines(path: str, count: int | None) -> list[bytes]:
    """The last `count` lines of a file (None: all), as many as there are."""
    if count is None:
        return (read_regular_file(path) or b"").splitlines()
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return []
    try:
        require_regular(descriptor, path)
        start, tail = os.fstat(descriptor).st_size, b""
        while start and tail.count(b"\n") <= count:
            size = min(start, max(_CHUNK, len(tail)))  # so that long lines are read about once
            start -= size
            tail = os.pread(descriptor, size, start) + tail
    finally:
        os.close(descriptor)
    lines = [line for line in tail.split(b"\n")[1 if start else 0 :] if line]
    return lines[max(0, len(lines) - count) :]
