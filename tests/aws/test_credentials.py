"""Credentials that end while a run goes on, and what throttling comes to."""

import json
import subprocess
import sys
import threading
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from iacengine.testing.services.s3 import Answer, S3Proxy
from iacengine_aws.client import Session
from iacengine_aws.errors import ApiError
from iacengine_aws.settings import Settings

_PROCESS = """
import json, sys
with open(sys.argv[1], "a") as calls:
    calls.write("called\\n")
print(json.dumps({"Version": 1, "AccessKeyId": "AKIA", "SecretAccessKey": "s", "SessionToken": "t",
                  "Expiration": sys.argv[2]}))
"""
_ANSWER = """<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:iam::{account}:user/u</Arn><UserId>U</UserId><Account>{account}</Account></GetCallerIdentityResult>
<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></GetCallerIdentityResponse>"""
_REFUSAL = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
<Code>{code}</Code><Message>no</Message></Error><RequestId>r</RequestId></ErrorResponse>"""


@pytest.fixture
def profile(tmp_path, monkeypatch):
    """Write a file of the AWS configuration that is all there is."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)

    def write(kind, text):
        path = tmp_path / kind
        path.write_text(text, encoding="utf-8")
        monkeypatch.setenv({"config": "AWS_CONFIG_FILE", "credentials": "AWS_SHARED_CREDENTIALS_FILE"}[kind], str(path))

    return write


def test_credentials_of_a_process_are_fetched_again_before_they_end(cloud, profile, tmp_path, driver):
    script, calls = tmp_path / "process.py", tmp_path / "calls"
    script.write_text(_PROCESS, encoding="utf-8")
    soon = (datetime.now(UTC) + timedelta(seconds=60)).isoformat()
    profile("config", f"[default]\ncredential_process = {sys.executable} {script} {calls} {soon}\n")
    driven = driver(region="us-east-1")
    before = len(calls.read_text().splitlines())
    for _ in range(3):  # botocore renews what ends within ten minutes before each request that it signs
        driven.remove(driven.make("aws_vpc", {"cidr_block": "10.0.0.0/16"}))
    assert len(calls.read_text().splitlines()) >= before + 6


class _Sts(ThreadingHTTPServer):
    """An STS that knows which keys are still good, and counts what it is asked."""

    daemon_threads = True

    def __init__(self):
        self.accounts, self.throttle, self.asked = {}, 0, 0
        super().__init__(("127.0.0.1", 0), _Answer)


class _Answer(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        key = self.headers["Authorization"].partition("Credential=")[2].partition("/")[0]
        server = self.server
        server.asked += 1
        if server.throttle:
            server.throttle -= 1
            status, text = 400, _REFUSAL.format(code="Throttling")
        elif key in server.accounts:
            status, text = 200, _ANSWER.format(account=server.accounts[key])
        else:
            status, text = 403, _REFUSAL.format(code="ExpiredToken")
        self.send_response(status)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def sts():
    with _Sts() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def session(sts, profile):
    """A session with the key OLD of the shared file."""
    profile("credentials", _keys("OLD"))
    sts.accounts["OLD"] = "111111111111"
    made = Session(Settings(region="us-east-1", endpoints={"sts": f"http://127.0.0.1:{sts.server_port}"}))
    yield made
    made.close()


def _keys(name):
    return f"[default]\naws_access_key_id = {name}\naws_secret_access_key = s\naws_session_token = t\n"


def test_after_keys_expired_those_that_somebody_wrote_meanwhile_are_used(session, sts, profile):
    assert session.account == "111111111111"
    profile("credentials", _keys("NEW"))
    sts.accounts = {"NEW": "111111111111"}
    assert session.call("sts", "get_caller_identity", {})["Account"] == "111111111111"
    asked = sts.asked
    session.call("sts", "get_caller_identity", {})
    assert sts.asked == asked + 1


def test_expired_keys_are_told_when_there_are_no_others(session, sts):
    sts.accounts = {}
    with pytest.raises(ApiError, match="ExpiredToken"):
        session.call("sts", "get_caller_identity", {})
    assert sts.asked == 1


def test_keys_of_another_account_do_not_take_over(session, sts, profile):
    assert session.account == "111111111111"
    profile("credentials", _keys("OTHER"))
    sts.accounts = {"OTHER": "222222222222"}
    with pytest.raises(ApiError, match="ExpiredToken"):
        session.call("sts", "get_caller_identity", {})


def test_of_many_calls_that_fail_together_one_looks_for_keys(session, sts, profile):
    session.client("sts")
    profile("credentials", _keys("NEW"))
    sts.accounts = {"NEW": "111111111111"}
    answers = session.map(lambda _: session.call("sts", "get_caller_identity", {}), range(8))
    assert [answer["Account"] for answer in answers] == ["111111111111"] * 8
    assert session._generation == 1


def test_throttling_that_botocore_overcame_is_counted(session, sts):
    sts.throttle = 1
    assert session.throttled_here == session.throttled == 0
    session.call("sts", "get_caller_identity", {})
    assert session.throttled_here == session.throttled == 1


def test_throttling_is_told_to_the_engine(driver, monkeypatch):
    driven = driver()
    planned = driven.planned("aws_vpc", {"cidr_block": "10.0.0.0/16"}).planned
    from iacengine.provider.protocol import ApplyRequest

    def refuse(service, operation, params):
        raise ApiError(service, operation, "RequestLimitExceeded", "slow down")

    monkeypatch.setattr(driven.provider.session, "call", refuse)
    response = driven.provider.apply(ApplyRequest("aws_vpc", None, planned, planned, json.dumps("token")))
    assert (response.retryable, response.throttled, response.state) == (True, True, None)


@pytest.fixture
def ending(moto, profile, monkeypatch):
    """moto behind a proxy that takes the key AKIAOLD for 5 requests that make something, and from then on another one,
    which somebody writes into the shared file meanwhile."""
    with closing(S3Proxy(moto.port)) as proxy:
        used = Counter()

        def fault(request, answer):
            if answer is not None or not request.headers.get("x-amz-target", "").endswith("CreateQueue"):
                return None
            key = request.headers["authorization"].partition("Credential=")[2].partition("/")[0]
            used[key] += 1
            if key != "AKIAOLD" or used[key] <= 5:
                return None
            profile("credentials", _keys("AKIANEW"))
            refusal = {"__type": "ExpiredTokenException", "message": "The security token is expired"}
            return Answer(400, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(refusal).encode())

        proxy.fault = fault
        profile("credentials", _keys("AKIAOLD"))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
        yield used


def test_an_apply_goes_on_when_its_credentials_end_in_the_middle(ending, client, tmp_path):
    names = [f"ending-{number}" for number in range(12)]
    queue = {"for_each": f"${{toset({json.dumps(names)})}}", "name": "${each.key}"}
    stack = {"provider": {"aws": {"region": "eu-west-1"}}, "resource": {"aws_sqs_queue": {"q": queue}}}
    (tmp_path / "main.tf.json").write_text(json.dumps(stack))
    command = [sys.executable, "-c", "from iacengine.cli.main import main; main()", "apply", "--auto-approve"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ending["AKIANEW"] >= 7
    assert ending["AKIAOLD"] > 5
    found = client("sqs").list_queues(QueueNamePrefix="ending-")["QueueUrls"]
    assert sorted(url.rpartition("/")[2] for url in found) == sorted(names)
