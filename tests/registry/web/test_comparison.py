"""What differs between two versions, and what of it may break callers."""

from __future__ import annotations

import pytest

from iacengine.modules.wire import DependencyEntry, InputEntry, OutputEntry, ProviderEntry
from iacengine.registry.web.comparison import Detail, Kind, compare


def section(before, after, title):
    return next(one for one in compare(before, after) if one.title == title)


@pytest.mark.parametrize(
    ("before", "after", "kind", "breaking"),
    [
        (None, InputEntry("x"), Kind.ADDED, "callers have to set it"),
        (None, InputEntry("x", default="1"), Kind.ADDED, ""),
        (InputEntry("x"), None, Kind.REMOVED, "callers that set it have to stop"),
        (InputEntry("x", default="1"), InputEntry("x"), Kind.CHANGED, "callers have to set it"),
        (InputEntry("x"), InputEntry("x", default="null"), Kind.CHANGED, ""),
        (InputEntry("x"), InputEntry("x", "string"), Kind.CHANGED, "what callers set may not fit any more"),
        (InputEntry("x"), InputEntry("x", description="new"), Kind.CHANGED, ""),
        (InputEntry("x", default="1"), InputEntry("x", default="2"), Kind.CHANGED, ""),
        (InputEntry("x"), InputEntry("x", sensitive=True), Kind.CHANGED, ""),
    ],
)
def test_what_a_change_of_an_input_breaks(detail, before, after, kind, breaking):
    old, new = (detail(inputs=[one] if one else []) for one in (before, after))
    [found] = section(old, new, "Inputs").differences
    assert (found.name, found.kind, found.breaking) == ("x", kind, breaking)


def test_the_same_entries_are_counted_and_not_listed(detail):
    same = [InputEntry("a", "string"), InputEntry("b", default="1")]
    found = section(detail(inputs=[*same, InputEntry("c")]), detail(inputs=[*reversed(same)]), "Inputs")
    assert (found.same, [one.name for one in found.differences]) == (2, ["c"])


def test_a_default_of_the_word_required_is_none_of_being_required(detail):
    old, new = detail(inputs=[InputEntry("x", default='"required"')]), detail(inputs=[InputEntry("x")])
    [found] = section(old, new, "Inputs").differences
    assert found.details == (Detail("default", '"required"', "required"),)
    assert found.breaking == "callers have to set it"


def test_an_output_that_is_gone_breaks_callers(detail):
    old = detail(outputs=[OutputEntry("x", "one"), OutputEntry("y", "two")])
    new = detail(outputs=[OutputEntry("y", "other", sensitive=True)])
    gone, changed = section(old, new, "Outputs").differences
    assert (gone.name, gone.kind, gone.breaking) == ("x", Kind.REMOVED, "callers that use it will not find it")
    assert changed.details == (Detail("description", "two", "other"), Detail("sensitive", "", "yes"))
    assert not changed.breaking


def test_providers_and_called_modules_are_compared_by_their_constraints(detail):
    old = detail(providers=[ProviderEntry("aws", "hashicorp/aws")], dependencies=[DependencyEntry("a/b/c", "~> 1.0")])
    new = detail(
        providers=[ProviderEntry("aws", "hashicorp/aws", ">= 5")],
        dependencies=[DependencyEntry("a/b/c", "~> 2.0"), DependencyEntry("a/b/c", "~> 3.0")],
    )
    assert section(old, new, "Providers").differences[0].details == (Detail("version", "any", ">= 5"),)
    assert section(old, new, "Called modules").differences[0].details == (
        Detail("version", "~> 1.0", "~> 2.0, ~> 3.0"),
    )
