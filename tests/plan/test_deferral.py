"""Planning in waves: what cannot be known yet is planned after what can."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from iacengine import engine
from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.plan.model import Plan

CHAIN: dict[str, Any] = {
    "resource": {
        "terraform_data": {
            "seed": {"input": "x"},
            "each": {"for_each": "${toset([terraform_data.seed.id])}", "input": "${each.key}"},
            "all": {"input": "${[for key, one in terraform_data.each : one.id]}"},
            "counted": {"count": "${length(terraform_data.all.output)}", "input": "${count.index}"},
            "free": {"input": "y"},
        }
    },
    "output": {"n": {"value": "${length(terraform_data.counted)}"}},
}


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "main.tf.json").write_text(json.dumps(CHAIN))
    return tmp_path


def plan(*, allow_deferral: bool) -> Plan:
    options = engine.PlanOptions(allow_deferral=allow_deferral)
    return engine.plan(engine.open_stack("."), options, engine.VariableSources())


def test_unknown_instances_are_an_error_whose_remedy_names_the_flag(stack: Path) -> None:
    with pytest.raises(DiagnosticsError) as raised:
        plan(allow_deferral=False)
    assert [found.summary for found in raised.value.diagnostics] == ["Invalid for_each argument"]
    assert "--allow-deferral" in (raised.value.diagnostics[0].remedy or "")


def test_a_plan_defers_the_unknown_and_all_that_refers_to_it(stack: Path) -> None:
    made = plan(allow_deferral=True)
    assert [str(change.address) for change in made.changes] == ["terraform_data.free", "terraform_data.seed"]
    assert made.deferred == ("terraform_data.all", "terraform_data.counted", "terraform_data.each")
    assert "Some blocks are deferred" in [found.summary for found in made.diagnostics]


def test_applying_goes_on_until_nothing_is_deferred(stack: Path) -> None:
    opened = engine.open_stack(".")
    outcome = engine.apply(opened, plan(allow_deferral=True))
    assert outcome.ok
    assert outcome.counts.add == 5
    assert outcome.state.outputs["n"].value == 1
    assert not plan(allow_deferral=False).applyable


def test_what_exists_of_a_deferred_block_is_left_alone(stack: Path) -> None:
    opened = engine.open_stack(".")
    engine.apply(opened, plan(allow_deferral=True))
    changed = json.loads(json.dumps(CHAIN))
    changed["resource"]["terraform_data"]["seed"]["triggers_replace"] = "again"
    (stack / "main.tf.json").write_text(json.dumps(changed))
    made = plan(allow_deferral=True)
    assert [str(change.address) for change in made.changes if change.is_effect] == ["terraform_data.seed"]
    outcome = engine.apply(engine.open_stack("."), made)
    assert outcome.ok
    assert not plan(allow_deferral=False).applyable


def test_a_saved_plan_keeps_what_it_deferred(stack: Path, tmp_path: Path) -> None:
    engine.save_plan(plan(allow_deferral=True), "saved.plan")
    outcome = engine.apply(engine.open_stack("."), engine.load_plan("saved.plan"))
    assert outcome.counts.add == 5


def test_a_module_whose_instances_are_unknown_waits_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m").mkdir()
    child = {"resource": {"terraform_data": {"r": {"input": 1}}}, "output": {"id": {"value": "${terraform_data.r.id}"}}}
    (tmp_path / "m" / "main.tf.json").write_text(json.dumps(child))
    root = {
        "resource": {"terraform_data": {"seed": {"input": 2}}},
        "module": {"m": {"source": "./m", "count": "${length(terraform_data.seed.id) > 3 ? 2 : 0}"}},
        "output": {"ids": {"value": "${module.m[*].id}"}},
    }
    (tmp_path / "main.tf.json").write_text(json.dumps(root))
    made = plan(allow_deferral=True)
    assert made.deferred == ("module.m",)
    outcome = engine.apply(engine.open_stack("."), made)
    assert outcome.counts.add == 3
    assert len(outcome.state.outputs["ids"].value) == 2
