"""The records of runs, as a file of JSON lines beside the state: `STATE.runs`.

A record is appended with one write, so that several processes can do it at once; the last one with an id counts. A
file that grows beyond a limit becomes `STATE.runs.1`, in the place of the one before.
"""

from __future__ import annotations

import os

import orjson

from iacengine.foundation.atomic import make_folders, read_regular_file, write_all
from iacengine.foundation.disk import Disk
from iacengine.state.run_record import RunRecord, run_record_from_json, run_record_to_json

LIMIT = 16 * 1024 * 1024
"""Bytes that the file of records may have before the next one begins."""


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


def read_runs(path: str) -> list[RunRecord]:
    """The records, oldest first. Lines that are torn or make no sense are left out. Raises OSError."""
    found: dict[str, RunRecord] = {}
    for name in (f"{path}.1", path):
        for line in (read_regular_file(name) or b"").splitlines():
            try:
                record = run_record_from_json(orjson.loads(line))
            except (KeyError, TypeError, ValueError):
                continue
            found[record.id] = record
    return sorted(found.values(), key=lambda record: record.started)
