"""The file of run records: what is read of its end is what stands at the end of all of it."""

import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from iacengine.foundation.disk import DISK
from iacengine.state.backends import local_runs
from iacengine.state.backends.local_runs import append_run, read_runs
from iacengine.state.run_record import RunRecord, newest

RUNS = st.lists(st.tuples(st.booleans(), st.sampled_from([0, 10, 70_000, 140_000])), max_size=8)


@given(RUNS, st.integers(1, 9), st.sampled_from(["", "{torn", "[]\n", "null\n"]))
def test_the_newest_are_those_that_all_end_with(written, limit, rubbish):
    """Each run: whether it came to its end, and how long its record is."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/runs"
        for number, (ended, length) in enumerate(written):
            record = RunRecord(str(number), "c", "o", "h", 1, f"2026-01-01T00:00:0{number}Z")
            append_run(path, record, DISK)
            if ended:
                append_run(path, replace(record, outcome="complete", error="x" * length), DISK)
        if written:
            with Path(path).open("a") as file:
                file.write(rubbish)
        assert read_runs(path, limit) == list(newest(read_runs(path), limit))
        assert len(read_runs(path)) == len(written)


def test_a_limit_reaches_back_into_the_file_before(tmp_path, monkeypatch):
    monkeypatch.setattr(local_runs, "LIMIT", 600)
    path = str(tmp_path / "runs")
    records = [RunRecord(str(number), "c", "o", "h", 1, f"2026-01-01T00:00:0{number}Z") for number in range(6)]
    for record in records:
        append_run(path, record, DISK)
    assert Path(f"{path}.1").exists()
    kept = read_runs(path)
    assert kept == records[-len(kept) :]
    for limit in range(1, len(kept) + 2):
        assert read_runs(path, limit) == kept[-limit:]
