"""The life of a stack: made, unchanged, changed, replaced, destroyed."""

from __future__ import annotations

import os
import subprocess
import sys


def test_a_stack_is_planned_made_left_alone_updated_replaced_and_destroyed(stack):
    stack.write("""
variable:
  size: {type: string, default: small}
  image: {type: string, default: linux}
resource:
  mock_network:
    main: {name: main, cidr_block: 10.0.0.0/16}
  mock_server:
    web: {name: web, network_id: "${mock_network.main.id}", size: "${var.size}", image: "${var.image}"}
output:
  server: {value: "${mock_server.web.id}"}
""")
    assert stack.plan() == {"mock_network.main": ["create"], "mock_server.web": ["create"]}
    assert stack.cloud() == {}
    done = stack.apply()
    assert "2 added, 0 changed, 0 destroyed" in done.out
    first = stack.objects()
    assert first["mock_server.web"]["network_id"] == first["mock_network.main"]["id"]
    assert stack.outputs() == {"server": first["mock_server.web"]["id"]}
    assert set(stack.cloud()) == {each["id"] for each in first.values()}

    before = stack.state_path.read_bytes()
    assert stack.plan() == {}
    assert "No changes" in stack.apply().out
    assert stack.state_path.read_bytes() == before

    assert stack.plan("--var", "size=large") == {"mock_server.web": ["update"]}
    stack.apply("--var", "size=large")
    second = stack.objects()
    assert second["mock_server.web"]["size"] == "large"
    assert second["mock_server.web"]["id"] == first["mock_server.web"]["id"]

    assert stack.plan("--var", "image=bsd") == {"mock_server.web": ["delete", "create"]}
    stack.apply("--var", "image=bsd")
    third = stack.objects()
    assert third["mock_server.web"]["id"] != second["mock_server.web"]["id"]
    assert stack.outputs() == {"server": third["mock_server.web"]["id"]}
    assert set(stack.cloud()) == {each["id"] for each in third.values()}

    done = stack.iac("destroy", "--auto-approve")
    assert "2 destroyed" in done.out
    assert stack.objects() == {}
    assert stack.outputs() == {}
    assert stack.cloud() == {}
    assert not stack.journal_path.exists()


def test_a_command_of_a_new_process_does_the_same(stack):
    stack.write("resource: {terraform_data: {a: {input: 1}}}")
    command = [sys.executable, "-m", "iacengine.cli.main"]
    environment = os.environ | {"NO_COLOR": "1"}
    for arguments, code, expected in (
        (["plan", "--detailed-exitcode"], 2, "terraform_data.a will be created"),
        (["apply", "--auto-approve"], 0, "1 added"),
        (["plan", "--detailed-exitcode"], 0, "No changes"),
    ):
        done = subprocess.run(
            [*command, *arguments],
            cwd=stack.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert expected in done.stdout


def test_an_object_changed_outside_is_set_right(stack):
    stack.write("resource: {mock_server: {web: {name: web, size: small}}}")
    stack.apply()
    stack.change_cloud("UPDATE objects SET attributes = json_set(attributes, '$.size', 'huge')")
    assert stack.plan() == {"mock_server.web": ["update"]}
    assert stack.plan("--refresh=false") == {}
    stack.apply()
    (server,) = stack.cloud().values()
    assert server["size"] == "small"


def test_an_object_deleted_outside_is_made_again(stack):
    stack.write("resource: {mock_server: {web: {name: web}}}")
    stack.apply()
    stack.change_cloud("DELETE FROM objects")
    assert stack.plan() == {"mock_server.web": ["create"]}
    stack.apply()
    assert set(stack.cloud()) == {stack.objects()["mock_server.web"]["id"]}


def test_refresh_only_takes_up_what_changed_outside_and_changes_nothing_real(stack):
    stack.write("resource: {mock_server: {web: {name: web, size: small}}}")
    stack.apply()
    stack.change_cloud("UPDATE objects SET attributes = json_set(attributes, '$.size', 'huge')")
    assert stack.plan("--refresh-only") == {}
    stack.apply("--refresh-only")
    assert stack.objects()["mock_server.web"]["size"] == "huge"
    (server,) = stack.cloud().values()
    assert server["size"] == "huge"
    assert stack.plan() == {"mock_server.web": ["update"]}


def test_a_block_that_is_gone_deletes_its_object_after_its_dependents(stack):
    both = {
        "resource": {
            "mock_network": {"n": {"name": "n", "cidr_block": "10.0.0.0/16"}},
            "mock_server": {"s": {"name": "s", "network_id": "${mock_network.n.id}"}},
        }
    }
    stack.write(both)
    stack.apply()
    stack.write({"output": {"o": {"value": 1}}})
    assert stack.plan() == {"mock_network.n": ["delete"], "mock_server.s": ["delete"]}
    stack.apply()  # the cloud refuses to delete a network that is in use
    assert stack.cloud() == {}


def test_refreshing_without_changes_writes_no_state(stack):
    stack.write("resource: {mock_server: {web: {name: web}}}")
    stack.apply()
    before = stack.state_path.read_bytes()
    stack.iac("refresh", "--no-input")
    assert stack.state_path.read_bytes() == before
