import re
import sys
from collections.abc import Callable
from typing import Any

import pytest

from iacengine.addresses import parse_resource_instance
from iacengine.cli.views.cells import cells
from iacengine.cli.views.change_text import cause, headline
from iacengine.cli.views.plan_text import plan_segments
from iacengine.cli.views.segments import ansi, plain
from iacengine.lang.types import STRING
from iacengine.lang.values import MapValue, Unknown, sensitive
from iacengine.plan.model import Action, OutputChange, Plan, PlanMode, Reason

Golden = Callable[[str, str], None]
Make = Callable[..., Any]


@pytest.mark.parametrize("width", [60, 100, 200])
def test_the_rich_plan_reads_as_before(rich_plan: Plan, golden: Golden, width: int) -> None:
    golden(f"plan-{width}.txt", plain(plan_segments(rich_plan, width=width)))


def test_the_rich_plan_has_the_same_text_in_colour(rich_plan: Plan, golden: Golden) -> None:
    segments = plan_segments(rich_plan)
    coloured = ansi(segments)
    golden("plan-colour.txt", coloured.replace("\x1b", "ESC"))
    assert re.sub(r"\x1b\[\d+m", "", coloured) == plain(segments)


def test_sensitive_values_are_nowhere_in_the_text(rich_plan: Plan) -> None:
    assert "hunter" not in plain(plan_segments(rich_plan))


def test_sensitive_values_are_shown_when_asked_for(rich_plan: Plan) -> None:
    shown = plain(plan_segments(rich_plan, show_sensitive=True))
    assert '"hunter2" -> "hunter3"' in shown
    assert "(sensitive value)" not in shown


def test_a_value_that_becomes_sensitive_is_not_shown_before_either(change: Make, plan: Make) -> None:
    made = plan(change("mock_object.a", Action.UPDATE, {"p": "hunter2"}, {"p": sensitive("hunter2")}))
    shown = plain(plan_segments(made))
    assert "hunter2" not in shown
    assert "~ p = (sensitive value) # becomes sensitive" in shown


def test_a_sensitive_value_inside_a_structure_is_hidden(change: Make, plan: Make) -> None:
    before = {"m": MapValue(STRING, {"k": sensitive("hunter1")}), "l": (sensitive("hunter1"), 1)}
    after = {"m": MapValue(STRING, {"k": sensitive("hunter2")}), "l": (sensitive("hunter2"), 1)}
    for made in (
        change("mock_object.a", Action.UPDATE, before, after),
        change("mock_object.a", Action.CREATE, None, after),
        change("mock_object.a", Action.DELETE, before, None),
        change("mock_object.a", Action.UPDATE, before, {"m": Unknown(), "l": Unknown()}),
    ):
        assert "hunter" not in plain(plan_segments(plan(made)))


def test_nothing_to_do_is_said(plan: Make, change: Make) -> None:
    same = change("mock_object.a", Action.NO_OP, {"id": "1"}, {"id": "1"})
    assert plain(plan_segments(plan(same))) == "No changes. The real objects match the configuration.\n"
    assert "nothing to destroy" in plain(plan_segments(plan(mode=PlanMode.DESTROY)))
    assert "state matches" in plain(plan_segments(plan(mode=PlanMode.REFRESH_ONLY)))


def test_a_change_of_outputs_alone_is_said(plan: Make) -> None:
    made = plan(outputs={"o": OutputChange("o", Action.CREATE, None, "x")})
    assert plain(plan_segments(made)) == (
        'Changes to outputs only:\n\n  + o = "x"\n\n'
        "No real object changes; applying this plan only records the outputs.\n"
    )


def test_an_output_whose_type_alone_changes_is_told(plan: Make) -> None:
    made = plan(outputs={"o": OutputChange("o", Action.UPDATE, "x", "x", had_before=True)})
    assert "~ o = (only its type changes)" in plain(plan_segments(made))


def test_a_plan_of_a_part_says_so(plan: Make) -> None:
    shown = plain(plan_segments(plan(targets=("mock_object.a",), excludes=("module.b",))))
    assert "Only a part of the stack was planned (mock_object.a, not module.b)." in shown


def test_a_data_source_that_is_dropped_is_not_shown(plan: Make, change: Make) -> None:
    assert "data." not in plain(plan_segments(plan(change("data.mock_object.a", Action.DELETE, {"id": "1"}, None))))


def test_long_values_are_put_below_each_other(change: Make, plan: Make) -> None:
    made = plan(change("mock_object.a", Action.UPDATE, {"arn": "a" * 60}, {"arn": "b" * 60}))
    lines = plain(plan_segments(made, width=80)).splitlines()
    first = next(index for index, line in enumerate(lines) if "aaaa" in line)
    assert lines[first] == f'      ~ arn = "{"a" * 60}"'
    assert lines[first + 1] == f'           -> "{"b" * 60}"'


