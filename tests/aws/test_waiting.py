"""Waiting: for errors that pass, and for states that are reached; without waiting in the tests."""

import pytest

from iacengine_aws.errors import ApiError
from iacengine_aws.patience import patiently
from iacengine_aws.spec import Retry


class Clock:
    """A session whose pauses only move its clock."""

    def __init__(self):
        self.now = 0.0

    def clock(self):
        return self.now

    def pause(self, seconds):
        self.now += seconds


def failing(code, times, message="Invalid principal in policy"):
    attempts = []

    def attempt():
        attempts.append(1)
        if len(attempts) <= times:
            raise ApiError("iam", "create_role", code, message)
        return len(attempts)

    return attempt


PRINCIPAL = (Retry("MalformedPolicyDocument", "Invalid principal"),)


def test_an_error_that_passes_is_waited_for():
    session = Clock()
    assert patiently(session, PRINCIPAL, 60, failing("MalformedPolicyDocument", 5)) == 6
    assert session.now > 1


def test_another_error_is_not():
    session = Clock()
    for attempt in (failing("AccessDenied", 1), failing("MalformedPolicyDocument", 1, "Syntax errors in policy")):
        with pytest.raises(ApiError):
            patiently(session, PRINCIPAL, 60, attempt)
    assert session.now == 0


def test_patience_ends():
    session = Clock()
    with pytest.raises(ApiError):
        patiently(session, PRINCIPAL, 30, failing("MalformedPolicyDocument", 10_000))
    assert session.now <= 30


def test_a_stop_ends_the_waiting(cloud):
    cloud.provider.stop()
    with pytest.raises(ApiError) as caught:
        patiently(cloud.provider.session, PRINCIPAL, 60, failing("MalformedPolicyDocument", 1))
    assert caught.value.diagnostic("creating aws_iam_role").summary == "Interrupted while creating aws_iam_role"
