"""A saved plan is the plan: it shows the same and does the same."""

from __future__ import annotations

import itertools
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iacengine import engine
from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.plan.planfile import _to_json, load_plan, save_plan

NAMES = ["a", "b", "c", "d"]


def block(name, refers, value, trigger, late):
    body = {"input": {"v": value, "of": [f"${{terraform_data.{other}.id}}" for other in refers]}}
    if trigger is not None:
        body["triggers_replace"] = trigger
    if late:
        body["lifecycle"] = {"create_before_destroy": True}
    return body


@st.composite
def stacks(draw):
    """Some of four blocks, each referring to some of those before it."""
    blocks = {}
    for number, name in enumerate(NAMES):
        if draw(st.booleans()):
            others = [other for other in NAMES[:number] if other in blocks]
            refers = draw(st.lists(st.sampled_from(others), unique=True)) if others else []
            blocks[name] = block(
                name, refers, draw(st.integers(0, 1)), draw(st.sampled_from([None, 1, 2])), draw(st.booleans())
            )
    data = {"output": {f"o_{name}": {"value": f"${{terraform_data.{name}.output}}"} for name in blocks}}
    return data | ({"resource": {"terraform_data": blocks}} if blocks else {"locals": {"none": 1}})


def without_ids(state):
    """What a state holds, ids numbered in the order of addresses."""
    objects = sorted(state.objects.values(), key=lambda found: str(found.address))
    ids = {found.attributes["id"]: f"id {number}" for number, found in enumerate(objects)}

    def plain(value):
        if isinstance(value, dict):
            return {name: plain(child) for name, child in value.items()}
        if isinstance(value, list | tuple):
            return [plain(child) for child in value]
        return ids.get(value, value) if isinstance(value, str) else value

    return (
        [
            (str(found.address), plain(dict(found.attributes)), found.dependencies, found.create_before_destroy)
            for found in objects
        ],
        {name: (plain(output.value), output.type) for name, output in state.outputs.items()},
    )


folders = itertools.count()


@given(stacks(), stacks())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_saved_plan_applies_like_the_one_that_was_made(planner, before, after):
    """The same change of the same state, once directly and once through a file."""
    base = planner.folder
    direct, saved = (base / f"{kind}{next(folders)}" for kind in ("direct", "saved"))
    direct.mkdir()
    planner.folder = direct
    try:
        planner.apply(before)
        shutil.copytree(direct, saved)
        first = planner.apply(after)
        planner.folder = saved
        plan = planner.plan(after)
        save_plan(plan, str(saved / "p"), str(saved))
        again = load_plan(str(saved / "p"))
        assert _to_json(again, str(saved)) == _to_json(plan, str(saved))
        second = planner.apply(again)
        assert without_ids(second) == without_ids(first)
        assert planner.actions(planner.plan()) == {}
    finally:
        planner.folder = base


def test_a_plan_keeps_its_steps_and_the_order_between_them(planner, tmp_path):
    plan = planner.plan({"resource": {"terraform_data": {"a": {}, "b": {"input": "${terraform_data.a.id}"}}}})
    engine.save_plan(plan, str(tmp_path / "p"), str(planner.folder))
    again = engine.load_plan(str(tmp_path / "p"))
    assert [(step.operation, step.change, step.awaits) for step in again.steps] == [
        (step.operation, step.change, step.awaits) for step in plan.steps
    ]


def test_a_plan_of_another_version_says_which(planner, tmp_path):
    path = tmp_path / "p"
    engine.save_plan(planner.plan({"locals": {"x": 1}}), str(path), str(planner.folder))
    path.write_bytes(path.read_bytes().replace(b'"engine":"', b'"engine":"9.', 1))
    with pytest.raises(DiagnosticsError, match=r"version 9\."):
        engine.load_plan(str(path))


def test_every_flipped_bit_is_noticed(planner, tmp_path):
    path = tmp_path / "p"
    engine.save_plan(planner.plan({"locals": {"x": 1}}), str(path), str(planner.folder))
    data = path.read_bytes()
    start = data.index(b"\n") + 1
    for place in range(start, len(data), max(1, (len(data) - start) // 40)):
        wrong = bytearray(data)
        wrong[place] ^= 4
        path.write_bytes(wrong)
        with pytest.raises(DiagnosticsError, match="Damaged"):
            engine.load_plan(str(path))


def test_a_plan_whose_digest_says_something_else_is_damaged(planner, tmp_path):
    path = tmp_path / "p"
    engine.save_plan(planner.plan({"locals": {"x": 1}}), str(path), str(planner.folder))
    head, _, body = path.read_bytes().partition(b"\n")
    place = head.index(b'"sha256":"') + 12
    wrong = head[:place] + (b"0" if head[place : place + 1] != b"0" else b"1") + head[place + 1 :]
    path.write_bytes(wrong + b"\n" + body)
    with pytest.raises(DiagnosticsError, match="Damaged"):
        engine.load_plan(str(path))


def test_saving_over_a_plan_that_cannot_be_written_tells_where(planner):
    plan = planner.plan({"locals": {"x": 1}})
    with pytest.raises(DiagnosticsError, match="nowhere"):
        engine.save_plan(plan, str(planner.folder / "nowhere" / "p"), str(planner.folder))
