"""Ephemeral resources from end to end, on the mock cloud: opened, renewed, closed, and never stored."""

from __future__ import annotations

import json
import sqlite3
import zlib

import pytest

DATABASE = {
    "name": "d",
    "engine": "postgres",
    "password_wo": "${ephemeral.mock_token.t.value}",
    "password_wo_version": 1,
}

NETWORK = {"name": "n", "cidr_block": "10.0.0.0/16"}


def with_token(token=None, **blocks):
    data = {"ephemeral": {"mock_token": {"t": {"name": "t", **(token or {})}}}}
    return {**data, **blocks}


STACK = with_token(resource={"mock_database": {"d": DATABASE}})


def assert_refused(stack, data, *words, verb="plan"):
    stack.write(data)
    done = stack.iac(verb, *(("--auto-approve",) if verb == "apply" else ()), code=1)
    for word in words:
        assert word in " ".join(done.err.split()), done


def test_it_is_opened_for_the_plan_and_again_for_the_apply_and_closed_each_time(stack, leases):
    stack.write(STACK)
    stack.plan()
    assert leases(stack) == {"open t": 1, "close t": 1}
    stack.apply()
    assert leases(stack) == {"open t": 3, "close t": 3}


def test_its_value_reaches_a_write_only_attribute_and_neither_plan_nor_state(stack):
    stack.write(
        with_token(resource={"mock_database": {"d": {**DATABASE, "password_wo": "${var.p}"}}})
        | {"variable": {"p": {"type": "string", "ephemeral": True}}}
    )
    stack.iac("plan", "--out", "p", "--var", "p=hunter2-hunter2")
    assert b"hunter2" not in zlib.decompress((stack.folder / "p").read_bytes().split(b"\n", 1)[1])
    done = stack.iac("apply", "p", "--var", "p=hunter2-hunter2")
    assert "hunter2" not in done.out + done.err
    assert b"hunter2" not in stack.state_path.read_bytes()


def test_the_value_given_to_the_provider_is_that_of_the_variable(stack, was_given):
    stack.write(
        {
            "variable": {"p": {"type": "string", "ephemeral": True}},
            "resource": {"mock_database": {"d": {**DATABASE, "password_wo": "${var.p}"}}},
        }
    )
    stack.apply("--var", "p=hunter2-hunter2")
    assert was_given(stack, stack.objects()["mock_database.d"]["id"], "hunter2-hunter2")


def test_a_saved_plan_opens_anew_what_it_needs(stack, leases):
    stack.write(STACK)
    stack.iac("plan", "--out", "p")
    stack.iac("apply", "p")
    assert leases(stack) == {"open t": 2, "close t": 2}


def test_what_is_known_only_after_a_change_is_opened_between_the_steps(stack, leases):
    stack.write(
        with_token({"name": "${mock_network.n.id}"})
        | {
            "resource": {
                "mock_network": {"n": NETWORK},
                "mock_database": {"d": DATABASE},
            }
        }
    )
    stack.plan()
    done = stack.apply()
    lines = [line for line in done.out.splitlines() if line.endswith(("...", "s")) or "complete after" in line]
    begun = [line.partition("...")[0] for line in lines if line.endswith("...")]
    assert begun[-4:] == [
        "mock_network.n: Creating",
        "ephemeral.mock_token.t: Opening",
        "mock_database.d: Creating",
        "ephemeral.mock_token.t: Closing",
    ]
    id_ = stack.objects()["mock_network.n"]["id"]
    assert leases(stack) == {f"open {id_}": 1, f"close {id_}": 1}


def test_an_object_depends_in_state_on_what_is_behind_an_ephemeral_resource(stack):
    stack.write(
        with_token({"name": "${mock_network.n.id}"})
        | {
            "resource": {
                "mock_network": {"n": NETWORK},
                "mock_database": {"d": DATABASE},
            }
        }
    )
    stack.apply()
    assert b'"dependencies":["mock_network.n"]' in stack.state_path.read_bytes()
    assert b"mock_token" not in stack.state_path.read_bytes()


def test_it_waits_for_what_depends_on_names(stack, leases):
    stack.write(
        with_token({"depends_on": ["mock_network.n"]})
        | {
            "resource": {
                "mock_network": {"n": NETWORK},
                "mock_database": {"d": DATABASE},
            }
        }
    )
    stack.plan()
    stack.apply()
    assert leases(stack) == {"open t": 1, "close t": 1}


def test_it_repeats_by_for_each_and_through_locals_and_modules(stack, leases, was_given):
    child = {
        "variable": {"secret": {"type": "string", "ephemeral": True}},
        "resource": {"mock_database": {"d": {**DATABASE, "password_wo": "${var.secret}"}}},
        "output": {"again": {"value": "${var.secret}", "ephemeral": True}},
    }
    (stack.folder / "m").mkdir()
    (stack.folder / "m" / "main.tf.json").write_text(json.dumps(child), encoding="utf-8")
    stack.write(
        {
            "ephemeral": {"mock_token": {"t": {"for_each": '${toset(["a", "b"])}', "name": "${each.key}"}}},
            "locals": {"secret": '${ephemeral.mock_token.t["a"].value}'},
            "module": {"m": {"source": "./m", "secret": "${local.secret}"}},
            "resource": {"mock_database": {"e": {**DATABASE, "password_wo": "${module.m.again}"}}},
        }
    )
    stack.apply()
    assert leases(stack) == {"open a": 2, "open b": 2, "close a": 2, "close b": 2}
    with sqlite3.connect(stack.folder / ".iac" / "mock-cloud.sqlite") as connection:
        digests = {digest for (digest,) in connection.execute("SELECT digest FROM secrets")}
    connection.close()
    assert len(digests) == 1, "both databases were given the same token"


