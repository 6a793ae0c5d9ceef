"""When what failed is tried again, how many calls run at once, and how planning waits."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iacengine.foundation.diagnostics import error, warning
from iacengine.provider.pace import Pace
from iacengine.provider.patience import Patience, Stop
from iacengine.provider.protocol import PlanRequest, PlanResponse, ReadRequest, ReadResponse
from iacengine.provider.retry import DEFAULT, RetryPolicy, RetryRules, Trial

POLICY = RetryPolicy(attempts=4, first_wait=1, longest_wait=5, patience=100)


def pauses(policy, kinds, *, chance=1.0, timeout=None):
    """The pauses after tries that failed one after the other, when no call takes any time."""
    trial, now, found = Trial(0.0), 0.0, []
    for kind in kinds:
        pause = trial.pause(policy, throttled=kind == "throttled", now=now, chance=chance, timeout=timeout)
        found.append(pause)
        now += pause or 0.0
    return found


def test_pauses_double_up_to_the_longest_and_end_with_the_attempts():
    assert pauses(replace(POLICY, attempts=6), ["failed"] * 6) == [1, 2, 4, 5, 5, None]


def test_throttled_tries_are_not_counted():
    assert pauses(POLICY, ["throttled"] * 5 + ["failed"] * 4) == [1, 2, 4, 5, 5, 1, 2, 4, None]


def test_throttled_tries_end_with_the_patience():
    found = pauses(POLICY, ["throttled"] * 40)
    assert sum(pause for pause in found if pause) < POLICY.patience
    assert found[-1] is None


def test_one_attempt_means_no_other_one():
    assert pauses(replace(POLICY, attempts=1), ["failed"]) == [None]
    assert pauses(replace(POLICY, attempts=1), ["throttled"]) == [None]


def test_nothing_is_tried_again_after_the_time_of_the_step():
    assert pauses(POLICY, ["failed"] * 3, timeout=4) == [1, 2, None]


@given(
    st.builds(
        RetryPolicy,
        attempts=st.integers(1, 20),
        first_wait=st.floats(0, 100),
        longest_wait=st.floats(0, 100),
        patience=st.floats(0, 1000),
    ),
    st.lists(st.sampled_from(["failed", "throttled"]), max_size=60),
    st.floats(0, 1),
)
def test_no_pause_is_longer_than_allowed_and_all_together_stay_within_the_patience(policy, kinds, chance):
    found = [pause for pause in pauses(policy, kinds, chance=chance) if pause is not None]
    assert all(0 <= pause <= policy.longest_wait for pause in found)
    assert sum(found) <= policy.patience


def test_errors_are_named_by_their_text():
    policy = RetryPolicy(errors=(r"AccessDenied: .*assume", "NoSuchEntity"))
    assert policy.names([error("Failed", "iam answered NoSuchEntity: no")])
    assert policy.names([error("AccessDenied", "cannot assume the role")])
    assert not policy.names([warning("NoSuchEntity")])
    assert not policy.names([error("AccessDenied", "cannot read")])
    assert not DEFAULT.names([error("anything")])


def test_what_the_stack_says_of_a_type_goes_before_its_provider_and_both_before_what_is_declared():
    declared = {"": RetryPolicy(attempts=2, patience=7), "a_b": RetryPolicy(attempts=3)}
    rules = RetryRules({"src": {"attempts": 8, "first_wait": 0.5}}, {"a_c": {"attempts": 9}})
    assert rules.policy(declared, "src", "a_c") == RetryPolicy(attempts=9, first_wait=0.5, patience=7)
    assert rules.policy(declared, "src", "a_b") == RetryPolicy(attempts=8, first_wait=0.5)
    assert rules.policy(declared, "other", "a_b") == RetryPolicy(attempts=3)
    assert rules.policy({}, "other", "a_d") == DEFAULT


# --- the pace ---------------------------------------------------------------------------------------------------------


def simulated(capacity, most, rounds):
    """The limits after each round with an API that bears so many calls at once and throttles all others."""
    pace, limits = Pace(most), []
    for _ in range(rounds):
        begun = [pace.begin() for _ in range(pace.room(0.0))]
        for place, number in enumerate(begun):
            pace.end(number, throttled=place >= capacity)
        assert pace.running == 0
        limits.append(pace.limit)
    return limits


def test_the_limit_stays_where_nothing_is_throttled():
    assert simulated(100, 32, 5) == [32.0] * 5


@pytest.mark.parametrize("capacity", [1, 2, 5, 20])
def test_the_limit_finds_what_the_other_side_bears(capacity):
    limits = simulated(capacity, 64, 400)[100:]
    assert capacity / 2 <= min(limits)
    assert max(limits) <= capacity + 2


def test_a_crowd_of_throttled_answers_halves_the_limit_once():
    pace = Pace(32)
    for number in [pace.begin() for _ in range(32)]:
        pace.end(number, throttled=True)
    assert pace.limit == 16
    pace.end(pace.begin(), throttled=True)
    assert pace.limit == 8


def test_the_limit_never_falls_below_one_and_rises_no_higher_than_before():
    pace = Pace(3)
    for _ in range(10):
        pace.end(pace.begin(), throttled=True)
    assert (pace.limit, pace.room(0.0)) == (1.0, 1)
    for _ in range(100):
        pace.end(pace.begin())
    assert pace.limit == 3.0


def test_where_one_call_is_too_many_all_wait_for_it():
    pace = Pace(2)
    pace.hold(5.0)
    assert pace.room(0.0) == 2
    pace.end(pace.begin(), throttled=True)
    pace.hold(5.0)
    assert (pace.room(4.9), pace.room(5.0)) == (0, 1)


# --- planning and reading --------------------------------------------------------------------------------------------


class Cloud:
    """Answers of a provider, by object, each given once; `asked` are the objects of each call."""

    def __init__(self, answers):
        self.answers = {name: [*given] for name, given in answers.items()}
        self.asked, self.waited, self.now = [], [], 0.0

    def ask(self, requests):
        self.asked.append([request.state for request in requests])
        return [self.answers[request.state].pop(0) for request in requests]

    def wait(self, seconds):
        self.waited.append(seconds)
        self.now += seconds
        return False

    def patience(self, policy=POLICY, pace=None):
        return Patience(lambda _: policy, pace or Pace(4), self.wait, lambda: self.now, lambda: 1.0)


FAILED = (error("no luck"),)
LATER = ReadResponse(None, None, FAILED, retryable=True)
THROTTLED = ReadResponse(None, None, FAILED, retryable=True, throttled=True)
NEVER = ReadResponse(None, None, FAILED)
REQUESTS = [ReadRequest("t", name) for name in "abc"]


def test_only_what_may_pass_is_asked_for_again():
    cloud = Cloud({"a": [ReadResponse(1)], "b": [LATER, LATER, ReadResponse(2)], "c": [NEVER]})
    answers = cloud.patience().all(cloud.ask, REQUESTS)
    assert [answer.state for answer in answers] == [1, 2, None]
    assert cloud.asked == [["a", "b", "c"], ["b"], ["b"]]
    assert cloud.waited == [1, 2]


def test_in_the_end_the_last_answer_stands():
    cloud = Cloud({"a": [LATER] * 4})
    assert cloud.patience().all(cloud.ask, REQUESTS[:1]) == [LATER]
    assert len(cloud.asked) == 4


def test_errors_that_the_policy_names_are_asked_for_again():
    cloud = Cloud({"a": [NEVER, ReadResponse(1)]})
    policy = replace(POLICY, errors=("no luck",))
    assert cloud.patience(policy).all(cloud.ask, REQUESTS[:1])[0].state == 1


def test_throttled_reads_lower_the_pace():
    cloud, pace = Cloud({"a": [THROTTLED, ReadResponse(1)]}), Pace(8)
    cloud.patience(pace=pace).all(cloud.ask, REQUESTS[:1])
    assert (pace.limit, pace.running) == (4.25, 0)


def test_a_warning_is_an_answer():
    told = ReadResponse(1, None, (warning("careful"),), throttled=True)
    cloud = Cloud({"a": [told]})
    assert cloud.patience().all(cloud.ask, REQUESTS[:1]) == [told]


def test_plans_are_asked_for_again():
    given = [[PlanResponse(None, diagnostics=FAILED, retryable=True)], [PlanResponse(5)]]
    patience = Cloud({}).patience()
    (answer,) = patience.all(lambda _: given.pop(0), [PlanRequest("t", None, 1, 1)], paced=False)
    assert answer.planned == 5


def test_waiting_ends_when_the_run_does():
    stop = Stop()
    cloud = Cloud({"a": [LATER] * 2})

    def wait(seconds):
        held = stop._event
        stop.ask()
        assert held.is_set()
        return held.wait(seconds)

    patience = Patience(lambda _: POLICY, Pace(1), wait)
    assert patience.all(cloud.ask, REQUESTS[:1]) == [LATER]
    assert len(cloud.asked) == 1
    assert not stop.wait(0)
