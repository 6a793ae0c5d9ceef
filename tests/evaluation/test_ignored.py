"""`ignore_changes`: what is there overrules what is written."""

from __future__ import annotations

import pytest

from iacengine.evaluation.ignored import ignore_changes
from iacengine.lang.types import NUMBER, STRING
from iacengine.lang.values import ListValue, MapValue, sensitive

PRIOR = {
    "name": "old",
    "size": 1,
    "tags": MapValue(STRING, {"kept": "old", "gone": "old"}),
    "disks": ListValue(NUMBER, [1, 2]),
    "meta": {"owner": "old", "team": "old"},
}
WRITTEN = {
    "name": "new",
    "size": 2,
    "tags": MapValue(STRING, {"kept": "new", "added": "new"}),
    "disks": ListValue(NUMBER, [3, 4, 5]),
    "meta": {"owner": "new", "team": "new"},
}


@pytest.mark.parametrize(
    ("paths", "different"),
    [
        ([("name",)], {"name": "old"}),
        ([("name",), ("size",)], {"name": "old", "size": 1}),
        ([("tags", "kept")], {"tags": MapValue(STRING, {"kept": "old", "added": "new"})}),
        ([("tags", "added")], {"tags": MapValue(STRING, {"kept": "new"})}),
        ([("tags", "gone")], {"tags": MapValue(STRING, {"kept": "new", "added": "new", "gone": "old"})}),
        ([("disks", 1)], {"disks": ListValue(NUMBER, [3, 2, 5])}),
        ([("disks", 2)], {}),
        ([("meta", "owner")], {"meta": {"owner": "old", "team": "new"}}),
        ([], {}),
    ],
)
def test_only_what_is_named_stays_as_it_was(paths, different):
    assert ignore_changes(WRITTEN, PRIOR, tuple(paths)) == WRITTEN | different


def test_everything_can_be_ignored():
    assert ignore_changes(WRITTEN, PRIOR, None) == PRIOR


def test_nothing_is_ignored_of_an_object_that_is_not_there_yet():
    assert ignore_changes(WRITTEN, None, (("name",),)) == WRITTEN
    assert ignore_changes(WRITTEN, None, None) == WRITTEN


def test_marks_beside_what_is_ignored_stay():
    written = WRITTEN | {"size": sensitive(2)}
    assert ignore_changes(written, PRIOR, (("name",),)) == written | {"name": "old"}