def test_it_may_configure_a_provider_and_is_opened_for_a_destroy_too(stack, leases):
    data = {
        "provider": {"mock": [{}, {"alias": "inner", "cloud": "${ephemeral.mock_token.t.name}.sqlite"}]},
        "ephemeral": {"mock_token": {"t": {"name": "inner"}}},
        "resource": {"mock_network": {"n": {"name": "n", "cidr_block": "10.0.0.0/16", "provider": "mock.inner"}}},
    }
    stack.write(data)
    stack.apply()
    assert (stack.folder / "inner.sqlite").exists()
    opened = leases(stack)
    assert opened == {"open inner": 2, "close inner": 2}
    stack.iac("destroy", "--auto-approve")
    assert stack.objects() == {}
    assert leases(stack)["open inner"] == leases(stack)["close inner"] == 4


def test_lines_of_json_tell_of_opening_and_closing(stack):
    stack.write(STACK)
    lines = [line for line in stack.iac("plan", "--json").lines if line["type"].startswith("ephemeral_op")]
    assert [(line["type"], line["hook"]["action"]) for line in lines] == [
        ("ephemeral_op_start", "open"),
        ("ephemeral_op_complete", "open"),
        ("ephemeral_op_start", "close"),
        ("ephemeral_op_complete", "close"),
    ]
    assert lines[0]["hook"]["resource"]["addr"] == "ephemeral.mock_token.t"


def test_one_that_cannot_be_opened_fails_the_plan_at_its_block(stack, leases):
    faults = [{"operation": "open", "type": "mock_token", "nth": 0, "error": "no tokens today"}]
    assert_refused(stack, {**STACK, "provider": {"mock": {"faults": faults}}}, "no tokens today", "main.tf.json:1:")


def test_one_that_cannot_be_opened_while_applying_fails_what_needs_it_alone_and_all_is_closed(stack, leases):
    faults = [{"operation": "open", "type": "mock_token", "name": "t", "nth": 2, "error": "no tokens today"}]
    data = with_token(
        resource={
            "mock_database": {"d": DATABASE},
            "mock_network": {"n": NETWORK},
        },
        provider={"mock": {"faults": faults}},
    )
    stack.write(data)
    done = stack.apply("--on-failure", "pause", code=1)
    assert "no tokens today" in done.err
    assert list(stack.objects()) == ["mock_network.n"]
    assert leases(stack)["close t"] == 1
    stack.apply()
    assert set(stack.objects()) == {"mock_network.n", "mock_database.d"}


def test_one_that_cannot_be_closed_is_a_warning(stack):
    faults = [{"operation": "close", "type": "mock_token", "nth": 0, "error": "will not let go"}]
    stack.write({**STACK, "provider": {"mock": {"faults": faults}}})
    done = stack.apply()
    assert "will not let go" in done.err


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        (
            {
                "resource": {
                    "mock_network": {"n": {"name": "${ephemeral.mock_token.t.value}", "cidr_block": "10.0.0.0/8"}}
                }
            },
            ("Invalid use of ephemeral value", '"name"', "not write-only"),
        ),
        ({"output": {"o": {"value": "${ephemeral.mock_token.t.value}"}}}, ("Ephemeral value not allowed",)),
        (
            {"resource": {"terraform_data": {"d": {"count": "${length(ephemeral.mock_token.t.value)}"}}}},
            ("Invalid count argument", "ephemeral"),
        ),
        (
            {"resource": {"terraform_data": {"d": {"for_each": "${toset([ephemeral.mock_token.t.value])}"}}}},
            ("Invalid for_each argument", "ephemeral"),
        ),
        (
            {"data": {"mock_object": {"o": {"name": "${ephemeral.mock_token.t.value}"}}}},
            ("Invalid use of ephemeral value", "data source"),
        ),
        ({"resource": {"terraform_data": {"d": {"input": "${ephemeral.mock_token.x.value}"}}}}, ("mock_token.x",)),
    ],
)
def test_a_value_is_refused_where_it_would_be_kept(stack, blocks, words):
    assert_refused(stack, with_token(**blocks), *words)


def test_an_unknown_type_is_refused_with_a_near_match(stack):
    data = {"ephemeral": {"mock_tokn": {"t": {"name": "t"}}}}
    assert_refused(stack, data, "Invalid ephemeral resource", 'Did you mean "mock_token"?')


def test_conditions_are_judged_when_it_is_opened(stack):
    wrong = {"condition": '${self.name == "u"}', "error_message": "a token for u is needed"}
    assert_refused(stack, with_token({"lifecycle": {"postcondition": wrong}}), "a token for u is needed")


def test_ephemeralasnull_may_be_kept(stack):
    stack.write(
        with_token(resource={"terraform_data": {"d": {"input": "${ephemeralasnull(ephemeral.mock_token.t.value)}"}}})
    )
    stack.apply()
    assert stack.objects()["terraform_data.d"]["input"] is None


def test_recovery_opens_what_its_provider_is_configured_with(stack, leases):
    crash = [{"type": "mock_network", "operation": "create", "crash": "after"}]
    data = {
        "provider": {
            "mock": [{}, {"alias": "inner", "cloud": "${ephemeral.mock_token.t.name}.sqlite", "faults": crash}]
        },
        "ephemeral": {"mock_token": {"t": {"name": "inner"}}},
        "resource": {"mock_network": {"n": {"name": "n", "cidr_block": "10.0.0.0/16", "provider": "mock.inner"}}},
    }
    stack.write(data)
    stack.iac("apply", "--auto-approve", code=-9)
    stack.apply()
    assert list(stack.objects()) == ["mock_network.n"]
    assert leases(stack)["open inner"] == leases(stack)["close inner"] + 1, "the killed run closed nothing"
