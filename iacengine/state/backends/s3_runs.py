"""The records of runs as objects, named for when the run started, so that a listing has them in order."""

from __future__ import annotations

import re

import orjson

from iacengine.state.backends.s3_store import S3Store, ignoring_failures
from iacengine.state.run_record import RunRecord, run_record_from_json, run_record_to_json

RUNS_KEPT = 1000

_UNSAFE = re.compile(r"[^0-9A-Za-z_.+-]")


def write_run(store: S3Store, folder: str, record: RunRecord, *, prune: bool) -> None:
    """Put the record in the place of the one with its id. `prune`: delete the oldest ones beyond the limit."""
    name = _UNSAFE.sub("", f"{record.started}-{record.id}")
    store.put(f"{folder}{name}", orjson.dumps(run_record_to_json(record)), "record the run")
    if prune:
        ignoring_failures(_prune, store, folder)


def _prune(store: S3Store, folder: str) -> None:
    keys = [key for key, _ in store.list(folder, "look at the records of runs")]
    store.delete(keys[: max(0, len(keys) - RUNS_KEPT)], "delete old records of runs")


def read_runs(store: S3Store, folder: str, limit: int | None = None) -> list[RunRecord]:
    """The newest records, oldest first; at most `limit`. What makes no sense is left out."""
    doing = "read the records of runs"
    keys = [key for key, _ in store.list(folder, doing)]
    keys = keys[max(0, len(keys) - (RUNS_KEPT if limit is None else min(limit, RUNS_KEPT))) :]
    found: dict[str, RunRecord] = {}
    for data in store.get_all(keys, doing).values():
        try:
            record = run_record_from_json(orjson.loads(data))
        except (KeyError, TypeError, ValueError):
            continue
        found[record.id] = record
    return sorted(found.values(), key=lambda record: record.started)
