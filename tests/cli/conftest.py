"""Hand-made plans and states, golden files, and the command line as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from iacengine.addresses import parse_resource_instance
from iacengine.config.model import Configuration, Module
from iacengine.lang.types import NUMBER, STRING, ObjectType
from iacengine.lang.values import (
    UNKNOWN,
    ListValue,
    MapValue,
    SetValue,
    Unknown,
    Value,
    number,
    sensitive,
)
from iacengine.plan.model import Action, Change, OutputChange, Plan, PlanMode, Reason
from iacengine.state.model import CheckResult, OutputState, ResourceObject, State

MOCK = 'provider["iacengine/mock"]'
GOLDEN = Path(__file__).parent / "golden"

MakeChange = Callable[..., Change]
MakePlan = Callable[..., Plan]


def _change(address: str, action: Action, before: Value = None, after: Value = None, **more: Any) -> Change:
    return Change(parse_resource_instance(address), MOCK, action, before, after, **more)


def _plan(*changes: Change, **more: Any) -> Plan:
    root = Module((), ".")
    configuration = Configuration(root, ".", (), "digest", {(): root})
    state = State("lineage", 3)
    values: dict[str, Any] = {
        "mode": PlanMode.NORMAL,
        "lineage": "lineage",
        "base_serial": 3,
        "prior_state": state,
        "steps": (),
        "timestamp": "2026-01-02T03:04:05Z",
    }
    return Plan(configuration=configuration, changes=changes, **(values | more))


@pytest.fixture
def change() -> MakeChange:
    """`change(address, action, before, after, **fields)`."""
    return _change


@pytest.fixture
def plan() -> MakePlan:
    """`plan(*changes, **fields)`."""
    return _plan


@pytest.fixture
def rich_plan() -> Plan:
    """A plan with one of everything."""
    disk = ObjectType({"size": NUMBER, "type": STRING})
    text = "\n".join(f"line {index}" for index in range(12)) + "\n"
    server = {
        "id": "srv-1",
        "name": "web",
        "size": "small",
        "image": "debian-11",
        "zone": "a",
        "tags": MapValue(STRING, {"Name": "web", "Stage": "test", "Old": "x"}),
        "disk": ListValue(disk, [{"size": 10, "type": "ssd"}, {"size": 20, "type": "hdd"}]),
        "ports": SetValue(NUMBER, [22, 80, 8080]),
        "user_data": text,
        "policy": '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["a","b"]}]}',
        "password": sensitive("hunter2"),
        "ratio": number("0.1"),
        "ip_address": "10.0.0.1",
        "motd": None,
    }
    bigger = server | {
        "size": "large",
        "tags": MapValue(STRING, {"Name": "web", "Stage": "prod", "Owner": "ops"}),
        "disk": ListValue(disk, [{"size": 10, "type": "ssd"}, {"size": 40, "type": "hdd"}, {"size": 5, "type": "ssd"}]),
        "ports": SetValue(NUMBER, [22, 80, 443]),
        "user_data": text.replace("line 6\n", "line six\n"),
        "policy": '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":["a","c"]}]}',
        "password": sensitive("hunter3"),
        "ratio": number("0.25"),
        "motd": "hello\n${world}\n",
    }
    network = {"id": "net-1", "name": "main", "cidr_block": "10.0.0.0/16", "arn": "arn:mock:net-1"}
    network_after = network | {"cidr_block": "10.1.0.0/16", "id": Unknown(STRING), "arn": Unknown(STRING)}
    small = {"id": "obj-1", "attributes": {"colour": "rouge", "name": "日本語のサーバー"}}
    created = {
        "id": Unknown(STRING),
        "name": "日本語",
        "size": 12345678901234567890123,
        "nested": {"deep": {"deeper": {"deepest": ({"a": True}, None, "x\ty")}}},
        "tags": MapValue(STRING, {"a b": "1", "名前": "2"}),
        "empty": MapValue(STRING, {}),
        "password": sensitive("hunter2"),
    }
    return _plan(
        _change("mock_server.web", Action.UPDATE, server, bigger),
        _change(
            "mock_network.main",
            Action.REPLACE,
            network,
            network_after,
            reason=Reason.REPLACE_BECAUSE_CANNOT_UPDATE,
            replace_paths=(("cidr_block",),),
        ),
        _change('module.app["x"].mock_object.new', Action.CREATE, None, created),
        _change(
            'module.app["x"].mock_object.old[2]',
            Action.DELETE,
            small,
            None,
            reason=Reason.DELETE_BECAUSE_COUNT_INDEX,
        ),
        _change("mock_object.same", Action.NO_OP, small, small),
        _change(
            "mock_object.moved",
            Action.NO_OP,
            small,
            small,
            previous_address=parse_resource_instance("mock_object.before"),
        ),
        _change("mock_object.brought", Action.UPDATE, small, small | {"attributes": {"n": 1}}, import_id="obj-1"),
        _change(
            "mock_object.tainted",
            Action.CREATE_THEN_DELETE,
            small,
            small | {"id": Unknown(STRING)},
            reason=Reason.REPLACE_BECAUSE_TAINTED,
        ),
        _change("mock_object.kept", Action.FORGET, small, None, reason=Reason.DELETE_BECAUSE_NO_RESOURCE_CONFIG),
        _change("mock_object.web", Action.DELETE, small, None, deposed="0badcafe"),
        _change(
            "data.mock_object.found",
            Action.READ,
            None,
            {"id": Unknown(STRING), "name": Unknown(STRING)},
            reason=Reason.READ_BECAUSE_DEPENDENCY_PENDING,
        ),
        drift=(
            _change("mock_server.web", Action.UPDATE, server | {"size": "tiny"}, server),
            _change("mock_object.gone", Action.DELETE, small, None),
        ),
        outputs={
            "address": OutputChange("address", Action.UPDATE, "10.0.0.1", UNKNOWN, had_before=True),
            "names": OutputChange("names", Action.UPDATE, ("a", "b", "c", "d"), ("a", "b", "d", "e"), had_before=True),
            "password": OutputChange("password", Action.CREATE, None, sensitive("hunter2"), sensitive=True),
            "same": OutputChange("same", Action.NO_OP, 1, 1, had_before=True),
            "gone": OutputChange("gone", Action.DELETE, 3, None, had_before=True),
        },
        variables={"zones": ListValue(STRING, ["a"]), "token": sensitive("hunter2")},
        checks=(
            CheckResult("check", "check.reachable", "fail", "check.reachable", ("not reachable",)),
            CheckResult("resource", 'module.app["x"].mock_object.new', "unknown", "module.app.mock_object.new"),
            CheckResult("output_value", 'module.app["x"].output.o', "pass", "module.app.output.o"),
        ),
        relevant_attributes=(("mock_network.main", ("id",)),),
    )


@pytest.fixture
def rich_state() -> State:
    """A state with objects in modules, tainted, deposed and sensitive ones, and outputs."""

    def obj(address: str, attributes: dict[str, Any], **more: Any) -> ResourceObject:
        return ResourceObject(parse_resource_instance(address), MOCK, attributes, **more)

    data = {"id": "obj-1", "kind": "x", "attributes": {"value": {"n": 1}, "type": ["object", {"n": "number"}]}}
    objects = [
        obj("mock_object.a", data, dependencies=("mock_object.b", "module.m.mock_object.c"), tainted=True),
        obj("mock_object.b[0]", data | {"id": "obj-2"}),
        obj("mock_object.b[0]", data | {"id": "obj-0"}, deposed="0badcafe"),
        obj('module.m["k"].mock_object.c', data | {"id": "obj-3"}, sensitive_paths=(("kind",),)),
        obj('module.m["k"].module.deep.mock_object.d["x y"]', data | {"id": "obj-4"}),
    ]
    return State(
        "lineage",
        7,
        {one.key: one for one in objects},
        {
            "big": OutputState("12345678901234567890123", "number"),
            "list": OutputState([1, "a", None], ["tuple", ["number", "string", "dynamic"]]),
            "secret": OutputState("hunter2", "string", sensitive=True),
        },
        (CheckResult("check", "check.c", "pass", "check.c"),),
    )


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """`golden(name, text)`: the text is that of the file. IACENGINE_UPDATE_GOLDEN=1 writes the file instead."""

    def check(name: str, text: str) -> None:
        path = GOLDEN / name
        if os.environ.get("IACENGINE_UPDATE_GOLDEN"):
            path.write_text(text, encoding="utf-8")
        assert path.read_text(encoding="utf-8") == text

    return check


@pytest.fixture
def replaced() -> Callable[..., Any]:
    return replace


Iac = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def iac(tmp_path: Path) -> Iac:
    """`iac("plan", "--json", cwd=…, stdin=…, env={…})`: the command line as a process of its own."""

    def run(
        *arguments: str, cwd: Path | None = None, stdin: str = "", env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "IAC_"))}
        clean = inherited | {"NO_COLOR": "1", "HOME": str(tmp_path), "TMPDIR": str(tmp_path), "COLUMNS": "100"}
        return subprocess.run(
            [sys.executable, "-m", "iacengine.cli.main", *arguments],
            cwd=cwd or tmp_path,
            input=stdin,
            env=clean | (env or {}),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run