def test_names_of_wide_characters_are_aligned(change: Make, plan: Make) -> None:
    after = {"tags": MapValue(STRING, {"名前": "1", "k": "2", "e\u0301": "3"})}
    lines = plain(plan_segments(plan(change("mock_object.a", Action.CREATE, None, after)))).splitlines()
    assert len({cells(line.split(" = ")[0]) for line in lines if line.endswith(('"1"', '"2"', '"3"'))}) == 1


def test_control_characters_cannot_move_the_cursor(change: Make, plan: Make) -> None:
    evil = "\x1b[2J\r\x07"
    after = {"a": evil, "b": f"{evil}\nsecond", evil: "key", "j": f'{{"k":"{evil}","x":1}}'}
    for made in (
        change("mock_object.a", Action.CREATE, None, after),
        change("mock_object.a", Action.UPDATE, {"a": "x", "b": "y\nz"}, after),
    ):
        shown = plain(plan_segments(plan(made)))
        assert all(character.isprintable() or character == "\n" for character in shown)


@pytest.mark.parametrize("action", list(Action))
def test_every_action_has_a_headline(change: Make, action: Action) -> None:
    assert headline(change("mock_object.a", action)).startswith(" ")


@pytest.mark.parametrize(
    ("address", "reason", "more", "expected"),
    [
        ("a_b.c", Reason.DELETE_BECAUSE_NO_RESOURCE_CONFIG, {}, "because a_b.c is not in the configuration"),
        ('module.m["k"].a_b.c', Reason.DELETE_BECAUSE_NO_MODULE, {}, "because module.m is not in the configuration"),
        ("a_b.c", Reason.DELETE_BECAUSE_WRONG_REPETITION, {}, "because the resource now uses count or for_each"),
        ("a_b.c[0]", Reason.DELETE_BECAUSE_WRONG_REPETITION, {}, "because the resource does not use count"),
        ('a_b.c["k"]', Reason.DELETE_BECAUSE_WRONG_REPETITION, {}, "because the resource does not use for_each"),
        ("a_b.c[3]", Reason.DELETE_BECAUSE_COUNT_INDEX, {}, "because index [3] is out of range for count"),
        ('a_b.c["k"]', Reason.DELETE_BECAUSE_EACH_KEY, {}, 'because key ["k"] is not in for_each'),
        (
            "a_b.c",
            Reason.REPLACE_BECAUSE_CANNOT_UPDATE,
            {"replace_paths": (("a",), ("disk", 0, "size"), ("b",))},
            "because a, b and disk[0].size cannot be changed in place",
        ),
        (
            "a_b.c",
            Reason.READ_BECAUSE_CONFIG_UNKNOWN,
            {},
            "because its configuration refers to values that are not known yet",
        ),
    ],
)
def test_the_cause_is_one_sentence(
    change: Make, address: str, reason: Reason, more: dict[str, Any], expected: str
) -> None:
    assert cause(change(address, Action.UPDATE, reason=reason, **more)) == [expected]


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_is_told(change: Make, reason: Reason) -> None:
    action = Action.REPLACE if reason.value.startswith("replace") else Action.DELETE
    made = change(
        "mock_object.a",
        action,
        reason=reason,
        replace_paths=(("x",),),
        previous_address=parse_resource_instance("mock_object.b"),
    )
    assert "because" in " ".join(cause(made)) or headline(made) not in (" must be replaced", " will be destroyed")


def test_the_work_grows_linearly_with_the_changes(change: Make, plan: Make) -> None:
    def calls(count: int) -> int:
        made = plan(
            *(
                change(f"mock_object.a[{i}]", Action.UPDATE, {"id": "x", "n": i}, {"id": "x", "n": i + 1})
                for i in range(count)
            )
        )
        counted = 0

        def count_call(_frame: object, _event: str, _argument: object) -> None:
            nonlocal counted
            counted += 1

        sys.setprofile(count_call)
        try:
            plan_segments(made)
        finally:
            sys.setprofile(None)
        return counted

    calls(10)
    assert calls(2000) < calls(200) * 11


def test_what_waits_for_a_later_wave_is_part_of_the_plan(change: Make, plan: Make) -> None:
    shown = plain(plan_segments(plan(change("mock_object.a", Action.CREATE), deferred=("mock_object.b", "module.m"))))
    later = shown.index("Then, when all of that is known:")
    assert shown.index("mock_object.a will be created") < later < shown.index("Plan: 1 to add")
    assert "? mock_object.b will be planned and applied\n" in shown[later:]
    assert "? module.m will be planned and applied\n" in shown[later:]
