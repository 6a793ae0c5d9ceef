import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from iacengine.lang.types import DYNAMIC
from iacengine.lang.values import Unknown
from iacengine_mock.rate import Bucket
from iacengine_mock.settings import parse_settings


def fault(**keys):
    return {"faults": (keys,)}


def error_of(response):
    return response.diagnostics[0].detail if response.diagnostics else None


def test_a_fault_hits_the_nth_matching_operation_and_no_other(cloud):
    driver = cloud(**fault(type="mock_object", name="o", operation="create", nth=2, error="quota exceeded"))
    assert error_of(driver.apply("mock_object", {"name": "o"})) is None
    assert error_of(driver.apply("mock_object", {"name": "other"})) is None
    assert error_of(driver.apply("mock_network", {"name": "o", "cidr_block": "10.0.0.0/8"})) is None
    assert error_of(driver.apply("mock_object", {"name": "o"})) == "quota exceeded"
    assert error_of(driver.apply("mock_object", {"name": "o"})) is None
    assert len(driver.rows()) == 4


def test_operations_are_counted_across_providers(cloud):
    settings = fault(operation="create", nth=2, error="e")
    assert error_of(cloud(**settings).apply("mock_object", {})) is None
    assert error_of(cloud(**settings).apply("mock_object", {})) == "e"
    assert error_of(cloud(**settings).apply("mock_object", {})) is None


def test_nth_zero_hits_every_operation(cloud):
    driver = cloud(**fault(operation="create", nth=0, error="e"))
    assert [error_of(driver.apply("mock_object", {})) for _ in range(3)] == ["e", "e", "e"]


@pytest.mark.parametrize("operation", ["update", "delete"])
def test_updates_and_deletes_fail_before_anything_happens(cloud, operation):
    state = cloud().make("mock_object", {"name": "o"})
    driver = cloud(**fault(operation=operation, error="e"))
    before = driver.rows()
    body = {"name": "new"} if operation == "update" else None
    response = driver.apply("mock_object", body, state)
    assert error_of(response) == "e"
    assert response.state is None
    assert driver.rows() == before


def test_a_read_of_one_object_fails_and_the_others_are_read(cloud):
    states = [cloud().make("mock_object", {"name": name}) for name in ("a", "b")]
    driver = cloud(**fault(operation="read", name="a", error="e"))
    assert error_of(driver.read("mock_object", states[0])) == "e"
    assert driver.read("mock_object", states[1]).state == states[1]
    assert driver.read("mock_object", states[0]).state == states[0]


def test_a_create_may_fail_after_the_object_exists(cloud):
    driver = cloud(**fault(operation="create", error="e", when="after"))
    response = driver.apply("mock_object", {"name": "o"})
    assert error_of(response) == "e"
    assert driver.read("mock_object", response.state).state == response.state


def test_a_fault_may_be_worth_a_retry(cloud):
    driver = cloud(**fault(operation="create", error="throttled", retryable=True))
    response = driver.apply("mock_object", {})
    assert response.retryable
    assert error_of(driver.apply("mock_object", {})) is None


CREATE = """
import sys
sys.path.insert(0, "providers")
from iacengine_mock.provider import MockProvider
from iacengine.provider.protocol import ApplyRequest, ConfigureContext
from iacengine.lang.types import STRING
from iacengine.lang.values import Unknown
from iacengine.schema.values import conform
provider = MockProvider()
settings = {"faults": ({"operation": "create", "crash": sys.argv[2]},)}
provider.configure(conform(settings, provider.schema().provider.block), ConfigureContext(sys.argv[1]))
planned = {"id": Unknown(STRING), "name": "o", "kind": None, "attributes": None}
response = provider.apply(ApplyRequest("mock_object", None, planned, planned, "tok"))
print(response.state["id"])
"""


@pytest.mark.parametrize(("moment", "made"), [("before", 0), ("after", 1)])
def test_a_crash_kills_the_process_around_the_change_and_does_not_come_again(cloud, tmp_path, moment, made):
    command = [sys.executable, "-c", CREATE, str(tmp_path), moment]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    driver = cloud()
    found = driver.provider.find("mock_object", "tok").state
    assert (found is not None) == bool(made)
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    ((_, id_, token, _),) = driver.rows()
    assert (id_, token) == (again.stdout.strip(), "tok")
    if made:
        assert found["id"] == id_


# --- lag, latency


def test_reads_lag_behind_creates_updates_and_deletes(cloud):
    driver = cloud(eventual_consistency={"reads": 2, "wait": False})

    def seen(state):
        found = driver.read("mock_object", state).state
        return None if found is None else found["name"]

    state = driver.make("mock_object", {"name": "a"})
    assert [seen(state) for _ in range(4)] == [None, None, "a", "a"]
    state = driver.make("mock_object", {"name": "b"}, state)
    assert [seen(state) for _ in range(4)] == ["a", "a", "b", "b"]
    driver.make("mock_object", None, state)
    assert [seen(state) for _ in range(4)] == ["b", "b", None, None]


