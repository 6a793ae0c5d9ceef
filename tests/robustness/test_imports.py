"""Imports that cannot come about."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("to", "count"), [("terraform_data.a[5]", 2), ("terraform_data.a", 2), ("terraform_data.a[0]", None)]
)
def test_an_import_into_an_instance_that_does_not_exist_is_refused(to, count, stack):
    block = {} if count is None else {"count": count}
    stack.write({"resource": {"terraform_data": {"a": block}}, "import": [{"to": to, "id": "i"}]})
    done = stack.iac("plan", code=1)
    assert "no instance" in done.err
    assert to in done.err


def test_an_import_block_stays_when_its_work_is_done(stack):
    stack.write({"resource": {"terraform_data": {"a": {}}}, "import": [{"to": "terraform_data.a", "id": "i"}]})
    stack.apply()
    assert stack.plan() == {}
    assert stack.objects()["terraform_data.a"]["id"] == "i"


def test_an_import_of_what_does_not_exist_changes_nothing(stack):
    stack.write({"resource": {"mock_object": {"a": {}}}, "import": [{"to": "mock_object.a", "id": "nope"}]})
    done = stack.apply(code=1)
    assert "nope" in done.err
    assert not stack.state_path.exists()
