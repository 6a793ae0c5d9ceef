"""Whatever fails in the cloud, the state always says what is there, and an apply without faults finishes the work."""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections import Counter
from contextlib import closing

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

NAMES = ["a", "b", "c", "d"]
QUICK = {"mock": {"attempts": 3, "first_wait": "1ms", "longest_wait": "1ms", "patience": "20ms"}}
folders = itertools.count()


@st.composite
def stacks(draw):
    """Some of four objects, each referring to some before it; names never change, so that faults can name them."""
    blocks = {}
    for number, name in enumerate(NAMES):
        if not draw(st.booleans()):
            continue
        others = [other for other in NAMES[:number] if other in blocks]
        refers = draw(st.lists(st.sampled_from(others), unique=True)) if others else []
        blocks[name] = {
            "name": name,
            "kind": draw(st.sampled_from(["x", "y"])),
            "attributes": {"of": [f"${{mock_object.{other}.id}}" for other in refers], "n": draw(st.integers(0, 1))},
        }
        if draw(st.booleans()):
            blocks[name]["lifecycle"] = {"create_before_destroy": True}
    return {"resource": {"mock_object": blocks}} if blocks else {"locals": {"none": 1}}


faults = st.lists(
    st.fixed_dictionaries(
        {
            "operation": st.sampled_from(["create", "update", "delete"]),
            "name": st.sampled_from(NAMES),
            "when": st.sampled_from(["before", "after"]),
            "nth": st.sampled_from([0, 1, 2]),
            "error": st.just("no luck"),
            "retryable": st.booleans(),
            "throttled": st.booleans(),
        }
    ),
    max_size=3,
)


def there(folder):
    path = folder / ".iac" / "mock-cloud.sqlite"
    if not path.exists():
        return Counter()
    with closing(sqlite3.connect(path)) as connection:
        return Counter(row[0] for row in connection.execute("SELECT id FROM objects"))


def known(outcome):
    return Counter(found.attributes["id"] for found in outcome.state.objects.values())


@given(st.lists(st.tuples(stacks(), faults), min_size=1, max_size=3))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_state_says_what_is_there_after_every_run(watched, runs):
    base = watched.folder
    watched.folder = base / str(next(folders))
    watched.folder.mkdir()
    try:
        for data, chosen in runs:
            outcome = watched.apply(
                {"stack": {"retries": QUICK}, "provider": {"mock": {"faults": chosen}}} | data, parallelism=4
            )
            deleted_all_the_same = {
                fault["name"] for fault in chosen if (fault["operation"], fault["when"]) == ("delete", "after")
            }
            if not deleted_all_the_same:
                assert known(outcome) == there(watched.folder)
            assert not watched.backend.read_journal()
        last = watched.apply(data)
        assert last.ok, last.diagnostics
        assert known(last) == there(watched.folder)
        assert len(known(last)) == len(data.get("resource", {}).get("mock_object", {}))
        watched.apply(data)
        assert watched.events == [], json.dumps(data)
    finally:
        watched.folder = base
