"""The block `timeouts`: which types have it, what it may say, and that providers heed it."""

from __future__ import annotations

import pytest

from iacengine.provider import guard
from iacengine.provider.base import ProviderBase
from iacengine.provider.guard import GuardedProvider
from iacengine.provider.protocol import ApplyRequest, ApplyResponse

SLOW = 60


def server(**timeouts):
    return {"resource": {"mock_server": {"s": {"name": "s", "timeouts": timeouts}}}}


def with_latency(data, **latency):
    return {**data, "provider": {"mock": {"latency": latency}}}


def assert_refused(stack, data, *words, verb="validate"):
    stack.write(data)
    done = stack.iac(verb, code=1)
    for word in words:
        assert word in " ".join(done.err.split()), done


def test_a_type_without_timeouts_refuses_them(stack):
    data = {"resource": {"terraform_data": {"d": {"input": 1, "timeouts": {"create": "5m"}}}}}
    assert_refused(stack, data, 'Unknown block "timeouts"', "main.tf.json:1:", "its type offers none")


def test_an_operation_that_has_no_timeout_is_refused(stack):
    assert_refused(stack, server(creat="5m"), 'Unknown argument "creat"', 'Did you mean "create"?')


def test_a_written_duration_is_checked_without_planning(stack):
    assert_refused(
        stack, server(create="5 minutes"), "Invalid duration", "timeouts.create", '"5 minutes" is no duration'
    )


def test_a_computed_duration_is_checked_while_planning(stack):
    data = {**server(delete="${local.long}m m"), "locals": {"long": 5}}
    assert_refused(stack, data, "Invalid duration", '"5m m"', "main.tf.json:1:", verb="plan")


def test_a_create_that_takes_longer_fails_and_says_what_is_left(stack):
    stack.write(with_latency(server(create="10ms"), create=SLOW))
    done = stack.apply("--on-failure", "pause", code=1)
    assert "Timed out: cannot create mock_server" in done.err
    assert "10ms" in done.err
    assert "Nothing was changed" in done.err
    assert '"create" in the block timeouts' in " ".join(done.err.split())
    assert stack.cloud() == {}


def test_an_operation_that_is_in_time_is_done(stack):
    stack.write(with_latency(server(create="1h", delete="1h"), create=0.001))
    stack.apply()
    assert stack.objects()["mock_server.s"]["timeouts"] == {"create": "1h", "update": None, "delete": "1h"}
    assert stack.plan() == {}


def test_a_delete_goes_by_what_is_stored(stack):
    stack.write(server(delete="10ms"))
    stack.apply()
    stack.write(with_latency({"output": {"o": {"value": 1}}}, delete=SLOW))
    done = stack.apply("--on-failure", "pause", code=1)
    assert "Timed out: cannot delete mock_server" in done.err
    assert list(stack.objects()) == ["mock_server.s"]


def test_a_change_of_timeouts_alone_is_kept_for_the_delete(stack):
    stack.write(server(delete="10ms"))
    stack.apply()
    stack.write(server(delete="1h"))
    assert stack.plan() == {"mock_server.s": ["update"]}
    stack.apply()
    stack.iac("destroy", "--auto-approve")
    assert stack.cloud() == {}


class Sluggish(ProviderBase):
    def apply(self, request):
        return ApplyResponse(request.planned)


@pytest.mark.parametrize(("timeout", "told"), [(5.0, True), (3600.0, False), (None, False)])
def test_a_provider_that_overruns_its_timeout_is_told_of(monkeypatch, timeout, told):
    clock = iter((100.0, 130.0))
    monkeypatch.setattr(guard, "monotonic", lambda: next(clock))
    request = ApplyRequest("mock_server", None, {"name": "s"}, None, "token", None, timeout)
    answer = GuardedProvider(Sluggish(), "example/slow").apply(request)
    assert answer.state == {"name": "s"}
    if told:
        (found,) = answer.diagnostics
        assert found.summary == "Ran longer than its timeout"
        assert "took 30s" in found.detail
        assert "allows 5s" in found.detail
        assert not found.is_error
    else:
        assert not answer.diagnostics
