"""Operations that fail with what may pass: tried again with the same token, told of, and never made twice."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace

from iacengine import engine
from iacengine.foundation.diagnostics import error
from iacengine.plan.events import StepRetrying
from iacengine.provider.protocol import ApplyResponse, ReadResponse
from iacengine.state.journal_entries import Begun, Failed, Succeeded
from iacengine_mock.provider import MockProvider

QUICK = {"first_wait": "1ms", "longest_wait": "2ms"}


def stack(*faults, retries=QUICK, objects=("a",), **provider):
    """A stack of objects on a cloud with faults."""
    blocks = {name: {"name": name} for name in objects}
    return {
        "stack": {"retries": {"mock": retries}},
        "provider": {"mock": {"faults": list(faults), **provider}},
        "resource": {"mock_object": blocks},
    }


def fault(operation, nth, **more):
    return {"operation": operation, "nth": nth, "error": "no luck", "retryable": True, **more}


def names(folder):
    path = folder / ".iac" / "mock-cloud.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute("SELECT json_extract(attributes, '$.name') FROM objects")]


def test_every_try_has_the_same_token_and_the_journal_knows_of_one_operation(watched):
    outcome = watched.apply(stack(fault("create", 1), fault("create", 2)))
    assert outcome.ok
    calls = [event.token for event in watched.kinds("call")]
    assert len(calls) == 3
    assert len(set(calls)) == 1
    entries = watched.entries()
    assert [type(entry) for entry in entries if isinstance(entry, Begun | Succeeded | Failed)] == [Begun, Succeeded]


def test_after_the_last_try_the_step_has_failed(watched):
    outcome = watched.apply(stack(fault("create", 0), retries={**QUICK, "attempts": 3}))
    assert [str(address) for address in outcome.failed] == ["mock_object.a"]
    assert len(watched.kinds("call")) == 3
    assert any(isinstance(entry, Failed) for entry in watched.entries())


def test_one_attempt_is_one_try(watched):
    assert not watched.apply(stack(fault("create", 1), retries={"attempts": 1})).ok
    assert len(watched.kinds("call")) == 1


def test_what_does_not_pass_is_not_tried_again(watched):
    assert not watched.apply(stack(fault("create", 1, retryable=False))).ok
    assert len(watched.kinds("call")) == 1


def test_errors_that_the_stack_names_are_tried_again(watched):
    assert watched.apply(stack(fault("create", 1, retryable=False), retries={**QUICK, "errors": ["no luck"]})).ok


def test_updates_and_deletes_are_tried_again(watched):
    watched.apply(stack(objects=("a", "b")))
    data = stack(fault("update", 1), fault("delete", 1))
    data["resource"]["mock_object"]["a"]["attributes"] = {"n": 1}
    assert watched.apply(data).ok
    assert len(watched.kinds("call")) == 4
    assert names(watched.folder) == ["a"]


def test_a_create_whose_answer_was_lost_is_found_and_not_made_twice(watched):
    outcome = watched.apply(stack(fault("create", 1, when="after")))
    assert outcome.ok
    assert len(watched.kinds("call")) == 1  # the second try found it, and made nothing
    assert names(watched.folder) == ["a"]
    (stored,) = outcome.state.objects.values()
    assert not stored.tainted


def test_what_the_last_try_made_is_kept_although_its_answer_was_lost(watched):
    outcome = watched.apply(stack(fault("create", 1, when="after"), retries={"attempts": 1}))
    assert not outcome.ok
    (stored,) = outcome.state.objects.values()
    assert stored.tainted
    assert names(watched.folder) == ["a"]


def test_a_lost_create_that_differs_from_the_plan_is_tainted(watched, monkeypatch):
    find = MockProvider.find

    def differing(provider, type_, token):
        found = find(provider, type_, token)
        return replace(found, state={**found.state, "kind": "other"}) if found.state is not None else found

    monkeypatch.setattr(MockProvider, "find", differing)
    data = stack(fault("create", 1, when="after"))
    data["resource"]["mock_object"]["a"]["kind"] = "mine"
    outcome = watched.apply(data)
    assert "not as planned" in outcome.diagnostics[0].summary
    (stored,) = outcome.state.objects.values()
    assert stored.tainted


def test_a_search_that_fails_counts_as_a_try(watched, monkeypatch):
    find, searches = MockProvider.find, []

    def failing(provider, type_, token):
        searches.append(token)
        if len(searches) == 1:
            return ReadResponse(None, None, (error("lost again"),), retryable=True)
        return find(provider, type_, token)

    monkeypatch.setattr(MockProvider, "find", failing)
    assert watched.apply(stack(fault("create", 1, when="after"))).ok
    assert len(searches) == 2
    assert names(watched.folder) == ["a"]


def test_a_half_made_object_is_not_tried_again(watched, monkeypatch):
    calls = []

    def half(provider, request):
        calls.append(request.token)
        made = {**request.planned, "id": "half"}
        return ApplyResponse(made, diagnostics=(error("half made"),), retryable=True)

    monkeypatch.setattr(MockProvider, "apply", half)
    outcome = watched.apply(stack())
    assert len(calls) == 1
    (stored,) = outcome.state.objects.values()
    assert stored.tainted


def test_what_an_earlier_try_of_an_update_said_is_kept(watched, monkeypatch):
    watched.apply(stack())
    first = (error("first"),)
    answers = [
        lambda request: ApplyResponse({**request.planned, "attributes": "half"}, None, first, retryable=True),
        lambda request: ApplyResponse(None, None, (error("second"),)),
    ]
    monkeypatch.setattr(MockProvider, "apply", lambda provider, request: answers.pop(0)(request))
    data = stack()
    data["resource"]["mock_object"]["a"]["attributes"] = {"n": 1}
    outcome = watched.apply(data)
    assert [found.summary for found in outcome.diagnostics] == ["second"]
    (stored,) = outcome.state.objects.values()
    assert stored.attributes["attributes"] == {"value": "half", "type": "string"}


def test_data_sources_are_read_again_while_applying(watched):
    watched.apply(stack(objects=("a", "b")))
    data = stack(fault("read", 1, name="b", type="mock_object"), objects=("a", "b", "c"))
    data["data"] = {"mock_object": {"d": {"name": "b", "depends_on": ["mock_object.c"]}}}
    faulty = fault("read", 2, name="b", type="mock_object")
    data["provider"]["mock"]["faults"] = [faulty]
    assert watched.apply(data).ok


def test_refreshes_are_read_again(watched):
    watched.apply(stack(objects=("a", "b")))
    data = stack(fault("read", 1, name="a"), objects=("a", "b"))
    data["resource"]["mock_object"]["c"] = {"name": "c"}
    assert watched.apply(data).ok


def test_each_retry_is_told(watched, monkeypatch):
    heard = []
    apply = engine.apply
    monkeypatch.setattr(engine, "apply", lambda *args, **options: apply(*args, listener=heard.append, **options))
    watched.apply(stack(fault("create", 1, throttled=True), fault("create", 2)))
    told = [event for event in heard if isinstance(event, StepRetrying)]
    assert [(event.because, event.attempt, event.attempts) for event in told] == [
        ("throttled", 2, None),
        ("Cannot create mock_object", 3, 6),
    ]


def test_each_try_gets_what_is_left_of_the_time(watched, monkeypatch):
    given = []
    call = MockProvider.apply

    def apply(provider, request):
        given.append(request.timeout)
        return call(provider, request)

    monkeypatch.setattr(MockProvider, "apply", apply)
    data = stack(fault("create", 1))
    data["resource"] = {"mock_server": {"a": {"name": "a", "timeouts": {"create": "10m"}}}}
    assert watched.apply(data).ok
    first, second = given
    assert first == 600
    assert 0 < second < 600


def test_nothing_is_tried_again_that_would_begin_after_the_timeout(watched):
    data = stack(fault("create", 0), retries={"first_wait": "1000h", "longest_wait": "1000h", "patience": "9000h"})
    data["resource"] = {"mock_server": {"a": {"name": "a", "timeouts": {"create": "1ms"}}}}
    assert not watched.apply(data).ok
    assert len(watched.kinds("call")) == 1


def test_two_hundred_creates_succeed_on_a_cloud_that_bears_few_requests(watched):
    names_ = [f"o{number}" for number in range(200)]
    retries = {"first_wait": "5ms", "longest_wait": "40ms"}
    outcome = watched.apply(stack(objects=names_, retries=retries, rate_limit={"per_second": 250, "burst": 5}))
    assert outcome.ok
    assert outcome.counts.add == 200
    assert sorted(names(watched.folder)) == sorted(names_)
    assert len(watched.kinds("call")) > 200  # some were refused


def test_looking_for_what_was_made_does_not_use_up_the_few_requests_that_a_cloud_bears(watched):
    """Each look would take the one request that the call which follows it needs."""
    retries = {"first_wait": "20ms", "longest_wait": "20ms", "patience": "5s"}
    few = {"per_second": 20, "burst": 1}
    outcome = watched.apply(stack(fault("create", 1), retries=retries, rate_limit=few))
    assert outcome.ok
    assert names(watched.folder) == ["a"]


def test_a_failure_that_ends_the_run_ends_the_waiting(watched):
    faults = [fault("create", 0, name="a"), fault("create", 1, name="b", retryable=False)]
    data = stack(
        *faults, objects=("a", "b"), retries={"first_wait": "100h", "longest_wait": "100h", "patience": "999h"}
    )
    outcome = watched.apply(data, on_failure="rollback", parallelism=1)  # who waits is in nobody's way
    assert {str(address) for address in outcome.failed} == {"mock_object.a", "mock_object.b"}