def test_a_change_waits_until_reads_see_it(cloud):
    driver = cloud(eventual_consistency={"reads": 3, "seconds": 0.01})
    state = driver.make("mock_object", {"name": "a"})
    assert driver.read("mock_object", state).state == state


def test_a_lag_ends_with_the_clock(tmp_path):
    from iacengine_mock.cloud import Cloud, Lag

    now = [100.0]
    cloud = Cloud(str(tmp_path / "c"), Lag(seconds=5), lambda: now[0])
    cloud.create("mock_object", "o", "t", {"name": "a"})
    assert cloud.read(["o"]) == {}
    now[0] += 5
    assert cloud.read(["o"]) == {"o": ("mock_object", {"name": "a"})}
    cloud.close()


def test_stopping_ends_a_long_operation_with_nothing_made_and_later_ones_go_on(cloud):
    driver = cloud(latency={"create": 3600})
    state = cloud().make("mock_object", {})
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(driver.apply, "mock_object", {})
        while not running.done():
            driver.provider.stop()
            wait([running], timeout=0.01)
    assert running.result().diagnostics[0].summary == "Stopped"
    assert len(driver.rows()) == 1
    assert driver.make("mock_object", None, state) is None


def test_stopping_does_not_end_the_wait_for_reads_to_see_what_was_made(cloud):
    driver = cloud(eventual_consistency={"seconds": 0.2})
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(driver.make, "mock_object", {"name": "a"})
        while not running.done():
            driver.provider.stop()
            wait([running], timeout=0.01)
    assert driver.read("mock_object", running.result()).state == running.result()


# --- too many requests


def test_a_bucket_gives_as_many_as_it_holds_and_new_ones_with_time():
    now = [0.0]
    bucket = Bucket(2, 3, lambda: now[0])
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    now[0] = 0.5
    assert [bucket.take() for _ in range(2)] == [True, False]
    now[0] = 100.0
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]


def test_more_requests_than_the_rate_are_throttled_and_do_nothing(cloud):
    driver = cloud(rate_limit={"per_second": 0.001, "burst": 1})
    assert error_of(driver.apply("mock_object", {"name": "a"})) is None
    refused = driver.apply("mock_object", {"name": "b"})
    assert (refused.retryable, refused.throttled, refused.state) == (True, True, None)
    assert len(driver.rows()) == 1


def test_a_lost_answer_says_nothing_of_what_was_made(cloud):
    driver = cloud(**fault(operation="create", error="lost", when="after", retryable=True))
    response = driver.apply("mock_object", {"name": "a"})
    assert (response.retryable, response.state) == (True, None)
    assert len(driver.rows()) == 1


# --- settings


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"latency": -1}, "must be a number"),
        ({"latency": "x"}, "must be a number"),
        ({"latency": {"creat": 1}}, 'no operation "creat"'),
        ({"eventual_consistency": 0.5}, "whole number"),
        ({"eventual_consistency": {"rads": 1}}, 'no key "rads"'),
        ({"eventual_consistency": {"wait": 1}}, "wait must be"),
        ({"faults": {"a": 1}}, "must be a list"),
        ({"faults": (1,)}, "faults[0] must be an object"),
        ({"faults": ({"operation": "create", "error": "e", "nht": 1},)}, 'did you mean "nth"?'),
        ({"faults": ({"operation": "make", "error": "e"},)}, "operation must be one of"),
        ({"faults": ({"operation": "create"},)}, "either an error or a crash"),
        ({"faults": ({"operation": "create", "crash": "before", "error": "e"},)}, "either an error or a crash"),
        ({"faults": ({"operation": "create", "crash": "now"},)}, 'must be "before" or "after"'),
        ({"faults": ({"operation": "create", "error": "e", "nth": True},)}, "nth must be a whole number"),
        ({"faults": ({"operation": "create", "error": 1},)}, "error must be a string"),
        ({"faults": ({"operation": "create", "error": "e", "throttled": 1},)}, "throttled must be true or false"),
        ({"rate_limit": 0}, "more than 0"),
        ({"rate_limit": {"per_second": 1, "burts": 2}}, 'no key "burts"'),
        ({"rate_limit": {"per_second": 1, "burst": 1.5}}, "whole number"),
    ],
)
def test_a_wrong_setting_is_told(settings, text):
    _, (problem,) = parse_settings(settings)
    assert text in problem.detail


def test_unknown_settings_count_as_left_out():
    settings, problems = parse_settings({"cloud": Unknown(DYNAMIC), "faults": (Unknown(DYNAMIC),)})
    assert problems == ()
    assert settings.faults == ()
