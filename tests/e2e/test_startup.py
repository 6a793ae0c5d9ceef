"""What commands do not load: start-up is paid by every one of them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

HEAVY = {"rich", "boto3", "botocore", "pydantic", "sqlalchemy", "cryptography", "asyncio"}
STACK = {"resource": {"terraform_data": {name: {"input": name} for name in "abc"}}}


@pytest.fixture
def loaded(stack):
    """loaded(*arguments): the top-level modules (and the dotted ones of HEAVY) that a command imports."""

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "iacengine.cli.main", *arguments],
            cwd=stack.folder,
            env=os.environ | {"NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        lines = (line for line in done.stderr.splitlines() if line.startswith("import time:"))
        names = {line.rpartition("|")[2].strip() for line in lines}
        assert "click" in names
        return names | {name.partition(".")[0] for name in names}

    return run


def test_the_version_needs_nothing_but_the_command_line(loaded):
    names = loaded("version")
    assert (
        names & (HEAVY | {"networkx", "yaml", "orjson", "re2", "sqlite3", "importlib.metadata", "iacengine.engine"})
        == set()
    )


def test_the_help_of_a_verb_needs_nothing_of_the_engine(loaded):
    names = loaded("plan", "--help")
    assert names & (HEAVY | {"networkx", "yaml", "iacengine.engine"}) == set()


def test_a_plan_of_json_files_loads_nothing_heavy_and_no_yaml(loaded, stack):
    stack.write(STACK)
    names = loaded("plan")
    assert "iacengine.plan.planner" in names
    assert names & (HEAVY | {"yaml", "sqlite3", "iacengine_mock", "iacengine_aws"}) == set()


def test_a_plan_of_yaml_files_loads_nothing_heavy(loaded, stack):
    stack.write("resource: {terraform_data: {a: {input: 1}}}")
    assert loaded("plan") & HEAVY == set()


def test_an_apply_loads_nothing_heavy(loaded, stack):
    stack.write(STACK)
    assert loaded("apply", "--auto-approve") & HEAVY == set()
    assert loaded("output", "--json") & (HEAVY | {"networkx", "iacengine.plan.planner"}) == set()
    assert loaded("state", "list") & (HEAVY | {"networkx", "iacengine.plan.planner"}) == set()
